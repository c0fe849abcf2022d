//! What there is to see of a cluster.

use super::Admin;
use super::motion::ownership;
use super::plan::{owned, table, waits_for};
use crate::cli::contexts::hex;
use anyhow::Result;
use dynamo::wire::status::{Digests, Members, Status};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::membership::{LayoutHash, Stage};
use dynamo_protocol::ring::Member;
use serde_json::{Value, json};
use std::process::ExitCode;

impl Admin {
    pub(super) fn status(&self) -> Result<ExitCode> {
        let (status, members) = self.asked(Digests::Nothing)?;
        if self.json {
            return self.print(&status_json(&status, &members), "");
        }
        let mut rows = table(["node", "id", "address", "weight", "zone", "owns", "seems"]);
        let shares = ownership(members.membership.current());
        for member in members.membership.members() {
            rows.add_row([
                member.name.clone(),
                member.id.to_string(),
                member.address.clone(),
                member.weight.to_string(),
                member.zone.clone().unwrap_or("-".into()),
                owned(shares.get(&member.id).copied()),
                seems(&status, &members, member).into(),
            ]);
        }
        let membership = &members.membership;
        let hash = LayoutHash::of_layout(membership.current());
        let mut text =
            format!("layout {} {hash}, as {} sees it\n", membership.version(), members.me.name);
        match membership.change() {
            Some(change) => {
                let next = LayoutHash::of_layout(&change.layout);
                text += &format!("a change to {next} is {}\n", waits_for(&members));
            }
            None => text += "no change is under way\n",
        }
        if !membership.has(members.me.id) {
            text += &format!("{} is no member of it\n", members.me.name);
        }
        if !members.staged.is_empty() {
            let steps = members.staged.len();
            text += &format!("{steps} staged: see `dynamo admin plan`\n");
        }
        self.print(&Value::Null, &format!("{rows}\n{text}"))
    }

    pub(super) fn ping(&self) -> Result<ExitCode> {
        let members = self.members()?;
        let mut all = true;
        let mut rows = table(["node", "address", "answers", "layout"]);
        let mut list = Vec::new();
        for member in members.membership.members() {
            let its = self.examine_member(member)?.and_then(|status| status.members);
            let cluster = members.membership.cluster();
            let answers = match &its {
                None => "no",
                Some(its) if its.me.id != member.id => "another node does",
                Some(its) if its.membership.cluster() != cluster => "for another cluster",
                Some(_) => "yes",
            };
            all &= answers == "yes";
            let version = its.map(|its| its.membership.version());
            let layout = version.map_or("-".into(), |version| version.to_string());
            let (name, address) = (&member.name, &member.address);
            rows.add_row([name, address, answers, &layout]);
            let is_there = answers == "yes";
            list.push(json!({ "node": name, "address": address, "answers": is_there, "version": version }));
        }
        self.print(&json!({ "nodes": list }), &format!("{rows}\n"))?;
        Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    pub(super) fn ring(&self) -> Result<ExitCode> {
        let members = self.members()?;
        let layout = members.membership.current();
        let shares = ownership(layout);
        let total: f64 = layout.members().iter().map(|member| f64::from(member.weight)).sum();
        let (mut rows, mut list) = (table(["node", "weight", "owns", "fair share"]), Vec::new());
        for member in layout.members() {
            let share = shares.get(&member.id).copied();
            let fair = f64::from(member.weight) / total;
            let (name, weight) = (&member.name, member.weight);
            rows.add_row([
                name.clone(),
                weight.to_string(),
                owned(share),
                format!("{:.2} %", 100.0 * fair),
            ]);
            let (partitions, share) = share.unwrap_or_default();
            list.push(json!({ "node": name, "weight": weight, "partitions": partitions, "share": share, "fair": fair }));
        }
        self.print(&json!({ "nodes": list }), &format!("{rows}\n"))
    }

    pub(super) fn transfers(&self) -> Result<ExitCode> {
        let members = self.members()?;
        let (mut rows, mut list) = (table(["node", "state", "has merged"]), Vec::new());
        for (member, status) in self.everybody(&members)? {
            let its = status.and_then(|status| status.members);
            let (state, merged) = match &its {
                None => ("no answer", None),
                Some(its) if its.merged.is_some() => ("fetches", its.merged.clone()),
                Some(its) if !its.has_done => ("gives away what it keeps", None),
                Some(its) if its.is_settling => ("drops what it gave away", None),
                Some(_) => ("at rest", None),
            };
            let merged: Vec<String> =
                merged.into_iter().flatten().map(|node| members.name_of(node)).collect();
            rows.add_row([member.name.clone(), state.into(), merged.join(" ")]);
            list.push(json!({ "node": member.name, "state": state, "merged": merged }));
        }
        self.print(&json!({ "nodes": list }), &format!("{rows}\n"))
    }

    pub(super) fn hints(&self) -> Result<ExitCode> {
        let members = self.members()?;
        let (mut rows, mut list) = (table(["kept by", "for", "hints"]), Vec::new());
        for (member, status) in self.everybody(&members)? {
            let Some(its) = status.and_then(|status| status.members) else {
                rows.add_row([&member.name, "no answer", ""]);
                list.push(json!({ "node": member.name, "answers": false }));
                continue;
            };
            for (home, count) in &its.hints {
                let home = members.name_of(*home);
                rows.add_row([&member.name, &home, &count.to_string()]);
                list.push(json!({ "node": member.name, "for": home, "hints": count }));
            }
        }
        let text = if list.is_empty() { "no hints\n".into() } else { format!("{rows}\n") };
        self.print(&json!({ "hints": list }), &text)
    }
}

/// How a member seems to the node that was asked.
fn seems(status: &Status, members: &Members, member: &Member) -> &'static str {
    match member.id {
        id if members.membership.down().contains(&id) => "declared down",
        id if members.awaited.contains(&id) && !members.membership.current().has(id) => "to join",
        id if id == members.me.id => "up (asked)",
        id if status.suspects.contains(&id) => "suspect",
        _ => "up",
    }
}

fn status_json(status: &Status, members: &Members) -> Value {
    let membership = &members.membership;
    let names = |nodes: &mut dyn Iterator<Item = &NodeId>| -> Vec<String> {
        nodes.map(|node| members.name_of(*node)).collect()
    };
    let shares = ownership(membership.current());
    let member = |member: &Member| {
        let (partitions, share) = shares.get(&member.id).copied().unwrap_or_default();
        json!({
            "name": member.name,
            "id": member.id.0,
            "address": member.address,
            "weight": member.weight,
            "zone": member.zone,
            "partitions": partitions,
            "share": share,
            "seems": seems(status, members, member),
        })
    };
    let change = membership.change().map(|change| {
        let stage = match change.stage {
            Stage::Proposed => "proposed",
            Stage::Moving => "moving",
            Stage::Reading => "reading",
        };
        json!({
            "layout": hex(&LayoutHash::of_layout(&change.layout).0),
            "stage": stage,
            "down": names(&mut membership.down().iter()),
            "awaited": names(&mut members.awaited.iter()),
        })
    });
    json!({
        "node": members.me.name,
        "is-member": membership.current().has(members.me.id),
        "version": membership.version(),
        "layout": hex(&LayoutHash::of_layout(membership.current()).0),
        "members": membership.members().map(member).collect::<Vec<_>>(),
        "change": change,
        "staged": members.staged.len(),
    })
}
