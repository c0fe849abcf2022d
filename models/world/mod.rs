//! The cluster model: the protocol's own nodes, a network, scripted clients and budgeted faults.
//!
//! A node's step is [`Node::handle`]; nothing of the protocol is declared again here.

mod action;
mod agree;
mod ahead;
mod ample;
mod client;
mod describe;
mod disk;
mod faults;
mod ghost;
mod judge;
mod kind;
mod linear;
mod memo;
mod network;
mod observe;
mod operators;
mod plan;
mod shown;
mod space;
mod state;
mod symmetry;
mod table;

pub use action::Action;
pub use ahead::Unanswered;
#[cfg(feature = "stateright")]
pub(crate) use describe::write_node;
pub use disk::Disk;
pub use ghost::{Ghost, Operation, Phase};
pub use kind::Kind;
pub use observe::Seen;
pub use plan::{Plan, Puts, client_of, request_id};
pub use state::{
    Client, Envelope, Host, Memory, Network, Nodes, Process, Run, Spent, State, Violated, Waiting,
};

use crate::scenario::{self, Faults, Property, Scenario, Schedule};
use crate::seal::Sealed;
use dynamo_protocol::config::{
    Config, ConfigError, DurabilityMode, FailureHandling, Quorum, ReadRepair,
};
use dynamo_protocol::door::{Ambient, Effect, Effects, Input, Note, Start};
use dynamo_protocol::ids::{Key, NodeId};
use dynamo_protocol::node::Node;
use dynamo_protocol::ring::{Layout, LayoutError, Member, Ring, Strategy};
use dynamo_protocol::store::{Record, RecordKey, Store};
use dynamo_protocol::versions::{Epoch, Incarnation, Stamp, Versioning};
use memo::{Event, Handled, Memo};
use shown::Views;
use smallvec::smallvec;
use std::sync::Arc;

/// A scenario, ready to be explored.
#[derive(Clone, Debug)]
pub struct ClusterModel {
    scenario: Arc<Scenario>,
    config: Arc<Config>,
    plan: Arc<Plan>,
    with_history: bool,
    /// Whether orders of steps that make no difference are left out.
    reduced: bool,
    /// Of each client who must have begun before it does, if somebody must.
    begins_after: Vec<Option<usize>>,
    /// Whether messages that can never matter again stay in the network.
    keeps_the_dead: bool,
    /// Shared by all clones: they have one configuration.
    memo: Arc<Memo>,
    views: Arc<Views>,
}

