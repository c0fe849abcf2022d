//! `dynamo admin`: who takes part in a cluster, and how that changes (paper §4.8, §4.9).

mod change;
mod motion;
mod plan;
mod show;

use super::connect::{NODES, TIMEOUT_MS, address, timeout_ms};
use super::{fail, is_closed_output, say};
use anyhow::{Context, Result, anyhow};
use clap::Subcommand;
use dynamo::wire::caller::{Caller, PING_TIMEOUT};
use dynamo::wire::status::{Digests, Members, Status};
use dynamo_protocol::membership::Command;
use dynamo_protocol::ring::Member;
use serde_json::Value;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Let nodes join and leave, and see how it goes
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  dynamo admin join n5 127.0.0.1:7405       stage: a node that was started with --bootstrap joins
  dynamo admin leave n1                     stage: a member leaves
  dynamo admin plan                         look at what that moves
  dynamo admin commit --wait                do it, and wait until it is done
  dynamo admin status --json

Steps are staged at one node, --node; that node keeps the plan until it is committed or cleared. A
commit proposes the planned layout to all members of the old and the new one; data moves while
clients go on. A change waits for every member. If one is down and stays down, say so with
`dynamo admin down NAME`; as long as no data moves, `dynamo admin abort` withdraws the change. Exit
code 1 if a node refuses or does not answer.")]
pub(crate) struct AdminArgs {
    #[command(subcommand)]
    verb: Verb,
    /// The node to ask, which also keeps the plan
    #[arg(long = "node", value_name = "ADDR", global = true, value_parser = address, default_value = NODES[0])]
    node: SocketAddr,
    /// How long to wait for a node's answer, in milliseconds
    #[arg(long, value_name = "MS", global = true, default_value_t = TIMEOUT_MS, value_parser = timeout_ms())]
    timeout_ms: u64,
    /// Print one JSON object; if something goes wrong, {"error": "what"}
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Verb {
    /// Stage: a node joins
    Join(change::JoinArgs),
    /// Stage: a member leaves, and gives away all that it owns
    Leave {
        /// Who leaves
        name: String,
    },
    /// Stage: a node takes over all that a member owns, and the member leaves
    Replace(change::ReplaceArgs),
    /// Stage: a member is to own more or less
    Weight {
        /// Which
        name: String,
        /// Its new capacity, in the units of the other weights
        weight: u32,
    },
    /// Stage: a member has moved to another zone
    Zone {
        /// Which
        name: String,
        /// Its new zone; leave it out for none
        zone: Option<String>,
    },
    /// Stage: a member is reached at another address, at which it listens already
    Address {
        /// Which
        name: String,
        /// Its new address
        #[arg(value_parser = address)]
        address: SocketAddr,
    },
    /// Show the plan: who joins, leaves or changes, what moves, and the balance before and after
    Plan,
    /// Carry out the plan
    Commit(plan::CommitArgs),
    /// Drop the plan
    Clear,
    /// Withdraw the change under way, as long as no data moves and every present member is there
    Abort {
        /// Even if a member does not answer
        #[arg(long)]
        force: bool,
    },
    /// The change under way is not to wait for this member: it is down, and may stay so
    Down {
        /// Who is down
        name: String,
        /// Even if it answers
        #[arg(long)]
        force: bool,
    },
    /// The change under way is to wait for this member after all
    Up {
        /// Who was declared down
        name: String,
    },
    /// Show the members, the layout, and how far a change has come
    Status,
    /// Ask every member whether it is there, and which layout it knows
    Ping,
    /// Show how much of the ring each member owns
    Ring,
    /// Show which members still fetch data, or put in order what a change has left behind
    Transfers,
    /// Show the hints that members keep for others
    Hints,
}

/// Does what the verb says.
pub(crate) fn run(args: AdminArgs) -> Result<ExitCode> {
    let timeout = Duration::from_millis(args.timeout_ms);
    let admin = Admin { node: args.node, timeout, json: args.json };
    match admin.run(args.verb) {
        Err(error) if !is_closed_output(&error) => fail(&error, args.json),
        ended => ended,
    }
}

/// Whom an operator speaks to, and how.
struct Admin {
    node: SocketAddr,
    timeout: Duration,
    json: bool,
}

impl Admin {
    fn run(&self, verb: Verb) -> Result<ExitCode> {
        match verb {
            Verb::Join(args) => self.join(args),
            Verb::Leave { name } => self.leave(&name),
            Verb::Replace(args) => self.replace(args),
            Verb::Weight { name, weight } => self.weigh(&name, weight),
            Verb::Zone { name, zone } => self.zone(&name, zone),
            Verb::Address { name, address } => self.address(&name, address),
            Verb::Plan => self.plan(),
            Verb::Commit(args) => self.commit(&args),
            Verb::Clear => self.clear(),
            Verb::Abort { force } => self.abort(force),
            Verb::Down { name, force } => self.down(&name, force),
            Verb::Up { name } => self.up(&name),
            Verb::Status => self.status(),
            Verb::Ping => self.ping(),
            Verb::Ring => self.ring(),
            Verb::Transfers => self.transfers(),
            Verb::Hints => self.hints(),
        }
    }

