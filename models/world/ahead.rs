//! `available-writes` and `available-reads`: with any set of at most f nodes down, some continuation
//! without recovery and without further faults answers a fresh request.
//!
//! A *configuration* is what is left of a state when the nodes of such a set have crashed and the
//! clients want nothing any more: all that can still happen is that messages arrive, that those of
//! crashed senders get lost, and that timers fire free. At any moment one fresh client may ask one
//! node that is up, and once more if it is event no, as often as there are nodes: a first request may
//! do no more than teach that a node is down. What a node that is down holds does not matter, nor do messages to it: they are
//! left out, so that many states share a configuration.
//!
//! Whoever can get to a configuration from which a question is answered has an answer too. So from
//! each state one fixed walk goes on, messages first, until it meets a configuration that is known
//! or until nothing is left to happen; only there a search begins. If that finds an answer, every
//! configuration along the way is remembered: the walks of all states together take each of them once.
//! If not, another search from the beginning of the walk tries everything.

use super::ClusterModel;
use super::Sealed;
use super::action::Action;
use super::ghost::Ghost;
use super::memo::Event;
use super::plan::{Puts, request_id};
use super::state::{Client, Envelope, Host, Network, Run, Spent, State, Violated, Waiting};
use crate::explore::Known;
use crate::scenario::Property;
use crate::seal::fingerprint;
use dynamo_protocol::door::{Effect, Effects};
use dynamo_protocol::ids::{NodeId, RequestId, Value};
use dynamo_protocol::message::{Answer, Operation, Request};
use smallvec::smallvec;
use std::collections::HashSet;

/// A request that nothing can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// The property that is false for it.
    pub property: Property,
    /// The key, by its place in the plan.
    pub key: usize,
    /// The nodes that are down.
    pub down: Vec<NodeId>,
}

/// The nodes that are down, as a set of bits.
type Down = u32;

/// What a fresh client may ask: a put or a get of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Question {
    property: Property,
    key: usize,
}

/// The session in which the fresh client asks first: later than all others.
const FRESH_SESSION: u8 = u8::MAX / 2;

impl ClusterModel {
    /// The first request of each property of `open` that has no answer ahead of `state`; of those that
    /// could be searched for, if `known` says that it gave up.
    pub fn unanswered(
        &self,
        state: &State,
        open: &[Property],
        known: &mut Known,
    ) -> Vec<Unanswered> {
        let available = [Property::AvailableWrites, Property::AvailableReads];
        let asked: Vec<Property> =
            available.into_iter().filter(|property| open.contains(property)).collect();
        let keys = 0..self.plan().keys().len();
        let of = |&property: &Property| keys.clone().map(move |key| Question { property, key });
        let questions: Vec<Question> = asked.iter().flat_map(of).collect();
        let mut unanswered: Vec<Unanswered> = Vec::new();
        for down in self.sets_down(state) {
            if unanswered.len() == asked.len() || !known.may_go_on(0) {
                break;
            }
            if known.has(self.name(state, down, Puts::default())) {
                continue;
            }
            let configuration = self.with_down(state, down);
            for Question { property, key } in self.search(configuration, &questions, known) {
                if unanswered.iter().all(|first| first.property != property) {
                    unanswered.push(Unanswered { property, key, down: members(down) });
                }
            }
        }
        unanswered
    }

    /// The sets of at most f nodes that contain all that are down already, small ones first.
    fn sets_down(&self, state: &State) -> Vec<Down> {
        let already = down(state);
        let most = u32::from(self.scenario().f);
        let sets = (0..1 << state.nodes.len())
            .filter(|set: &Down| set & already == already && set.count_ones() <= most);
        let mut sets: Vec<Down> = sets.collect();
        sets.sort_by_key(|set| set.count_ones());
        sets
    }