/// Why a scenario cannot become a cluster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The ring refuses.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The quorums refuse.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl ClusterModel {
    /// The cluster of a scenario, judged by every property but `linearizable`.
    pub fn new(scenario: &Scenario) -> Result<ClusterModel, ModelError> {
        let plan = Plan::new(scenario);
        let config = Arc::new(config(scenario, &plan.keys()[0])?);
        let scenario = Arc::new(scenario.clone());
        let (plan, memo, views) = (Arc::new(plan), Arc::default(), Arc::default());
        let (with_history, reduced, keeps_the_dead) = (false, false, false);
        Ok(ClusterModel {
            scenario,
            config,
            plan,
            with_history,
            reduced,
            begins_after: Vec::new(),
            keeps_the_dead,
            memo,
            views,
        })
    }

    /// The same cluster with the whole history in its state, to judge `linearizable`.
    #[must_use]
    pub fn with_history(mut self) -> ClusterModel {
        self.with_history = true;
        self
    }

    /// Whether the whole history is part of the state.
    pub fn has_history(&self) -> bool {
        self.with_history
    }

    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The configuration that all nodes share.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The scripts, worked out.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What is left out, or not, for the bounds of a verdict; nothing if it is as usual.
    pub fn leaves_out(&self) -> &'static str {
        match (self.keeps_the_dead, self.is_symmetric()) {
            (true, _) => ", nothing left out",
            (false, true) => ", clients that are alike begin in their order",
            (false, false) => "",
        }
    }

    /// Which of a scenario's models it is: with the history, with fewer orders of steps, up to symmetry,
    /// with the dead.
    pub(crate) fn variant(&self) -> [bool; 4] {
        [self.has_history(), self.is_reduced(), self.is_symmetric(), self.keeps_the_dead]
    }

    /// The properties that this model judges, out of those that the scenario asks.
    pub fn asked(&self) -> impl Iterator<Item = Property> + '_ {
        let judged = |p: &Property| (*p == Property::Linearizable) == self.with_history;
        self.scenario.expect.iter().map(|&(property, _)| property).filter(judged)
    }

    /// All nodes just bootstrapped, nothing in flight.
    pub fn initial(&self) -> State {
        let host = |id| {
            let node = NodeId(id);
            let mut process = Node::new(self.config.clone(), node, Disk::default());
            let start = Start::Bootstrap { incarnation: Incarnation(0) };
            let timers = network::timers(process.handle(Input::Start(start)));
            Sealed::new(Host { process: Process::Up(process), timers })
        };
        let nodes = u64::from(self.scenario.cluster.nodes);
        let run = Run {
            clients: smallvec![Sealed::new(Client::default()); self.plan.clients() + 1],
            ghost: Ghost::new(self.plan.operations(), self.with_history),
            epochs: smallvec![0; nodes as usize],
            ordered: smallvec![0; self.operators().len()],
        };
        State {
            nodes: (0..nodes).map(host).collect(),
            network: Network::new(),
            run: Sealed::new(run),
            spent: Spent::default(),
            far_side: 0,
            violated: Violated::default(),
        }
    }

    /// Everything that can happen next, in a fixed order; of a reduced cluster as much of it as is
    /// enough.
    pub fn actions(&self, state: &State) -> Vec<Action> {
        if let Some(action) = self.ample(state) {
            return vec![action];
        }
        let mut actions = Vec::with_capacity(16);
        self.client_actions(state, &mut actions);
        self.orders(state, &mut actions);
        self.network_actions(state, &mut actions);
        self.node_actions(state, &mut actions);
        actions
    }

    /// The state after an action that [`ClusterModel::actions`] named.
    pub fn step(&self, before: &State, action: &Action) -> State {
        self.explain(before, action, &mut |_, _| {})
    }

    /// The same step, and `watch` sees what the node that took part in it, if one did, has done.
    pub fn explain(
        &self,
        before: &State,
        action: &Action,
        watch: &mut dyn FnMut(NodeId, &Effects),
    ) -> State {
        let mut after = before.clone();
        self.go(before, action, &mut after, watch);
        self.judge_stores(before, &mut after);
        after
    }

    /// The same step, into a state that may be like the one before already; what disks and messages
    /// decide is not judged yet.
    fn go(
        &self,
        before: &State,
        action: &Action,
        after: &mut State,
        watch: &mut dyn FnMut(NodeId, &Effects),
    ) {
        after.clone_from(before);
        let event = self.tell(after, action, watch);
        let answered = event.and_then(|(node, event)| self.handle(after, node, &event, watch));
        self.bury_the_dead(after);
        self.judge_step(before, after, answered);
    }

    /// What an action changes outside the nodes, and what it tells which of them.
    fn tell(
        &self,
        after: &mut State,
        action: &Action,
        watch: &mut dyn FnMut(NodeId, &Effects),
    ) -> Option<(NodeId, Event)> {
        match action {
            Action::Call { client, node, .. } => return Some(self.call(after, *client, *node)),
            Action::FinalRead { key, node } => return Some(self.final_read(after, key, *node)),
            Action::Deliver(envelope) => {
                let taken = after.take(envelope).unwrap_or_else(|| envelope.clone());
                return Some(self.deliver(after, taken));
            }
            Action::Lose(envelope) => {
                after.take(envelope);
            }
            Action::Drop(envelope) => {
                after.take(envelope);
                after.spent.drops += 1;
            }
            Action::Duplicate(envelope) => {
                after.spent.duplicates += 1;
                return Some(self.deliver(after, envelope.clone()));
            }
            Action::Fire { node, timer, premature } => {
                after.spent.timeouts += u8::from(*premature);
                return Some((*node, Event::Timer(*timer)));
            }
            Action::Crash(node) => self.crash(after, *node),
            Action::Recover(node) => self.recover(after, *node, watch),
            Action::LoseDisk(node) => self.lose_disk(after, *node),
            Action::Flush(node) => self.flush(after, *node),
            Action::Partition(far) => {
                after.spent.partitions += 1;
                after.far_side = *far;
            }
            Action::Heal => after.far_side = 0,
            Action::Order { operator, .. } => self.order(after, *operator, watch),
            Action::GiveUp { client, .. } => self.give_up(after, *client),
        }
        None
    }

    /// Something happens to a node; what it does takes place in the same step.
    fn handle(
        &self,
        state: &mut State,
        node: NodeId,
        event: &Event,
        watch: &mut dyn FnMut(NodeId, &Effects),
    ) -> Option<client::Answered> {
        let handled = self.handled(state.host(node), event)?;
        watch(node, &handled.effects);
        if handled.effects.0.contains(&Effect::Note(Note::Reaped)) {
            let host = state.host(node).clone();
            self.count_reaped(&mut state.run.ghost, host.disk(), handled.host.disk());
        }
        self.count_epoch(state, node, handled.host.disk(), event.key());
        let reply = network::release(&handled.effects, &handled.sent, node, state);
        state.nodes[node.0 as usize] = handled.host.clone();
        let (id, answer) = reply?;
        self.answer(state, id, answer)
    }

    /// What a host does when something happens to it, from memory if it can be.
    fn handled(&self, host: &Sealed<Host>, event: &Event) -> Option<Arc<Handled>> {
        self.memo.handle(&self.config, host, event)
    }

    /// What the core may not make itself: exact clocks, and epochs numbered 0, 1, ... by node.
    fn ambient(&self, state: &State, node: NodeId) -> Ambient {
        let epoch = Epoch(u64::from(state.run.epochs[node.0 as usize]));
        Ambient { stamp: Stamp(state.run.ghost.called.len() as u64), epoch }
    }

    /// Counts an epoch as taken once a record of the node shows it.
    fn count_epoch(&self, state: &mut State, node: NodeId, disk: &Disk, key: Option<&Key>) {
        let Some(key) = key else { return };
        if let Some(Record::Counter { epoch, .. }) = disk.get(&RecordKey::Counter(key.clone()))
            && epoch == self.ambient(state, node).epoch
        {
            state.run.epochs[node.0 as usize] += 1;
        }
    }

    /// Forgets what was worked out before: it only made the search faster.
    pub fn forget_steps(&self) {
        self.memo.clear();
        self.views.clear();
    }

    /// The budgets.
    fn faults(&self) -> &Faults {
        &self.scenario.faults
    }

    /// Whether `client` may start: in sequential scenarios those before it have finished.
    fn may_start(&self, state: &State, client: usize) -> bool {
        match self.scenario.schedule {
            Schedule::Concurrent => self.is_next_of_its_like(state, client),
            Schedule::Sequential => (0..client).all(|other| self.has_finished(state, other)),
        }
    }

    fn has_finished(&self, state: &State, client: usize) -> bool {
        let step = usize::from(state.run.clients[client].done);
        self.plan.step(client, step).is_none() && state.run.clients[client].waiting.is_none()
    }
}

