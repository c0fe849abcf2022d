//! A put or a delete, coordinated by one of the nodes that it acts on (paper §4.5, §4.6): make the
//! new version, write it here, send the whole object to the others, answer when W hold it.

#[cfg(feature = "museum")]
use super::place::Place;
use super::{Node, Origin, Pending};
use crate::config::{DurabilityMode, Quorum};
use crate::door::{Ambient, Delay, Effects, Ignored, Note, Timer};
use crate::ids::{ClientId, Key, NodeId, RequestId};
use crate::limits;
use crate::message::{Answer, Message, Operation, Refusal, Request};
#[cfg(feature = "museum")]
use crate::policy::MovingDeletes;
use crate::policy::{Counting, FailedPut, Handover, StandIn};
use crate::quorum::{Standing, Tally, Target};
use crate::store::{Durability, Record, RecordKey, Store};
use crate::versions::{Dot, Object, Written};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use serde::Serialize;

/// A put that waits for its quorum.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(super) struct Put {
    origin: Origin,
    tally: Tally,
    key: Key,
    /// The version's.
    dot: Dot,
    /// Whether others may be asked when those asked are silent.
    quorum: Quorum,
    /// Answered already: it waits for the replicas that were not needed.
    is_answered: bool,
}

impl<S: Store> Node<S> {
    /// Coordinates `request`, an admitted put.
    pub(super) fn put(
        &mut self,
        origin: Origin,
        request: Request,
        ambient: Ambient,
        effects: &mut Effects,
    ) {
        let quorum = self.quorum(&request);
        match self.config.policy().handover {
            Handover::Object => {}
            #[cfg(feature = "museum")]
            Handover::Request => self.forward_to_heirs(&request, effects),
        }
        let Request { id, key, operation: Operation::Put { context, value }, .. } = request else {
            return effects.ignore(Ignored::Stale);
        };
        let context = context.unwrap_or_else(|| self.config.versioning().empty_context());
        let written = Written { by: id, value };
        let (object, dot) = self.new_version(&key, &context, written, ambient);
        let refusal = too_much(&object).or_else(|| self.unsound(&object, id));
        if let Some(refusal) = refusal {
            return self.answer(origin, id, Answer::Refused(refusal), effects);
        }
        let (mut targets, quorums) = self.acts_on(&key, quorum, object.is_deleted());
        let mine = targets.iter().find(|target| target.node == self.id).copied();
        let mine = mine.unwrap_or_else(|| {
            // Others believe that no node before this one is up.
            let home = self.rings.target().preference_list(&key).primaries().first().copied();
            targets.push(Target { node: self.id, home });
            Target { node: self.id, home }
        });
        let durability = self.coordinators_durability(targets.len());
        self.record(mine, &key, &object, dot, durability, effects);
        let tally = Tally::new(self.config.w(), targets.clone()).in_each(quorums);
        let put = Put { origin, tally, key, dot, quorum, is_answered: false };
        self.spread(id, put, &object, &targets, effects);
    }

    /// The nodes that a put acts on, and the sets of which each must give a quorum, if several.
    fn acts_on(
        &self,
        key: &Key,
        quorum: Quorum,
        is_delete: bool,
    ) -> (Vec<Target>, Vec<BTreeSet<NodeId>>) {
        match (self.config.policy().moving_deletes, is_delete) {
            #[cfg(feature = "museum")]
            (MovingDeletes::Kept, true) => (self.read_targets(key, quorum), Vec::new()),
            _ => (self.write_targets(key, quorum), self.several_quorums(key)),
        }
    }

    /// A context that claims events of the future would make the new version look replaced, and
    /// one of too many actors would make the key's own context too long to come back.
    fn unsound(&self, object: &Object, id: RequestId) -> Option<Refusal> {
        let is_held = object.siblings().any(|written| written.by == id);
        let most = most_actors(object.is_deleted());
        let returns = self.config.versioning().admits_context(&object.context(), most);
        (!is_held || !returns).then_some(Refusal::ForeignContext)
    }

    /// Writes the new object and its dot: one atomic step.
    fn record(
        &mut self,
        mine: Target,
        key: &Key,
        object: &Object,
        dot: Dot,
        durability: Durability,
        effects: &mut Effects,
    ) {
        if let Object::Dotted(_) = object {
            let (epoch, counter) = (dot.actor.epoch, dot.counter);
            let record = Record::Counter { epoch, counter };
            self.store.put(RecordKey::Counter(key.clone()), record, durability);
            if counter == 1 {
                effects.note(Note::FreshEpoch(epoch));
            }
        }
        if let Some(home) = mine.home {
            effects.note(Note::FallbackPut(home));
        }
        if let Some(place) = self.place(key, mine.home) {
            self.save(place, key, object.clone(), durability, effects);
        }
        let siblings = object.siblings().count();
        if siblings > 1 {
            effects.note(Note::Siblings(siblings as u16));
        }
    }

