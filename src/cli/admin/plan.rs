//! The plan, and its way to the end.

use super::Admin;
use super::change::planned_layout;
use super::motion::{Changed, Move, changes, moves, ownership};
use crate::cli::contexts::hex;
use crate::cli::tell;
use anyhow::{Result, bail};
use comfy_table::{Table, presets};
use dynamo::wire::status::{Digests, Members, Status};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::membership::{Command, LayoutHash};
use dynamo_protocol::ring::{Layout, Member};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a change under way is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What to commit, and how long to wait.
#[derive(clap::Args)]
pub(super) struct CommitArgs {
    /// The plan that `dynamo admin plan` has shown, by the hash of its layout [default: whatever is
    /// staged now]
    plan: Option<String>,
    /// Wait until the change has come to its end, at most so many seconds [default: 600]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "600")]
    wait: Option<u64>,
}

/// What a plan comes to.
struct Plan {
    before: Layout,
    after: Layout,
    hash: LayoutHash,
    moves: BTreeMap<(NodeId, NodeId), Move>,
}

impl Plan {
    fn of(members: &Members) -> Result<Plan> {
        if members.staged.is_empty() {
            bail!("nothing is staged at {}; see `dynamo admin --help`", members.me.name);
        }
        let before = members.membership.current().clone();
        let after = planned_layout(members)?;
        if after == before {
            bail!("the plan changes nothing; drop it with `dynamo admin clear`");
        }
        let (hash, moves) = (LayoutHash::of_layout(&after), moves(&before, &after));
        Ok(Plan { before, after, hash, moves })
    }

    fn name(&self, node: NodeId) -> String {
        let mut all = self.before.members().iter().chain(self.after.members());
        let member = all.find(|member| member.id == node);
        member.map_or_else(|| node.to_string(), |member| member.name.clone())
    }

    fn changes(&self) -> Vec<Changed<'_>> {
        changes(&self.before, &self.after)
    }

    /// The part of all copies that moves.
    fn share(&self) -> f64 {
        self.moves.values().map(|m| m.share).sum::<f64>() / f64::from(self.before.n())
    }
}

impl Admin {
    pub(super) fn plan(&self) -> Result<ExitCode> {
        let (status, members) = self.asked(Digests::Objects)?;
        let plan = Plan::of(&members)?;
        let estimate = estimate(&plan, &status, members.me.id);
        self.print(&as_json(&plan, estimate), &text(&plan, estimate))
    }

    pub(super) fn commit(&self, args: &CommitArgs) -> Result<ExitCode> {
        let members = self.members()?;
        let plan = Plan::of(&members)?;
        let (short, long) = (plan.hash.to_string(), hex(&plan.hash.0));
        if let Some(wanted) = &args.plan
            && ![&short, &long].contains(&wanted)
        {
            bail!("the plan is {short} by now, not {wanted}; look at it with `dynamo admin plan`");
        }
        let started = Instant::now();
        self.tell(&Command::Commit(plan.hash))?;
        let version = members.membership.version() + 1;
        let Some(seconds) = args.wait else {
            let text = format!("layout {version} {short} is proposed; see `dynamo admin status`\n");
            return self.print(&json!({ "result": "proposed", "layout": long }), &text);
        };
        let deadline = started + Duration::from_secs(seconds);
        let (before, members) = (members, self.follow(version, deadline)?);
        if members.membership.current() == before.membership.current() {
            bail!("the change was withdrawn; the plan is still staged");
        }
        if LayoutHash::of_layout(members.membership.current()) != plan.hash
            && members.membership.version() == version
        {
            bail!("another plan was committed at the same time; yours is still staged");
        }
        let took = started.elapsed();
        let text =
            format!("layout {version} {short} is settled after {:.1} s\n", took.as_secs_f64());
        let took = took.as_millis() as u64;
        self.print(&json!({ "result": "settled", "layout": long, "ms": took }), &text)
    }

    /// Waits until the change to `version` has come to its end, and tells how far it is.
    fn follow(&self, version: u64, deadline: Instant) -> Result<Members> {
        let mut told = format!("{} does not answer", self.node);
        loop {
            // The node may be busy, or restart.
            if let Ok(members) = self.members() {
                if members.membership.version() >= version {
                    return Ok(members);
                }
                let now = waits_for(&members);
                if now != told {
                    tell(&now);
                    told = now;
                }
            }
            if Instant::now() > deadline {
                bail!(
                    "the change goes on, but is not at its end yet: {told}; `dynamo admin ping` shows \
                     who answers, and if a node stays down, say so with `dynamo admin down NAME`"
                );
            }
            sleep(LOOK_EVERY);
        }
    }
}

