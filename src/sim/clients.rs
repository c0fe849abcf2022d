//! Clients: sessions that ask, wait, remember what they have read, and are judged by it.

use super::judge::{Answered, name_of};
use super::load::Deed;
use super::queue::Time;
use super::world::{Happening, World};
use crate::analysis::history::{Begun, Write};
use dynamo_protocol::ids::{ClientId, NodeId, RequestId, Value};
use dynamo_protocol::message::{Answer, Operation, Replicas, Request};
use dynamo_protocol::versions::Context;
use std::collections::BTreeMap;

/// A thousand nanoseconds.
const LEAST_THINKING_MS: f64 = 0.001;

/// A client, and the session as which it goes on at present.
#[derive(Debug, Default)]
pub(super) struct Client {
    session: u64,
    asked: u64,
    waiting: Option<Waiting>,
    memory: BTreeMap<u32, Memory>,
}

/// What a client waits for.
#[derive(Debug)]
struct Waiting {
    id: RequestId,
    key: u32,
    deed: Deed,
    called: Time,
    /// When the key was acknowledged last, then.
    acknowledged: Option<Time>,
    asks: Asks,
}

#[derive(Debug)]
enum Asks {
    Get(Begun),
    Put(Write),
}

/// What a session remembers of a key.
#[derive(Debug, Default)]
struct Memory {
    /// What it read last, as long as it has not written over it, and its context.
    context: Option<(Context, Vec<Write>)>,
    /// What it read last.
    read: Vec<Write>,
    /// Its own acknowledged writes that this covers, and those that it does not.
    read_own: Vec<Write>,
    own: Vec<Write>,
}

