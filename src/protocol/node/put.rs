//! A put or a delete, coordinated by an owner of its key (paper §4.5): make the new version, write
//! it here, send the whole object to the other owners, answer when W hold it.

use super::{Node, Origin, Pending};
use crate::door::{Ambient, Effects, Ignored, Note, Timer};
use crate::ids::{ClientId, Key, NodeId, RequestId};
use crate::limits;
use crate::message::{Answer, Message, Operation, Refusal, Request};
use crate::quorum::{Standing, Tally};
use crate::store::{Record, RecordKey, Store};
use crate::versions::{Actor, Context, Dot, Incarnation, NewVersion, Object, Written};
use serde::Serialize;

/// A put that waits for its quorum.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(super) struct Put {
    origin: Origin,
    tally: Tally,
}

impl<S: Store> Node<S> {
    /// Coordinates `request`, an admitted put of a key that this node owns.
    pub(super) fn put(
        &mut self,
        origin: Origin,
        request: Request,
        ambient: Ambient,
        effects: &mut Effects,
    ) {
        let Request { id, key, operation: Operation::Put { context, value } } = request else {
            return effects.ignore(Ignored::Stale);
        };
        let context = context.unwrap_or_else(|| self.config.versioning().empty_context());
        let written = Written { by: id, value };
        let (object, dot) = self.new_version(&key, &context, written, ambient);
        let refusal = too_much(&object).or_else(|| self.unsound(&object, id));
        if let Some(refusal) = refusal {
            return self.answer(origin, id, Answer::Refused(refusal), effects);
        }
        self.record(&key, &object, dot, effects);
        self.spread(origin, id, key, object, effects);
    }

    /// A context that claims events of the future would make the new version look replaced, and
    /// one of too many actors would make the key's own context too long to come back.
    fn unsound(&self, object: &Object, id: RequestId) -> Option<Refusal> {
        let is_held = object.siblings().any(|written| written.by == id);
        let returns = self.config.versioning().admits_context(&object.context());
        (!is_held || !returns).then_some(Refusal::ForeignContext)
    }

    /// The key's object with the new version, and the version's dot.
    fn new_version(
        &self,
        key: &Key,
        context: &Context,
        written: Written,
        ambient: Ambient,
    ) -> (Object, Dot) {
        let versioning = self.config.versioning();
        let copy = self.load(key).unwrap_or_else(|| versioning.empty_object());
        let dot = self.next_dot(key, &copy, context, ambient);
        let new = NewVersion { dot, stamp: ambient.stamp };
        (versioning.put(&copy, context, self.id, new, written), dot)
    }

    /// The next dot of this node for `key`. It continues the epoch of its last dot only if that
    /// dot is the highest of the epoch that anybody here has heard of: if the copy was lost,
    /// replaced or came back from elsewhere, the counter cannot be trusted and the put takes a
    /// fresh epoch, whose counters start at 1 (bugs A2–A4, A16).
    fn next_dot(&self, key: &Key, copy: &Object, context: &Context, ambient: Ambient) -> Dot {
        let incarnation = self.state.incarnation.unwrap_or(Incarnation(0));
        let actor = |epoch| Actor { node: self.id, incarnation, epoch };
        let fresh = Dot { actor: actor(ambient.epoch), counter: 1 };
        let (Object::Dotted(copy), Context::Dotted(read)) = (copy, context) else {
            return fresh;
        };
        match self.store.get(&RecordKey::Counter(key.clone())) {
            Some(Record::Counter { epoch, counter })
                if copy.seen().counter(actor(epoch)) == counter
                    && read.counter(actor(epoch)) <= counter =>
            {
                Dot { actor: actor(epoch), counter: counter + 1 }
            }
            _ => fresh,
        }
    }

    /// Writes the new object and its dot: one atomic step.
    fn record(&mut self, key: &Key, object: &Object, dot: Dot, effects: &mut Effects) {
        if let Object::Dotted(_) = object {
            let (epoch, counter) = (dot.actor.epoch, dot.counter);
            self.store.put(RecordKey::Counter(key.clone()), Record::Counter { epoch, counter });
            if counter == 1 {
                effects.note(Note::FreshEpoch(epoch));
            }
        }
        self.save(key, object.clone());
        let siblings = object.siblings().count();
        if siblings > 1 {
            effects.note(Note::Siblings(siblings as u16));
        }
    }

    /// Sends the object to the key's other owners.
    fn spread(
        &mut self,
        origin: Origin,
        id: RequestId,
        key: Key,
        object: Object,
        effects: &mut Effects,
    ) {
        let owners = self.preference_list(&key).primaries();
        let mut tally = Tally::new(self.config.w(), owners.iter().copied());
        tally.accept(self.id);
        for &owner in owners.iter().filter(|&&owner| owner != self.id) {
            let (key, object) = (key.clone(), object.clone());
            effects.send(owner, Message::Replicate { id, key, object });
        }
        match tally.standing() {
            Standing::Pending => self.wait(id, Pending::Put(Put { origin, tally }), effects),
            Standing::Reached | Standing::Failed => self.finish_put(id, origin, &tally, effects),
        }
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
        if accepts {
            put.tally.accept(from)
        } else {
            put.tally.refuse(from)
        }
        if put.tally.standing() == Standing::Pending {
            self.state.pending.insert(id, Pending::Put(put));
        } else {
            effects.cancel(Timer::Request(id));
            self.finish_put(id, put.origin, &put.tally, effects);
        }
    }

    pub(super) fn put_timed_out(&mut self, id: RequestId, put: Put, effects: &mut Effects) {
        self.suspect(put.tally.silent(), effects);
        self.finish_put(id, put.origin, &put.tally, effects);
    }

    fn finish_put(&mut self, id: RequestId, origin: Origin, tally: &Tally, effects: &mut Effects) {
        let answer = match tally.standing() {
            Standing::Reached => Answer::Stored,
            _ => Answer::QuorumUnavailable { got: tally.got(), need: tally.need() },
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
        let session = RecordKey::Session(id.client);
        if self.store.get(&session).is_none() {
            let (mut count, mut forgotten) = self.sessions();
            count += 1;
            if count > limits::MAX_SESSIONS
                && let Some((oldest, _)) = self.store.next(Some(&RecordKey::Sessions))
                && let RecordKey::Session(client) = oldest
            {
                self.store.remove(&oldest);
                (count, forgotten) = (count - 1, forgotten.max(Some(client)));
            }
            self.store.put(RecordKey::Sessions, Record::Sessions { count, forgotten });
        }
        self.store.put(session, Record::Session(id.sequence));
    }

    /// How many sessions are remembered, and up to which they are forgotten.
    fn sessions(&self) -> (u64, Option<ClientId>) {
        match self.store.get(&RecordKey::Sessions) {
            Some(Record::Sessions { count, forgotten }) => (count, forgotten),
            _ => (0, None),
        }
    }
}

/// At a limit a put is refused; nothing is ever trimmed.
fn too_much(object: &Object) -> Option<Refusal> {
    if object.siblings().count() > limits::MAX_SIBLINGS {
        return Some(Refusal::TooManySiblings);
    }
    (object.value_bytes() > limits::MAX_OBJECT_BYTES).then_some(Refusal::ObjectTooLarge)
}