/// The ring of a scenario: strategy 3 over nodes that are numbered so that the preference list of
/// the first key is n0, n1, ...
fn config(scenario: &Scenario, first_key: &Key) -> Result<Config, ModelError> {
    let cluster = &scenario.cluster;
    let founders = u64::from(scenario.founders());
    let draft = Ring::new(&layout(cluster.n, (0..founders).collect())?);
    let walk: Vec<u64> = draft.preference_list(first_key).all().map(|n| n.0).collect();
    let rank = |member: u64| walk.iter().position(|&m| m == member).unwrap_or(0) as u64;
    let layout = layout(cluster.n, (0..founders).map(rank).collect())?;
    let versioning = match cluster.versioning {
        scenario::Versioning::Dotted => Versioning::Dotted,
        scenario::Versioning::VectorClock { limit } => Versioning::VectorClock { limit },
        scenario::Versioning::LastWriterWins => Versioning::LastWriterWins,
    };
    let read_repair = match cluster.read_repair {
        scenario::ReadRepair::Off => ReadRepair::Off,
        scenario::ReadRepair::Async => ReadRepair::Async,
        scenario::ReadRepair::Blocking => ReadRepair::Blocking,
    };
    let failures = FailureHandling {
        quorum: quorum(cluster.quorum),
        handoff: cluster.handoff.is_on(),
        anti_entropy: cluster.anti_entropy.is_on(),
        durability: match cluster.durability {
            scenario::Durability::Durable => DurabilityMode::Durable,
            scenario::Durability::Buffered => DurabilityMode::Buffered,
            scenario::Durability::OneDurable => DurabilityMode::OneDurable,
        },
        reap: cluster.reap.is_on(),
        gossip: scenario.membership.is_some(),
    };
    let config = Config::founded_on(layout, cluster.r, cluster.w, versioning, read_repair)?;
    Ok(config.with(failures)?.with_policy(cluster.policy))
}

fn quorum(quorum: scenario::Quorum) -> Quorum {
    match quorum {
        scenario::Quorum::Strict => Quorum::Strict,
        scenario::Quorum::Sloppy => Quorum::Sloppy,
    }
}

/// Partitions of a model's ring: enough that several keys get different lists.
const PARTITIONS: u32 = 64;

/// Members A, B, ..., with the given numbers.
fn layout(n: u8, ids: Vec<u64>) -> Result<Layout, LayoutError> {
    let member = |(index, id): (usize, u64)| Member {
        id: NodeId(id),
        name: char::from(b'A' + index as u8).to_string(),
        weight: 1,
        zone: None,
        address: String::new(),
    };
    let members = ids.into_iter().enumerate().map(member).collect();
    let strategy = Strategy::EqualPartitions { partitions: PARTITIONS };
    Layout::new(strategy, n, members)
}