impl World<'_> {
    /// A client begins something new.
    pub(super) fn begin(&mut self, client: u32) {
        if self.has_ended {
            return;
        }
        let deed = self.load.deed(&mut self.random.load);
        let key = match deed {
            Deed::Probe(_) => (self.asked % self.acknowledged.len() as u64) as u32,
            _ => self.load.key(&mut self.random.load),
        };
        self.asked += 1;
        if self.requests.is_some_and(|most| self.asked >= most) {
            self.has_ended = true;
        }
        let knows = self.clients[client as usize].memory.get(&key);
        let has_read = knows.is_some_and(|memory| memory.context.is_some());
        match deed {
            Deed::Put | Deed::Delete if has_read => self.put(client, key, deed),
            Deed::Blind | Deed::Probe(_) => self.put(client, key, deed),
            Deed::Get | Deed::Put | Deed::Update | Deed::Delete => self.get(client, key, deed),
        }
    }

    fn get(&mut self, client: u32, key: u32, deed: Deed) {
        let begun = self.judge.history.begin(key);
        self.ask(client, key, deed, Operation::Get, |_, _| Asks::Get(begun));
    }

    fn put(&mut self, client: u32, key: u32, deed: Deed) {
        let memory = self.clients[client as usize].memory.entry(key).or_default();
        let is_blind = matches!(deed, Deed::Blind | Deed::Probe(_));
        let known = if is_blind { None } else { memory.context.take() };
        let (context, read) = known.map_or((None, vec![]), |(context, read)| (Some(context), read));
        let value = (deed != Deed::Delete).then(|| {
            let name = format!("{}", self.asked);
            Value(
                name.bytes()
                    .chain(std::iter::repeat(b'.'))
                    .take(self.setup.load.value_bytes as usize)
                    .collect(),
            )
        });
        let operation = Operation::Put { context, value };
        self.ask(client, key, deed, operation, |world, id| {
            Asks::Put(world.judge.call(id, key, &read))
        });
    }

    fn ask(
        &mut self,
        client: u32,
        key: u32,
        deed: Deed,
        operation: Operation,
        asks: impl FnOnce(&mut Self, RequestId) -> Asks,
    ) {
        if self.clients[client as usize].session == 0 {
            self.begin_session(client);
        }
        let asking = &mut self.clients[client as usize];
        asking.asked += 1;
        let id = RequestId { client: ClientId(asking.session), sequence: asking.asked };
        let asks = asks(self, id);
        let (called, acknowledged) = (self.now, self.acknowledged[key as usize]);
        let waiting = Waiting { id, key, deed, called, acknowledged, asks };
        self.clients[client as usize].waiting = Some(waiting);
        let name = name_of(key);
        let node = self.load.contact(self.config.ring(), &name, &mut self.random.load);
        let request = Request { id, key: name, operation, quorum: None };
        let arrives = self.now.after_ms(self.client_link.next(&mut self.random.load));
        self.queue.push(arrives, Happening::Ask { node, request: Box::new(request) });
        let latest = self.now.after_ms(self.setup.load.timeout_ms as f64);
        self.queue.push_in_line(latest, Happening::GiveUp { id });
    }

    fn begin_session(&mut self, client: u32) {
        self.sessions.push(client);
        // Sessions count from 1.
        let session = self.sessions.len() as u64;
        self.clients[client as usize] = Client { session, ..Client::default() };
    }

    /// An answer arrives at the client of its session.
    pub(super) fn answered(&mut self, id: RequestId, answer: Answer) {
        let client = self.client_of(id);
        let asking = &mut self.clients[client as usize];
        let Some(waiting) = asking.waiting.take_if(|waiting| waiting.id == id) else { return };
        let ms = self.now.ms() - waiting.called.ms();
        self.counters.count(name_of_answer(&answer));
        match (&waiting.asks, answer) {
            (Asks::Put(write), Answer::Stored { .. }) => {
                self.outcome.put_ms.record(ms);
                let memory = asking.memory.entry(waiting.key).or_default();
                memory.own.push(*write);
                self.judge.acknowledge(waiting.key, *write, self.now);
                if self.judge.history.holds_replaced(waiting.key) {
                    self.merge_all(waiting.key);
                }
                self.acknowledged[waiting.key as usize] = Some(self.now);
            }
            (Asks::Get(begun), Answer::Found { siblings, context, replicas }) => {
                self.outcome.get_ms.record(ms);
                self.count_copies(&waiting, &replicas);
                let by = siblings.into_iter().map(|written| written.by);
                let returned = self.judge.writes(by);
                self.outcome.siblings.record(returned.len());
                self.has_read(client, &waiting, begun, returned, context);
            }
            (Asks::Get(begun), Answer::NotFound { deletes, context, replicas }) => {
                self.outcome.get_ms.record(ms);
                self.count_copies(&waiting, &replicas);
                let returned = self.judge.writes(deletes);
                self.has_read(client, &waiting, begun, returned, context);
            }
            (asks, answer) => {
                let maybe_applied = matches!(asks, Asks::Put(_)) && !is_refusal(&answer);
                if maybe_applied || answer == Answer::TimedOut {
                    self.begin_session(client);
                }
                return self.go_on(client);
            }
        }
        match (waiting.deed, &waiting.asks) {
            (Deed::Update | Deed::Put | Deed::Delete, Asks::Get(_)) => {
                self.put(client, waiting.key, waiting.deed);
            }
            (Deed::Probe(probe), Asks::Put(_)) => {
                let later = self.now.after_ms(self.setup.load.probes_ms[probe]);
                self.queue.push(later, Happening::Probe { client, key: waiting.key, probe });
            }
            _ => self.go_on(client),
        }
    }

    /// Somebody else reads what a client has put some time ago.
    pub(super) fn probe(&mut self, client: u32, key: u32, probe: usize) {
        if !self.has_ended {
            self.begin_session(client);
            self.get(client, key, Deed::Probe(probe));
        }
    }

    /// Counts the owners' copies that had what was put, of those that the get of a probe rests on.
    fn count_copies(&mut self, waiting: &Waiting, replicas: &Replicas) {
        if let Deed::Probe(_) = waiting.deed {
            let is_fresh = |node: &&NodeId| self.fresh.get(&(waiting.id, **node)) == Some(&true);
            let fresh = replicas.primaries.iter().filter(is_fresh).count();
            self.outcome.fresh_copies.record(fresh);
        }
    }

    /// A get has returned something: judge it, and remember it.
    fn has_read(
        &mut self,
        client: u32,
        waiting: &Waiting,
        begun: &Begun,
        returned: Vec<Write>,
        context: Context,
    ) {
        let key = waiting.key;
        let memory = self.clients[client as usize].memory.entry(key).or_default();
        let history = &self.judge.history;
        // Whoever covers what was read before covers what that covers.
        if !history.covers(key, &returned, &memory.read) {
            memory.own.append(&mut memory.read_own);
        }
        let (own, read) = (&memory.own, &memory.read);
        let answered = Answered { key, begun, returned: &returned, read, own };
        let is_regular = self.judge.answered(&answered, self.now);
        let since = waiting.acknowledged.map(|at| waiting.called.ms() - at.ms());
        self.outcome.get(since, is_regular);
        if let Deed::Probe(probe) = waiting.deed {
            self.outcome.probe(self.setup.load.probes_ms[probe], probe, is_regular);
        }
        let history = &self.judge.history;
        let is_covered = |write: &Write| history.covers(key, &returned, &[*write]);
        let (covered, own) = memory.own.drain(..).partition::<Vec<Write>, _>(is_covered);
        memory.own = own;
        memory.read_own.extend(covered);
        memory.context = Some((context, returned.clone()));
        memory.read = returned;
    }

    /// A client that has waited too long goes on as a new session.
    pub(super) fn give_up(&mut self, id: RequestId) {
        let client = self.client_of(id);
        let waiting = &mut self.clients[client as usize].waiting;
        if waiting.take_if(|waiting| waiting.id == id).is_some() {
            self.counters.count("given-up");
            self.begin_session(client);
            self.go_on(client);
        }
    }

    fn client_of(&self, id: RequestId) -> u32 {
        self.sessions[id.client.0 as usize - 1]
    }

    /// A client has finished something.
    fn go_on(&mut self, client: u32) {
        if self.load.is_open() {
            return self.idle.push(client);
        }
        if self.setup.load.batches {
            self.idle.push(client);
            if self.idle.len() == self.clients.len() {
                for client in std::mem::take(&mut self.idle) {
                    self.think(client);
                }
            }
            return;
        }
        self.think(client);
    }

    /// A client of a closed loop thinks, and then begins something new.
    pub(super) fn think(&mut self, client: u32) {
        let ms = self.load.think(&mut self.random.load);
        // A client takes some time, or a loop of calls that take none would be without end.
        self.queue.push(self.now.after_ms(ms.max(LEAST_THINKING_MS)), Happening::Begin { client });
    }

    /// In an open loop, the next request comes, whoever is free to make it.
    pub(super) fn arrive(&mut self) {
        let Some(gap) = self.load.gap(&mut self.random.load).filter(|_| !self.has_ended) else {
            return;
        };
        self.queue.push(self.now.after_ms(gap), Happening::Arrive);
        match self.idle.pop() {
            Some(client) => self.begin(client),
            None => self.counters.count("nobody-free"),
        }
    }

    /// Whether some client waits for an answer.
    pub(super) fn are_waiting(&self) -> bool {
        self.clients.iter().any(|client| client.waiting.is_some())
    }
}

fn is_refusal(answer: &Answer) -> bool {
    matches!(answer, Answer::Refused(_))
}

fn name_of_answer(answer: &Answer) -> &'static str {
    match answer {
        Answer::Stored { .. } => "puts-stored",
        Answer::Found { .. } => "gets-found",
        Answer::NotFound { .. } => "gets-not-found",
        Answer::QuorumUnavailable { .. } => "quorum-unavailable",
        Answer::TimedOut => "timed-out",
        Answer::Refused(_) => "refused",
    }
}