    /// The configuration that is left when the nodes of `down` have crashed.
    fn with_down(&self, state: &State, down: Down) -> State {
        let is_down = |node: NodeId| down >> node.0 & 1 == 1;
        let host = |(node, host): (u64, &Sealed<Host>)| match is_down(NodeId(node)) {
            true => match self.handled(host, &Event::LoseDisk) {
                Some(lost) => lost.host.clone(),
                None => unreachable!("every host can lose its disk"),
            },
            false => host.clone(),
        };
        let epoch = |(node, &epoch)| if is_down(NodeId(node)) { 0 } else { epoch };
        // Of the past only the number of calls matters, because it is the clock.
        let mut ghost = Ghost::new(0, false);
        let called = 0..state.run.ghost.called.len();
        ghost.called = called.fold(Puts::default(), |set, put| set.with(Puts::one(put)));
        let run = Run {
            clients: smallvec![Sealed::new(Client::default()); state.run.clients.len()],
            ghost,
            epochs: (0..).zip(&state.run.epochs).map(epoch).collect(),
            // Nor do these properties wait for operators.
            ordered: smallvec![u8::MAX; state.run.ordered.len()],
        };
        let faults = self.faults();
        let mut configuration = State {
            nodes: (0..).zip(&state.nodes).map(host).collect(),
            network: Network::new(),
            run: Sealed::new(run),
            spent: Spent {
                crashes: faults.crashes,
                drops: faults.drops,
                duplicates: faults.duplicates,
                timeouts: faults.timeouts,
                disk_losses: faults.disk_losses,
                partitions: faults.partitions,
            },
            // These properties speak of nodes that are down, not of partitions.
            far_side: 0,
            violated: Violated::default(),
        };
        for sealed in state.network.iter().filter(|sealed| !is_down(sealed.to)) {
            if is_down(sealed.from) && !sealed.orphan {
                configuration.put_in_flight(self.memo.orphaned(sealed));
            } else {
                configuration.put_in_flight(sealed.clone());
            }
        }
        configuration
    }

    /// The name of what [`Self::with_down`] makes of a state, known before it is made: nothing else
    /// in a configuration ever changes on a walk. `reaped` is what was reaped on the way to it.
    fn name(&self, state: &State, down: Down, reaped: Puts) -> u64 {
        let is_down = |node: NodeId| down >> node.0 & 1 == 1;
        let left = |node| Some(NodeId(node)).filter(|node| !is_down(*node));
        let nodes = (0..).zip(&state.nodes).map(|(node, host)| left(node).map(|_| host.clone()));
        let epochs = (0..).zip(&state.run.epochs).map(|(node, epoch)| left(node).map(|_| *epoch));
        let arriving = state.network.iter().filter(|sealed| !is_down(sealed.to));
        let mut network: Vec<Sealed<Envelope>> = arriving
            .map(|sealed| match is_down(sealed.from) && !sealed.orphan {
                true => self.memo.orphaned(sealed),
                false => sealed.clone(),
            })
            .collect();
        network.sort_unstable();
        network.dedup();
        let (nodes, epochs): (Vec<_>, Vec<_>) = nodes.zip(epochs).unzip();
        fingerprint(&(nodes, network, epochs, state.run.ghost.called.len(), reaped))
    }

    /// The name of a configuration.
    fn name_of(&self, configuration: &State) -> u64 {
        self.name(configuration, down(configuration), configuration.run.ghost.reaped)
    }

    /// The questions that have no answer ahead of a configuration.
    fn search(&self, start: State, questions: &[Question], known: &mut Known) -> Vec<Question> {
        let mut walked = vec![self.name_of(&start)];
        let mut here = start.clone();
        while !known.has(walked[walked.len() - 1]) {
            let arrival = self.arrivals(&here).into_iter().next();
            let next = arrival.or_else(|| self.free_actions(&here).into_iter().next());
            let next = next.map(|action| self.go_on(&here, &action).0);
            let next = next.map(|next| (self.name_of(&next), next));
            match next.filter(|(name, _)| !walked.contains(name)) {
                Some((name, next)) => {
                    walked.push(name);
                    here = next;
                }
                None => return self.ask_at_the_end(start, here, &walked, questions, known),
            }
        }
        walked.into_iter().for_each(|name| known.add(name));
        Vec::new()
    }

    /// The same, for a walk from `start` that has come to its end.
    fn ask_at_the_end(
        &self,
        start: State,
        end: State,
        walked: &[u64],
        questions: &[Question],
        known: &mut Known,
    ) -> Vec<Question> {
        let mut open = questions.to_vec();
        open.retain(|question| !self.can_answer(&end, *question, known));
        let answered = if open.is_empty() { walked } else { &walked[..1] };
        if walked.len() > 1 {
            open.retain(|question| !self.can_answer(&start, *question, known));
        }
        if known.gave_up().is_some() {
            return Vec::new();
        }
        if open.is_empty() {
            answered.iter().for_each(|&name| known.add(name));
        }
        open
    }

