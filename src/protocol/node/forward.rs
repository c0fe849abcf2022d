//! A put at a node on which it does not act goes to one on which it does, chosen by suspicion before
//! it is sent. A second node is tried only after a refusal, which says "not applied": a put that two
//! nodes coordinate becomes two siblings (bugs A9, A10).

use super::{Node, Origin, Pending};
use crate::config::Quorum;
use crate::door::{Ambient, Effects, Ignored, Timer};
use crate::ids::{NodeId, RequestId};
use crate::message::{Answer, Message, Operation, Refusal, Request};
use crate::policy::SecondCoordinator;
use crate::store::Store;
use alloc::collections::BTreeSet;
use serde::Serialize;

/// A put that another node coordinates for us.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(super) struct Forward {
    request: Request,
    to: NodeId,
    refused: BTreeSet<NodeId>,
}

impl<S: Store> Node<S> {
    /// Forwards a client's put to a node on which it acts.
    pub(super) fn forward(&mut self, request: Request, effects: &mut Effects) {
        let id = request.id;
        if let Some(forward) = self.send_on(request, BTreeSet::new(), effects) {
            self.wait(id, Pending::Forward(forward), effects);
        }
    }

    /// Sends the put to the first other node that is left, suspects last; `None` if none is left.
    fn send_on(
        &self,
        request: Request,
        refused: BTreeSet<NodeId>,
        effects: &mut Effects,
    ) -> Option<Forward> {
        let targets = self.write_targets(&request.key, self.quorum(&request)).into_iter();
        let is_left = |node: &NodeId| *node != self.id && !refused.contains(node);
        let left = targets.map(|target| target.node).filter(is_left);
        let to = left.min_by_key(|node| self.state.suspects.contains(node))?;
        effects.send(to, Message::Forward(request.clone()));
        Some(Forward { request, to, refused })
    }

    /// Another node forwards a put to this one.
    pub(super) fn forwarded_to_me(
        &mut self,
        from: NodeId,
        request: Request,
        ambient: Ambient,
        effects: &mut Effects,
    ) {
        let (origin, id) = (Origin::Node(from), request.id);
        if request.operation == Operation::Get {
            return effects.ignore(Ignored::Stale);
        }
        if self.state.pending.contains_key(&id) {
            return effects.ignore(Ignored::Duplicate);
        }
        if !self.admit(origin, id, effects) {
            return;
        }
        // With a sloppy quorum the sender knows of no healthy node before this one.
        let stands_in = self.quorum(&request) == Quorum::Sloppy && !self.is_leaving();
        let is_mine = stands_in || self.owns(&request.key);
        let not_mine = (!is_mine).then_some(Refusal::NotAnOwner);
        match not_mine.or_else(|| self.refusal(&request)) {
            Some(refusal) => self.answer(origin, id, Answer::Refused(refusal), effects),
            None => self.put(origin, request, ambient, effects),
        }
    }

    /// The owner tells what became of the put.
    pub(super) fn forwarded(
        &mut self,
        from: NodeId,
        id: RequestId,
        answer: Answer,
        effects: &mut Effects,
    ) {
        match self.state.pending.remove(&id) {
            Some(Pending::Forward(forward)) if forward.to == from => {
                self.forward_answered(id, forward, answer, effects);
            }
            other => self.stale(id, other, effects),
        }
    }

    fn forward_answered(
        &mut self,
        id: RequestId,
        forward: Forward,
        answer: Answer,
        effects: &mut Effects,
    ) {
        if let Answer::Refused(Refusal::Busy | Refusal::NotAMember | Refusal::NotAnOwner) = answer
            && let Some(next) = self.to_the_next(forward, effects)
        {
            self.state.pending.insert(id, Pending::Forward(next));
            return;
        }
        effects.cancel(Timer::Request(id));
        effects.reply(id, answer);
    }

    /// Sends the put to another node than the last, if one is left.
    fn to_the_next(&self, mut forward: Forward, effects: &mut Effects) -> Option<Forward> {
        forward.refused.insert(forward.to);
        self.send_on(forward.request, forward.refused, effects)
    }

    pub(super) fn forward_timed_out(
        &mut self,
        id: RequestId,
        forward: Forward,
        effects: &mut Effects,
    ) {
        self.suspect([forward.to], effects);
        match self.config.policy().second_coordinator {
            SecondCoordinator::AfterRefusal => {}
            #[cfg(feature = "museum")]
            SecondCoordinator::AfterTimeout => {
                if let Some(next) = self.to_the_next(forward, effects) {
                    return self.wait(id, Pending::Forward(next), effects);
                }
            }
        }
        effects.reply(id, Answer::TimedOut);
    }

    /// Lets those who are to take the key over coordinate the put as well (bug A9).
    #[cfg(feature = "museum")]
    pub(super) fn forward_to_heirs(&self, request: &Request, effects: &mut Effects) {
        let heirs = self.write_targets(&request.key, Quorum::Strict).into_iter();
        let owners = self.rings.current().preference_list(&request.key);
        let is_heir = |node: &NodeId| *node != self.id && !owners.contains_primary(*node);
        for heir in heirs.map(|target| target.node).filter(is_heir) {
            effects.send(heir, Message::Forward(request.clone()));
        }
    }
}
