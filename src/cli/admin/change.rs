//! What is staged for a change, and what is said to one under way.

use super::{Admin, find, member_called};
use crate::cli::connect::address;
use crate::cli::say;
use anyhow::{Context, Result, bail};
use dynamo::wire::status::{Digests, Members};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::membership::{Command, Step, plan};
use dynamo_protocol::ring::{Layout, Member};
use serde_json::json;
use std::net::SocketAddr;
use std::process::ExitCode;

/// A node that is new.
#[derive(clap::Args)]
pub(super) struct JoinArgs {
    /// Its name
    name: String,
    /// Where it is reached
    #[arg(value_parser = address)]
    address: SocketAddr,
    /// Its identity [default: what it says itself at that address]
    #[arg(long)]
    id: Option<u64>,
    /// Its capacity, in the units of the other weights [default: as in its configuration, or 1]
    #[arg(long)]
    weight: Option<u32>,
    /// What fails together with it [default: as in its configuration]
    #[arg(long)]
    zone: Option<String>,
}

/// A node that is new, in the place of another.
#[derive(clap::Args)]
pub(super) struct ReplaceArgs {
    /// Who leaves
    old: String,
    #[command(flatten)]
    new: JoinArgs,
}

impl Admin {
    pub(super) fn join(&self, args: JoinArgs) -> Result<ExitCode> {
        let new = self.newcomer(args)?;
        self.stage(Step::Join(new))
    }

    pub(super) fn leave(&self, name: &str) -> Result<ExitCode> {
        self.stage(Step::Leave(self.planned(name)?))
    }

    pub(super) fn replace(&self, args: ReplaceArgs) -> Result<ExitCode> {
        let old = self.planned(&args.old)?;
        let new = self.newcomer(args.new)?;
        if new.id == old {
            bail!("{} cannot take its own place; name another node", args.old);
        }
        self.stage(Step::Replace { old, new })
    }

    pub(super) fn weigh(&self, name: &str, weight: u32) -> Result<ExitCode> {
        self.stage(Step::Weight { node: self.planned(name)?, weight })
    }

    pub(super) fn zone(&self, name: &str, zone: Option<String>) -> Result<ExitCode> {
        self.stage(Step::Zone { node: self.planned(name)?, zone })
    }

    pub(super) fn address(&self, name: &str, address: SocketAddr) -> Result<ExitCode> {
        self.stage(Step::Address { node: self.planned(name)?, address: address.to_string() })
    }

    pub(super) fn clear(&self) -> Result<ExitCode> {
        self.tell(&Command::Clear)?;
        self.done("the plan is dropped", "cleared")
    }

    pub(super) fn down(&self, name: &str) -> Result<ExitCode> {
        let members = self.members()?;
        self.tell(&Command::Down(member_called(&members, name)?.id))?;
        self.done(&format!("the change does not wait for {name} any more"), "down")
    }

    fn stage(&self, step: Step) -> Result<ExitCode> {
        self.tell(&Command::Stage(step))?;
        self.done("staged; look with `dynamo admin plan`, then `dynamo admin commit`", "staged")
    }

    fn done(&self, text: &str, result: &str) -> Result<ExitCode> {
        match self.json {
            true => say(format_args!("{}\n", json!({ "result": result })))?,
            false => say(format_args!("{text}\n"))?,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The member of that name after all that is staged.
    fn planned(&self, name: &str) -> Result<NodeId> {
        let layout = planned_layout(&self.members()?)?;
        find(layout.members().iter(), name).map(|member| member.id)
    }

    /// What a new node is: as it says itself, unless told otherwise.
    fn newcomer(&self, args: JoinArgs) -> Result<Member> {
        let JoinArgs { name, address, id, weight, zone } = args;
        let there = match id {
            Some(_) => None,
            None => {
                let status = self.examine(address, Digests::Nothing)?.with_context(|| {
                    format!("nobody answers at {address}; start {name} there, or name its --id")
                })?;
                Some(status.members.context("the node there knows of no layout")?.me)
            }
        };
        if let Some(there) = there.as_ref().filter(|there| there.name != name) {
            bail!(
                "the node at {address} is called {}, not {name}; correct one of them",
                there.name
            );
        }
        let members = self.members()?;
        if members.membership.members().any(|member| member.name == name) {
            bail!("{name} is a member already; see `dynamo admin status`");
        }
        let id = id.map(NodeId).or(there.as_ref().map(|there| there.id));
        let default_weight = there.as_ref().map_or(1, |there| there.weight);
        Ok(Member {
            id: id.context("the node has no id")?,
            name,
            weight: weight.unwrap_or(default_weight),
            zone: zone.or(there.and_then(|there| there.zone)),
            address: address.to_string(),
        })
    }
}

/// The layout after all that is staged.
pub(super) fn planned_layout(members: &Members) -> Result<Layout> {
    plan(members.membership.current(), &members.staged)
        .context("the plan cannot be met; drop it with `dynamo admin clear`")
}