    /// How the node at `address` is; `None` if it does not say.
    fn examine(&self, address: SocketAddr, digests: Digests) -> Result<Option<Status>> {
        let mut caller = Caller::towards(address).context("cannot make a socket")?;
        // Question or answer may be lost: it is asked again.
        let patience = match digests {
            Digests::Nothing => self.timeout.min(PING_TIMEOUT),
            Digests::Roots | Digests::Objects => self.timeout,
        };
        let deadline = Instant::now() + self.timeout;
        loop {
            let status = caller.examine(address, digests, patience);
            let status = status.context("cannot ask the node")?;
            if status.is_some() || Instant::now() >= deadline {
                return Ok(status);
            }
        }
    }

    /// How the node is that is asked.
    fn asked(&self, digests: Digests) -> Result<(Status, Members)> {
        let status = self.examine(self.node, digests)?.with_context(|| {
            format!("{} does not answer; name another node with --node", self.node)
        })?;
        let members = status.members.clone().context("the cluster was not founded on a layout")?;
        Ok((status, *members))
    }

    fn members(&self) -> Result<Members> {
        self.asked(Digests::Nothing).map(|(_, members)| members)
    }

    /// How every member is, by what it says itself.
    fn everybody(&self, members: &Members) -> Result<Vec<(Member, Option<Status>)>> {
        let ask = |member: &Member| {
            let status = self.examine_member(member)?;
            // Whoever else is there now speaks for itself only.
            let is_it =
                |status: &Status| status.members.as_ref().is_some_and(|m| m.me.id == member.id);
            Ok((member.clone(), status.filter(is_it)))
        };
        members.membership.members().map(ask).collect()
    }

    /// How the node at a member's address is, whoever that is; `None` if nobody says.
    fn examine_member(&self, member: &Member) -> Result<Option<Status>> {
        let Ok(address) = member.address.parse() else { return Ok(None) };
        self.examine(address, Digests::Nothing)
    }

    /// Prints the one or the other.
    fn print(&self, json: &Value, text: &str) -> Result<ExitCode> {
        match self.json {
            true => say(format_args!("{json}\n"))?,
            false => say(text)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Tells the node what to do.
    fn tell(&self, command: &Command) -> Result<()> {
        let mut caller = Caller::towards(self.node).context("cannot make a socket")?;
        let told = caller.command(self.node, command, self.timeout);
        match told.context("cannot ask the node")? {
            Some(Ok(())) => Ok(()),
            Some(Err(why)) => Err(anyhow!("refused: {why}")),
            None => Err(anyhow!(
                "{} does not answer; whether it has obeyed, `dynamo admin status` and \
                 `dynamo admin plan` tell",
                self.node
            )),
        }
    }
}

/// The member of that name in the present layout or in the one that is coming.
fn member_called<'a>(members: &'a Members, name: &str) -> Result<&'a Member> {
    find(members.membership.members(), name)
}

fn find<'a>(members: impl Iterator<Item = &'a Member>, name: &str) -> Result<&'a Member> {
    let all: Vec<&Member> = members.collect();
    all.iter().find(|member| member.name == name).copied().with_context(|| {
        let names: Vec<&str> = all.iter().map(|member| member.name.as_str()).collect();
        format!("no member is called {name:?}; the members are {}", names.join(" "))
    })
}