    /// Where one replica of each put writes durably (paper §6.1), that is another than the
    /// coordinator, if there is one.
    fn coordinators_durability(&self, replicas: usize) -> Durability {
        match self.config.failures().durability {
            DurabilityMode::OneDurable if replicas == 1 => Durability::Durable,
            _ => self.usual_durability(),
        }
    }

    /// How the first of the others is to write.
    fn first_durability(&self) -> Durability {
        match self.config.failures().durability {
            DurabilityMode::Durable | DurabilityMode::OneDurable => Durability::Durable,
            DurabilityMode::Buffered => Durability::Buffered,
        }
    }

    /// Sends the object to the others.
    fn spread(
        &mut self,
        id: RequestId,
        mut put: Put,
        object: &Object,
        targets: &[Target],
        effects: &mut Effects,
    ) {
        put.tally.accept(self.id);
        let others = targets.iter().copied().filter(|target| target.node != self.id);
        self.send_replicas(id, others, &put.key, object, effects);
        effects.set(Timer::Request(id), Delay::Request);
        self.advance_put(id, put, effects);
    }

    /// The first of them may be the one that is to write durably.
    fn send_replicas(
        &self,
        id: RequestId,
        to: impl IntoIterator<Item = Target>,
        key: &Key,
        object: &Object,
        effects: &mut Effects,
    ) {
        let mut durability = self.first_durability();
        for Target { node, home } in to {
            let (key, object) = (key.clone(), object.clone());
            effects.send(node, Message::Replicate { id, key, object, home, durability });
            durability = self.usual_durability();
        }
    }

    /// Begins a put anew, in other layouts than before: who holds it does so still.
    pub(super) fn renew_put(&mut self, id: RequestId, mut put: Put, effects: &mut Effects) {
        let targets = self.write_targets(&put.key, put.quorum);
        put.tally.renew(self.quorums(&put.key), targets);
        if let Some(object) = self.held_by(&put, id) {
            self.send_replicas(id, put.tally.silent_targets(), &put.key, &object, effects);
        }
        effects.set(Timer::Request(id), Delay::Request);
        self.advance_put(id, put, effects);
    }

    /// Sends `node` what it was sent before.
    pub(super) fn put_again(&self, id: RequestId, put: &Put, node: NodeId, effects: &mut Effects) {
        let target = put.tally.silent_targets().filter(|target| target.node == node);
        if let Some(object) = self.held_by(put, id) {
            self.send_replicas(id, target, &put.key, &object, effects);
        }
    }

    /// This node's copy, if it still holds what was put: a hint may have gone home since, and what
    /// came after it is another put.
    fn held_by(&self, put: &Put, id: RequestId) -> Option<Object> {
        // It may be no owner any more, and hold it still.
        let own = || self.load(&RecordKey::Object(put.key.clone()));
        self.copy(&put.key).or_else(own).filter(|copy| copy.holds(put.dot, id))
    }

    /// A replica answers a put.
    pub(super) fn put_answered(
        &mut self,
        id: RequestId,
        mut put: Put,
        from: NodeId,
        accepts: bool,
        effects: &mut Effects,
    ) {
        let from = match self.config.policy().tally {
            Counting::Replicas => from,
            #[cfg(feature = "museum")]
            Counting::Messages => put.tally.silent().next().unwrap_or(from),
        };
        if accepts {
            put.tally.accept(from)
        } else {
            put.tally.refuse(from)
        }
        self.advance_put(id, put, effects);
    }

    /// Goes on as far as the answers at hand allow. A sloppy put looks after the replicas that its
    /// answer did not need: if one is silent, a fallback is to keep a hint for it (paper §4.6).
    fn advance_put(&mut self, id: RequestId, mut put: Put, effects: &mut Effects) {
        let is_silent = put.tally.silent().next().is_some();
        let is_sloppy = put.quorum == Quorum::Sloppy;
        let follows_up = is_silent && is_sloppy && self.rings.have_fallbacks();
        match put.tally.standing() {
            Standing::Pending => {}
            Standing::Reached if follows_up && put.is_answered => {}
            Standing::Reached if follows_up => {
                effects.cancel(Timer::Request(id));
                self.finish_put(id, put.origin, &put.tally, effects);
                effects.set(Timer::Straggler(id), Delay::Straggler);
                put.is_answered = true;
            }
            Standing::Reached | Standing::Failed if put.is_answered => {
                return effects.cancel(Timer::Straggler(id));
            }
            Standing::Reached | Standing::Failed => {
                effects.cancel(Timer::Request(id));
                return self.finish_put(id, put.origin, &put.tally, effects);
            }
        }
        self.state.pending.insert(id, Pending::Put(put));
    }

    /// Those asked are silent. A sloppy put turns to others, as long as there are any.
    pub(super) fn put_timed_out(&mut self, id: RequestId, mut put: Put, effects: &mut Effects) {
        let turns = self.turn_put_to_others(id, &mut put, effects);
        match (turns, put.is_answered) {
            (true, false) => self.wait(id, Pending::Put(put), effects),
            (true, true) => {
                effects.set(Timer::Straggler(id), Delay::Straggler);
                self.state.pending.insert(id, Pending::Put(put));
            }
            (false, false) => self.finish_put(id, put.origin, &put.tally, effects),
            (false, true) => {}
        }
    }