/// How far a change is, in one line.
pub(super) fn waits_for(members: &Members) -> String {
    let Some(change) = members.membership.change() else { return "no change is under way".into() };
    let names: Vec<String> = members.awaited.iter().map(|node| members.name_of(*node)).collect();
    let stage = match members.membership.is_withdrawal() {
        true => "withdrawn".into(),
        false => format!("{:?}", change.stage).to_lowercase(),
    };
    let whom = if names.is_empty() { "nobody".into() } else { names.join(" ") };
    format!("{stage}, waiting for {whom}")
}

/// About how many objects and bytes move, from what the node that was asked holds of the ring.
fn estimate(plan: &Plan, status: &Status, asked: NodeId) -> Option<(u64, u64)> {
    let (objects, bytes) = status.stored?;
    let ring = dynamo_protocol::ring::Ring::new(&plan.before);
    let all = ring.ranges().count() as f64;
    let held = ring.ranges().filter(|(_, list)| list.contains_primary(asked)).count() as f64 / all;
    let moved: f64 = plan.moves.values().map(|m| m.share).sum();
    let scaled = |amount: u64| (amount as f64 / held * moved).round() as u64;
    (held > 0.0).then(|| (scaled(objects), scaled(bytes)))
}

fn text(plan: &Plan, estimate: Option<(u64, u64)>) -> String {
    let mut moved = table(["from", "to", "ranges", "of the ring"]);
    for ((from, to), what) in &plan.moves {
        let share = format!("{:.2} %", 100.0 * what.share);
        moved.add_row([plan.name(*from), plan.name(*to), what.ranges.to_string(), share]);
    }
    let mut balance = table(["node", "owns before", "after"]);
    for (name, before, after) in balances(plan) {
        balance.add_row([name, owned(before), owned(after)]);
    }
    let about = match estimate {
        Some((objects, bytes)) => format!(", about {objects} objects with {bytes} bytes of values"),
        None => String::new(),
    };
    let changes: String = plan.changes().into_iter().map(line).collect();
    let share = 100.0 * plan.share();
    let moved = match plan.moves.is_empty() {
        true => "nothing moves\n".into(),
        false => format!("{moved}\n{share:.2} % of all copies move{about}\n"),
    };
    format!(
        "plan {}\n{changes}{moved}{balance}\ncommit it with `dynamo admin commit {}`\n",
        plan.hash, plan.hash
    )
}

/// What becomes of a member, in one line.
fn line((before, after): Changed<'_>) -> String {
    let zone = |zone: &String| format!("zone {zone}");
    let facts = |member: &Member| {
        let zone = member.zone.as_ref().map_or("no zone".into(), zone);
        [member.address.clone(), format!("weight {}", member.weight), zone]
    };
    match (before, after) {
        (Some(old), Some(new)) => {
            let both = facts(old).into_iter().zip(facts(new)).filter(|(old, new)| old != new);
            let both: Vec<String> =
                both.map(|(old, new)| format!("{new} instead of {old}")).collect();
            format!("{} changes: {}\n", new.name, both.join(", "))
        }
        (None, Some(new)) => format!("{} joins: {}\n", new.name, facts(new).join(", ")),
        (Some(old), None) => format!("{} leaves\n", old.name),
        (None, None) => String::new(),
    }
}

type Owned = Option<(usize, f64)>;

/// What each member owns before and after.
fn balances(plan: &Plan) -> Vec<(String, Owned, Owned)> {
    let (before, after) = (ownership(&plan.before), ownership(&plan.after));
    let all: std::collections::BTreeSet<NodeId> =
        before.keys().chain(after.keys()).copied().collect();
    let row = |node| (plan.name(node), before.get(&node).copied(), after.get(&node).copied());
    all.into_iter().map(row).collect()
}

pub(super) fn owned(owned: Owned) -> String {
    match owned {
        None => "-".into(),
        Some((0, share)) => format!("{:.2} %", 100.0 * share),
        Some((partitions, share)) => format!("{partitions} ({:.2} %)", 100.0 * share),
    }
}

fn as_json(plan: &Plan, estimate: Option<(u64, u64)>) -> Value {
    let of = |owned: Owned| {
        owned.map(|(partitions, share)| json!({ "partitions": partitions, "share": share }))
    };
    let changes = plan.changes().into_iter().map(|(before, after)| {
        let name = before.or(after).map(|member| &member.name);
        json!({ "node": name, "before": before, "after": after })
    });
    let moves = plan.moves.iter().map(|((from, to), what)| {
        json!({ "from": plan.name(*from), "to": plan.name(*to), "ranges": what.ranges, "share": what.share })
    });
    let balance = balances(plan).into_iter().map(
        |(name, before, after)| json!({ "node": name, "before": of(before), "after": of(after) }),
    );
    json!({
        "plan": hex(&plan.hash.0),
        "changes": changes.collect::<Vec<_>>(),
        "moves": moves.collect::<Vec<_>>(),
        "share": plan.share(),
        "objects": estimate.map(|(objects, _)| objects),
        "bytes": estimate.map(|(_, bytes)| bytes),
        "balance": balance.collect::<Vec<_>>(),
    })
}

pub(super) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header);
    table
}
