//! What hosts have done before: one to which the same happens in the same state does the same, so
//! that most steps are a look-up.
//!
//! Equal hosts and equal messages are kept once: those that meet here are compared by their places
//! in memory.

use super::disk::Disk;
use super::network;
use super::state::{Envelope, Host, Process};
use super::table::{Table, shared};
use crate::seal::{Sealed, fingerprint, mixed};
use dynamo_protocol::config::Config;
use dynamo_protocol::door::{Ambient, Effects, Input, Start, Timer};
use dynamo_protocol::ids::{Key, NodeId};
use dynamo_protocol::message::{Message, Request};
use dynamo_protocol::node::Node;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// What happens to a host.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Event {
    /// A client asks.
    Request(Request, Ambient),
    /// A message arrives.
    Message(Sealed<Envelope>, Ambient),
    /// A timer fires.
    Timer(Timer),
    /// Its process starts, as this node.
    Start(NodeId, Start),
    /// It loses everything but its disk.
    Crash,
    /// It loses its disk as well.
    LoseDisk,
    /// What it has buffered reaches its disk.
    Flush,
}

/// What it then does.
pub(super) struct Handled {
    /// The host after it.
    pub(super) host: Sealed<Host>,
    /// All that it did, in order.
    pub(super) effects: Effects,
    /// What it sent, in order.
    pub(super) sent: Vec<Sealed<Envelope>>,
}

/// The steps of hosts that are remembered, for one configuration of the cluster.
#[derive(Default)]
pub(super) struct Memo {
    steps: Table<(Sealed<Host>, Event), Option<Arc<Handled>>>,
    hosts: Table<Sealed<Host>, Sealed<Host>>,
    envelopes: Table<Sealed<Envelope>, Sealed<Envelope>>,
    orphans: Table<Sealed<Envelope>, Sealed<Envelope>>,
}

/// What a step takes on average, with the host and the messages that it leads to and all that is
/// known of them: for the estimate of memory.
const STEP_BYTES: u64 = 4096;

impl Memo {
    /// What `host` does when this happens to it; `None` if it cannot happen, for the host is down or
    /// is not.
    pub(super) fn handle(
        &self,
        config: &Arc<Config>,
        host: &Sealed<Host>,
        event: &Event,
    ) -> Option<Arc<Handled>> {
        let same = |other: &(Sealed<Host>, Event)| other.0 == *host && other.1 == *event;
        self.steps.answer(mixed([host.short_hash(), event.hash()]), same, || {
            ((host.clone(), event.clone()), self.work_out(config, host, event).map(Arc::new))
        })
    }

    fn work_out(&self, config: &Arc<Config>, host: &Host, event: &Event) -> Option<Handled> {
        let (host, effects) = host.after(config, event)?;
        let from = host.up().map(Node::id);
        let sent = from.into_iter().flat_map(|from| network::sent(&effects, from));
        let sent = sent.map(|sealed| shared(&self.envelopes, sealed)).collect();
        let host = shared(&self.hosts, Sealed::new(host));
        Some(Handled { host, effects, sent })
    }

    /// A message whose sender has crashed since.
    pub(super) fn orphaned(&self, sent: &Sealed<Envelope>) -> Sealed<Envelope> {
        self.orphans.answer(
            sent.short_hash(),
            |other| other == sent,
            || (sent.clone(), Sealed::new(Envelope { orphan: true, ..(**sent).clone() })),
        )
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.steps.clear();
        self.hosts.clear();
        self.envelopes.clear();
        self.orphans.clear();
    }

    /// Memory taken, estimated.
    pub(super) fn bytes(&self) -> u64 {
        self.steps.len() * STEP_BYTES
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memo")
    }
}

impl Host {
    /// This host after something has happened to it, and what it did.
    fn after(&self, config: &Arc<Config>, event: &Event) -> Option<(Host, Effects)> {
        let timers = self.timers.clone();
        let mut host = match (event, &self.process) {
            (Event::Crash, _) => {
                return Some((Host::down(self.disk().after_crash()), Effects::default()));
            }
            (Event::LoseDisk, _) => return Some((Host::down(Disk::default()), Effects::default())),
            (Event::Flush, _) => return Some((self.flushed(), Effects::default())),
            (Event::Start(node, _), Process::Down(disk)) => {
                let process = Process::Up(Node::new(config.clone(), *node, disk.clone()));
                Host { process, timers }
            }
            (_, Process::Up(_)) => self.clone(),
            _ => return None,
        };
        let Process::Up(process) = &mut host.process else { return None };
        if let Event::Timer(timer) = event {
            host.timers.remove(timer);
        }
        let effects = process.handle(event.input()?);
        network::set_timers(&effects, &mut host.timers);
        Some((host, effects))
    }

    fn down(disk: Disk) -> Host {
        Host { process: Process::Down(disk), timers: BTreeSet::new() }
    }

    fn flushed(&self) -> Host {
        let mut host = self.clone();
        match &mut host.process {
            Process::Up(process) => *process.store_mut() = process.store().flushed(),
            Process::Down(disk) => *disk = disk.flushed(),
        }
        host
    }
}

impl Event {
    /// The input of the protocol's node, if it gets one.
    fn input(&self) -> Option<Input> {
        Some(match self {
            Event::Request(request, ambient) => {
                Input::Client { request: request.clone(), ambient: *ambient }
            }
            Event::Message(envelope, ambient) => {
                let Envelope { from, view, message, .. } = (**envelope).clone();
                Input::Peer { from, view, message, ambient: *ambient }
            }
            Event::Timer(timer) => Input::Timer(*timer),
            Event::Start(_, start) => Input::Start(*start),
            Event::Crash | Event::LoseDisk | Event::Flush => return None,
        })
    }

    /// A hash for a table.
    fn hash(&self) -> u64 {
        match self {
            Event::Message(envelope, Ambient { stamp, epoch }) => {
                mixed([envelope.short_hash(), stamp.0, epoch.0])
            }
            _ => fingerprint(self),
        }
    }

    /// The key of the put or get that a node may coordinate, if this is one.
    pub(super) fn key(&self) -> Option<&Key> {
        match self {
            Event::Request(request, _) => Some(&request.key),
            Event::Message(envelope, _) => match &envelope.message {
                Message::Forward(request) => Some(&request.key),
                _ => None,
            },
            _ => None,
        }
    }

    /// The same, one tick later.
    #[must_use]
    pub(super) fn later(mut self) -> Event {
        if let Event::Request(_, ambient) | Event::Message(_, ambient) = &mut self {
            ambient.stamp.0 += 1;
        }
        self
    }
}