    /// Whether there are others, and the put is still held here.
    fn turn_put_to_others(&mut self, id: RequestId, put: &mut Put, effects: &mut Effects) -> bool {
        let key = (put.quorum == Quorum::Sloppy).then_some(&put.key);
        let others = self.turn_to_others(&mut put.tally, key, effects);
        let Some(object) = self.held_by(put, id) else { return false };
        self.send_replicas(id, others.iter().copied(), &put.key, &object, effects);
        match self.config.policy().stand_in {
            StandIn::Nobody => {}
            #[cfg(feature = "museum")]
            StandIn::Coordinator => {
                for home in put.tally.silent().collect::<Vec<_>>() {
                    self.save(
                        Place::Hint(home),
                        &put.key,
                        object.clone(),
                        Durability::Durable,
                        effects,
                    );
                    put.tally.accept(home);
                }
            }
        }
        !others.is_empty()
    }

    fn finish_put(&mut self, id: RequestId, origin: Origin, tally: &Tally, effects: &mut Effects) {
        let answer = match tally.standing() {
            Standing::Reached => Answer::Stored { replicas: tally.replicas() },
            _ => match self.config.policy().failed_put {
                FailedPut::MaybeApplied => {
                    Answer::QuorumUnavailable { got: tally.got(), need: tally.need() }
                }
                #[cfg(feature = "museum")]
                FailedPut::NotApplied => Answer::Refused(Refusal::Busy),
            },
        };
        self.answer(origin, id, answer, effects);
    }

    pub(super) fn answer(
        &self,
        origin: Origin,
        id: RequestId,
        answer: Answer,
        effects: &mut Effects,
    ) {
        match origin {
            Origin::Client => effects.reply(id, answer),
            Origin::Node(node) => effects.send(node, Message::Forwarded { id, answer }),
        }
    }

    /// Whether the put is new here. It is remembered before anything else becomes of it, so that
    /// another copy of the message, be it after a restart, is never acted upon: not coordinated
    /// after a refusal, which says "not applied", nor refused or forwarded after it was applied.
    pub(super) fn admit(&mut self, origin: Origin, id: RequestId, effects: &mut Effects) -> bool {
        match self.store.get(&RecordKey::Session(id.client)) {
            Some(Record::Session(highest)) if id.sequence <= highest => {
                effects.ignore(Ignored::Duplicate);
                return false;
            }
            // Of a forgotten session nothing is left.
            None if Some(id.client) <= self.sessions().1 => {
                // It may have been applied before its session was forgotten.
                self.answer(origin, id, Answer::TimedOut, effects);
                return false;
            }
            _ => self.remember(id),
        }
        true
    }

    /// Records that the put was here, and forgets the oldest session beyond the limit.
    fn remember(&mut self, id: RequestId) {
        let (session, durability) = (RecordKey::Session(id.client), self.usual_durability());
        if self.store.get(&session).is_none() {
            let (mut count, mut forgotten) = self.sessions();
            count += 1;
            if count > limits::MAX_SESSIONS
                && let Some((oldest, _)) = self.store.next(Some(&RecordKey::Sessions))
                && let RecordKey::Session(client) = oldest
            {
                self.store.remove(&oldest, durability);
                (count, forgotten) = (count - 1, forgotten.max(Some(client)));
            }
            self.store.put(RecordKey::Sessions, Record::Sessions { count, forgotten }, durability);
        }
        self.store.put(session, Record::Session(id.sequence), durability);
    }

    /// How many sessions are remembered, and up to which they are forgotten.
    pub(super) fn sessions(&self) -> (u64, Option<ClientId>) {
        match self.store.get(&RecordKey::Sessions) {
            Some(Record::Sessions { count, forgotten }) => (count, forgotten),
            _ => (0, None),
        }
    }
}

impl Put {
    /// Whether it only waits for the replicas that its answer did not need.
    pub(super) fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// The key.
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Whether `node` was asked and has not answered.
    pub(super) fn waits_for(&self, node: NodeId) -> bool {
        self.tally.silent().any(|silent| silent == node)
    }
}

/// How many actors a context may name.
pub(super) fn most_actors(is_delete: bool) -> usize {
    if is_delete { limits::MAX_DELETED_ACTORS } else { limits::MAX_CONTEXT_ACTORS }
}

/// At a limit a put is refused; nothing is ever trimmed.
fn too_much(object: &Object) -> Option<Refusal> {
    if object.siblings().count() > limits::MAX_SIBLINGS {
        return Some(Refusal::TooManySiblings);
    }
    (object.value_bytes() > limits::MAX_OBJECT_BYTES).then_some(Refusal::ObjectTooLarge)
}
