//! What is staged for a change, and what is said to one under way.

use super::{Admin, find, member_called};
use crate::cli::connect::address;
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
    /// Its identity, if it does not run yet [default: what it says itself at that address]
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
        let node = self.planned(name)?;
        match self.who_is_at(address)? {
            None => bail!("nobody answers at {address}; first let {name} listen there"),
            Some(there) if there.me.id != node => {
                let its = there.me.name;
                bail!("the node at {address} is {its}, not {name}; correct one of them")
            }
            Some(_) => self.stage(Step::Address { node, address: address.to_string() }),
        }
    }

    pub(super) fn clear(&self) -> Result<ExitCode> {
        if self.members()?.staged.is_empty() {
            return self.done("nothing is staged", "nothing-staged");
        }
        self.tell(&Command::Clear)?;
        self.done("the plan is dropped", "cleared")
    }

    pub(super) fn abort(&self, force: bool) -> Result<ExitCode> {
        let members = self.members()?;
        for member in members.membership.current().members() {
            if !force && self.examine_member(member)?.is_none() {
                bail!(
                    "{} does not answer, and a withdrawal waits for every present member, even for one \
                     declared down; bring it back first, with an empty disk if need be, or add --force",
                    member.name
                );
            }
        }
        self.tell(&Command::Abort)?;
        let text = "the change is withdrawn as soon as every member has heard so; the plan is still \
                    staged where it was committed, `dynamo admin clear` drops it";
        self.done(text, "aborted")
    }

    pub(super) fn down(&self, name: &str, force: bool) -> Result<ExitCode> {
        let members = self.members()?;
        let member = member_called(&members, name)?;
        let there = match members.membership.change() {
            Some(_) if !force => self.examine_member(member)?.and_then(|status| status.members),
            _ => None,
        };
        if there.is_some_and(|there| there.me.id == member.id) {
            let address = &member.address;
            bail!("{name} answers at {address}; if nobody is to wait for it anyway, add --force");
        }
        self.tell(&Command::Down(member.id))?;
        self.done(&format!("the change does not wait for {name} any more"), "down")
    }

    pub(super) fn up(&self, name: &str) -> Result<ExitCode> {
        let members = self.members()?;
        self.tell(&Command::Up(member_called(&members, name)?.id))?;
        self.done(&format!("the change waits for {name} again"), "up")
    }

    fn stage(&self, step: Step) -> Result<ExitCode> {
        self.tell(&Command::Stage(step))?;
        self.done("staged; look with `dynamo admin plan`, then `dynamo admin commit`", "staged")
    }

    fn done(&self, text: &str, result: &str) -> Result<ExitCode> {
        self.print(&json!({ "result": result }), &format!("{text}\n"))
    }

    /// The member of that name after all that is staged.
    fn planned(&self, name: &str) -> Result<NodeId> {
        let layout = planned_layout(&self.members()?)?;
        find(layout.members().iter(), name).map(|member| member.id)
    }

    /// What a new node is: as it says itself, unless told otherwise.
    fn newcomer(&self, args: JoinArgs) -> Result<Member> {
        let JoinArgs { name, address, id, weight, zone } = args;
        let members = self.members()?;
        let is_called = |member: &Member| member.name == name;
        if members.membership.members().any(is_called) {
            bail!("{name} is a member already; see `dynamo admin status`");
        }
        if planned_layout(&members)?.members().iter().any(is_called) {
            bail!("{name} is staged already; see `dynamo admin plan`");
        }
        let there = self.who_is_at(address)?;
        if there.as_ref().is_some_and(|t| t.membership.cluster() != members.membership.cluster()) {
            bail!(
                "the node at {address} is of another cluster than {}: [cluster] and [[nodes]] must \
                 be the same in their files, but for addresses",
                members.me.name
            );
        }
        let there = there.map(|there| there.me);
        match (&there, id) {
            (None, None) => {
                bail!("nobody answers at {address}; start {name} there, or name its --id")
            }
            (Some(there), _) if there.name != name => bail!(
                "the node at {address} is called {}, not {name}; correct one of them",
                there.name
            ),
            (Some(there), Some(id)) if there.id != NodeId(id) => {
                let its = there.id.0;
                bail!("the node at {address} has the id {its}, not {id}; leave --id out")
            }
            _ => {}
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

    /// What the node at `address` is, by what it says itself; `None` if nobody answers.
    fn who_is_at(&self, address: SocketAddr) -> Result<Option<Members>> {
        let Some(status) = self.examine(address, Digests::Nothing)? else { return Ok(None) };
        let members = status.members.context("the node there knows of no layout")?;
        Ok(Some(*members))
    }
}

/// The layout after all that is staged.
pub(super) fn planned_layout(members: &Members) -> Result<Layout> {
    plan(members.membership.current(), &members.staged)
        .context("the plan cannot be met; drop it with `dynamo admin clear`")
}
