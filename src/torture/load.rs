//! A client under torture: it does what the plan says, and keeps account of what it has read.

use super::judge::{Outcome, Write};
use super::plan::{Deed, Step};
use crate::client::{Client, PutError, Read};
use dynamo_protocol::ids::{Key, RequestId, Value};
use dynamo_protocol::versions::Context;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// How long a client waits for an answer: two rounds of a coordinator, and some.
const TIMEOUT: Duration = Duration::from_millis(600);

/// How often a write of which nobody knows is tried again, each time as a new one.
const RETRIES: usize = 1;

/// What a client has done.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Everything that it wrote.
    pub(super) writes: Vec<Write>,
    /// Operations by what became of them.
    pub(super) operations: BTreeMap<&'static str, u64>,
}

/// A client, and what it has read last of each key.
pub(super) struct Worker {
    name: u64,
    client: Client,
    known: BTreeMap<u64, (Context, BTreeSet<RequestId>)>,
    done: Done,
}

impl Worker {
    /// The client called `name`, of the cluster at `nodes`.
    pub(super) fn new(name: u64, nodes: &[SocketAddr]) -> anyhow::Result<Worker> {
        let mut nodes = nodes.to_vec();
        let first = name as usize % nodes.len();
        nodes.rotate_left(first);
        let client = Client::connect(&nodes)?.with_timeout(TIMEOUT);
        Ok(Worker { name, client, known: BTreeMap::new(), done: Done::default() })
    }

    /// Does one step.
    pub(super) fn step(&mut self, step: Step) {
        if step.elsewhere {
            self.client.next_node();
        }
        match step.deed {
            Deed::Get => self.get(step.key),
            Deed::BlindPut => self.write(step, None, true),
            Deed::Put | Deed::Delete => {
                if !self.known.contains_key(&step.key) {
                    self.get(step.key);
                }
                if let Some(known) = self.known.get(&step.key).cloned() {
                    self.write(step, Some(known), step.deed == Deed::Put);
                }
            }
        }
    }

    /// What it has done.
    pub(super) fn done(self) -> Done {
        self.done
    }

    fn get(&mut self, key: u64) {
        let read = self.client.get(&name_of(key));
        self.count(match &read {
            Ok(Read::Found { .. }) => "get found",
            Ok(Read::NotFound { .. }) => "get not-found",
            Ok(Read::QuorumUnavailable { .. }) => "get quorum-unavailable",
            Ok(Read::TimedOut) => "get timed-out",
            Err(_) => "get failed",
        });
        if let Some((context, siblings)) = read.ok().and_then(siblings) {
            self.known.insert(key, (context, siblings.into_keys().collect()));
        }
    }

    /// Writes over `known`. What it has read stays what it knows, so that a later write may come
    /// from the past.
    fn write(&mut self, step: Step, known: Option<(Context, BTreeSet<RequestId>)>, is_put: bool) {
        let (context, read) = known.map_or((None, BTreeSet::new()), |(c, read)| (Some(c), read));
        let key = name_of(step.key);
        for _ in 0..=RETRIES {
            let value = is_put.then(|| self.fresh_value(step.bytes));
            let told = match value.clone() {
                Some(value) => self.client.put(&key, value, context.clone()),
                None => self.client.delete(&key, context.clone()),
            };
            let outcome = match &told {
                Ok(_) => Outcome::Acknowledged,
                Err(PutError::MaybeApplied(_)) => Outcome::Maybe,
                Err(_) => Outcome::NotApplied,
            };
            self.count(match (outcome, is_put) {
                (Outcome::Acknowledged, true) => "put stored",
                (Outcome::Maybe, true) => "put maybe",
                (Outcome::NotApplied, true) => "put not-applied",
                (Outcome::Acknowledged, false) => "delete stored",
                (Outcome::Maybe, false) => "delete maybe",
                (Outcome::NotApplied, false) => "delete not-applied",
            });
            if let Err(PutError::NobodyThere | PutError::NotSent(_)) = told {
                return;
            }
            let (id, key, read) = (self.client.last_request(), key.clone(), read.clone());
            self.done.writes.push(Write { id, key, value, read, outcome });
            if let Err(PutError::Refused(_)) = told {
                // At a limit only a fresh read helps.
                self.known.remove(&step.key);
            }
            if outcome != Outcome::Maybe {
                return;
            }
            self.client.next_node();
        }
    }

    /// A value that is nobody else's.
    fn fresh_value(&self, bytes: usize) -> Value {
        let (name, number) = (self.name, self.done.writes.len());
        Value::from(format!("{:.<bytes$}", format!("{name}-{number}")).as_str())
    }

    fn count(&mut self, what: &'static str) {
        *self.done.operations.entry(what).or_default() += 1;
    }
}

/// The key with this number.
pub(super) fn name_of(key: u64) -> Key {
    Key::from(format!("key-{key}").as_str())
}

/// What a read has returned, tombstones included; `None` if there was no quorum.
pub fn siblings(read: Read) -> Option<(Context, BTreeMap<RequestId, Option<Value>>)> {
    match read {
        Read::Found { siblings, context, .. } => {
            Some((context, siblings.into_iter().map(|s| (s.by, s.value)).collect()))
        }
        Read::NotFound { deletes, context, .. } => {
            Some((context, deletes.into_iter().map(|id| (id, None)).collect()))
        }
        Read::QuorumUnavailable { .. } | Read::TimedOut => None,
    }
}