    /// Whether something that can happen answers the question, or nobody can tell because the search is
    /// given up: it goes depth-first through everything, what is likely to help first.
    fn can_answer(&self, start: &State, question: Question, known: &Known) -> bool {
        let mut seen = HashSet::new();
        let mut work = vec![start.clone()];
        while let Some(state) = work.pop() {
            if !seen.insert(fingerprint(&state)) {
                continue;
            }
            if !known.may_go_on(seen.len()) {
                return true;
            }
            let mut next = Vec::new();
            if self.may_ask(&state) {
                for node in state.nodes.iter().filter_map(|host| host.up()) {
                    match self.ask_fresh(&state, node.id(), question) {
                        (_, Some(true)) => return true,
                        (after, _) => next.push(after),
                    }
                }
            }
            let mut actions = self.free_actions(&state);
            let fresh = self.fresh_id(&state);
            actions.sort_by_key(|action| match action {
                Action::Deliver(envelope) => envelope.message.request() != Some(fresh),
                _ => true,
            });
            for action in actions {
                match self.go_on(&state, &action) {
                    (_, Some(true)) => return true,
                    (after, _) => next.push(after),
                }
            }
            work.extend(next.into_iter().rev());
        }
        false
    }

    /// What can happen to a configuration: no recovery, no faults, deliveries first.
    fn free_actions(&self, configuration: &State) -> Vec<Action> {
        let mut actions = self.arrivals(configuration);
        self.node_actions(configuration, &mut actions);
        actions.retain(|action| !action.is_fault() && !matches!(action, Action::Recover(_)));
        actions
    }

    /// What can happen to the messages of a configuration, without faults.
    fn arrivals(&self, configuration: &State) -> Vec<Action> {
        let mut actions = Vec::new();
        self.network_actions(configuration, &mut actions);
        actions.retain(|action| !action.is_fault());
        actions.sort_by_key(|action| matches!(action, Action::Lose(_)));
        actions
    }

    /// The configuration after an action; and if the fresh request was answered, whether well.
    fn go_on(&self, before: &State, action: &Action) -> (State, Option<bool>) {
        let mut after = before.clone();
        match self.tell(&mut after, action, &mut |_, _| {}) {
            Some((node, event)) => self.let_handle(after, node, event.later()),
            None => (after, None),
        }
    }

    /// A fresh client puts a question to a node.
    fn ask_fresh(&self, before: &State, node: NodeId, question: Question) -> (State, Option<bool>) {
        let mut after = before.clone();
        let (key, acknowledged) = (question.key as u8, Puts::default());
        let reader = self.plan().clients();
        let fresh = &mut *after.run.clients[reader];
        // After an answer it goes on as another client.
        fresh.session = FRESH_SESSION + fresh.done;
        fresh.waiting = Some(Waiting { node, key, acknowledged });
        let operation = match question.property {
            Property::AvailableWrites => {
                Operation::Put { context: None, value: Some(Value::from("fresh")) }
            }
            _ => Operation::Get,
        };
        let key = self.plan().keys()[question.key].clone();
        let request = Request { id: self.fresh_id(&after), key, operation, quorum: None };
        let event = Event::Request(request, self.ambient(&after, node));
        // It calls after all others.
        self.let_handle(after, node, event.later())
    }

    fn let_handle(&self, mut state: State, node: NodeId, event: Event) -> (State, Option<bool>) {
        let fresh = self.fresh_id(&state);
        let mut answered = None;
        self.handle(&mut state, node, &event, &mut |_, effects: &Effects| {
            for effect in &effects.0 {
                if let Effect::Reply { id, answer } = effect
                    && *id == fresh
                {
                    answered = Some(is_good(answer));
                }
            }
        });
        let State { nodes, network, .. } = &mut state;
        network.retain(|envelope| nodes[envelope.to.0 as usize].up().is_some());
        self.bury_the_dead(&mut state);
        (state, answered)
    }

    fn fresh_id(&self, configuration: &State) -> RequestId {
        let reader = self.plan().clients();
        let fresh = &configuration.run.clients[reader];
        request_id(reader, fresh.session, usize::from(fresh.done))
    }

    /// Whether the fresh client may ask, once more if it was event no: as often as there are nodes.
    fn may_ask(&self, configuration: &State) -> bool {
        let fresh = &configuration.run.clients[self.plan().clients()];
        fresh.waiting.is_none() && usize::from(fresh.done) < configuration.nodes.len()
    }
}

/// Whether a fresh put or get is served.
fn is_good(answer: &Answer) -> bool {
    matches!(answer, Answer::Stored { .. } | Answer::Found { .. } | Answer::NotFound { .. })
}

/// The nodes that are down.
fn down(state: &State) -> Down {
    let down = (0..).zip(&state.nodes).filter(|(_, host)| host.up().is_none());
    down.fold(0, |set, (node, _)| set | 1 << node)
}

fn members(down: Down) -> Vec<NodeId> {
    (0..u64::from(Down::BITS)).filter(|node| down >> node & 1 == 1).map(NodeId).collect()
}
