//! What a step did: from the effects of the node that took part, and from the states around it.

use crate::scenario::Property;
use crate::world::{Envelope, State, client_of};
use dynamo_protocol::door::{Effect, Effects, Ignored, Note, Timer};
use dynamo_protocol::ids::{Key, NodeId, RequestId};
use dynamo_protocol::membership::View;
use dynamo_protocol::message::{Answer, Message};
use dynamo_protocol::store::{Record, RecordKey, Store};
use dynamo_protocol::versions::Object;
use std::fmt;

/// Something that a step did. Its text is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A node's copy of a key has changed.
    Holds {
        /// The node.
        node: NodeId,
        /// The key.
        key: Key,
        /// The copy.
        object: Object,
    },
    /// A node works on a request from now on.
    Waits {
        /// The node.
        node: NodeId,
        /// The request.
        request: RequestId,
    },
    /// A node has finished a request.
    Finishes {
        /// The node.
        node: NodeId,
        /// The request.
        request: RequestId,
    },
    /// A crash has made a node forget a request.
    Forgets {
        /// The node.
        node: NodeId,
        /// The request.
        request: RequestId,
    },
    /// A node has sent a message.
    Sends {
        /// The sender.
        from: NodeId,
        /// The receiver.
        to: NodeId,
        /// What it says.
        message: Message,
        /// Its place in [`super::Trace::flights`].
        flight: usize,
    },
    /// A node has set a timer, other than the one that every request has.
    Sets {
        /// The node.
        node: NodeId,
        /// The timer.
        timer: Timer,
    },
    /// A node keeps a hint.
    Keeps {
        /// The node.
        node: NodeId,
        /// For whom.
        home: NodeId,
        /// The key.
        key: Key,
        /// The hint.
        object: Object,
    },
    /// A node has let go of a hint.
    Releases {
        /// The node.
        node: NodeId,
        /// For whom it was.
        home: NodeId,
        /// The key.
        key: Key,
    },
    /// A node has no copy any more.
    Removes {
        /// The node.
        node: NodeId,
        /// The key.
        key: Key,
    },
    /// A node counts as a replica again after it has lost its disk.
    Synchronised {
        /// The node.
        node: NodeId,
    },
    /// A node has begun to take another for failed.
    Suspects {
        /// The node.
        node: NodeId,
        /// The other.
        peer: NodeId,
    },
    /// A node has heard from one that it had taken for failed.
    Trusts {
        /// The node.
        node: NodeId,
        /// The other.
        peer: NodeId,
    },
    /// A node acts on other layouts than before.
    Acts {
        /// The node.
        node: NodeId,
        /// Which.
        view: View,
    },
    /// A node has not acted upon what it was told.
    Ignores {
        /// The node.
        node: NodeId,
        /// Why.
        why: Ignored,
    },
    /// A client has received its answer.
    Answers {
        /// The node that answers.
        node: NodeId,
        /// The client, whichever of its sessions.
        client: usize,
        /// What it is told.
        answer: Answer,
    },
    /// A property has become false.
    Refutes(Property),
}

/// What the step from `before` to `after` did. Messages are numbered from `flights` on.
pub(super) fn events(
    before: &State,
    after: &State,
    did: Option<(NodeId, Effects)>,
    mut flights: usize,
) -> Vec<Event> {
    let mut events = Vec::new();
    for place in 0..after.nodes.len() {
        if before.nodes[place] != after.nodes[place] {
            changes(before, after, NodeId(place as u64), &mut events);
        }
    }
    if let Some((node, effects)) = did {
        for effect in effects {
            let event = effect_event(node, effect, before, after, flights);
            flights += usize::from(matches!(event, Some(Event::Sends { .. })));
            events.extend(event);
        }
    }
    let new = |p: &&Property| after.violated.has(**p) && !before.violated.has(**p);
    events.extend(Property::ALL.iter().filter(new).map(|&property| Event::Refutes(property)));
    events
}

/// How a node's copies and open requests differ.
fn changes(before: &State, after: &State, node: NodeId, events: &mut Vec<Event>) {
    let (old, new) = (before.host(node).disk(), after.host(node).disk());
    for (name, record) in new.records() {
        let Record::Object(object) = record else { continue };
        if old.get(name).as_ref() == Some(record) {
            continue;
        }
        let object = object.clone();
        match name {
            RecordKey::Object(key) => events.push(Event::Holds { node, key: key.clone(), object }),
            RecordKey::Hint { home, key } => {
                events.push(Event::Keeps { node, home: *home, key: key.clone(), object });
            }
            _ => {}
        }
    }
    for (name, _) in old.records().filter(|(name, _)| new.get(name).is_none()) {
        match name {
            RecordKey::Object(key) => events.push(Event::Removes { node, key: key.clone() }),
            RecordKey::Hint { home, key } => {
                events.push(Event::Releases { node, home: *home, key: key.clone() });
            }
            RecordKey::Unsynchronised => events.push(Event::Synchronised { node }),
            _ => {}
        }
    }
    let old: Vec<RequestId> = before.up(node).iter().flat_map(|n| n.pending()).collect();
    let new: Vec<RequestId> = after.up(node).iter().flat_map(|n| n.pending()).collect();
    let gone = |&request: &RequestId| match after.up(node) {
        Some(_) => Event::Finishes { node, request },
        None => Event::Forgets { node, request },
    };
    events.extend(old.iter().filter(|request| !new.contains(request)).map(gone));
    let fresh = new.iter().filter(|request| !old.contains(request));
    events.extend(fresh.map(|&request| Event::Waits { node, request }));
}

/// What an effect says, if it is worth a line.
fn effect_event(
    node: NodeId,
    effect: Effect,
    before: &State,
    after: &State,
    flight: usize,
) -> Option<Event> {
    Some(match effect {
        // One already in flight is not added twice.
        Effect::Send { to, view, ref message } if in_flight(before, node, (to, view), message) => {
            return None;
        }
        Effect::Send { to, message, .. } => Event::Sends { from: node, to, message, flight },
        Effect::Reply { id, answer } => {
            // Nobody hears the answer to a request that its client has given up.
            let done = |state: &State| Some(state.run.clients[state.client_index(id.client)?].done);
            if done(before) == done(after) {
                return None;
            }
            Event::Answers { node, client: client_of(id.client), answer }
        }
        Effect::SetTimer { timer: timer @ Timer::Straggler(_), .. } => Event::Sets { node, timer },
        Effect::Note(Note::Suspects(peer)) => Event::Suspects { node, peer },
        Effect::Note(Note::Layout(view) | Note::Withdrawn(view)) => Event::Acts { node, view },
        Effect::Note(Note::Trusts(peer)) => Event::Trusts { node, peer },
        Effect::Note(Note::Ignored(why)) => Event::Ignores { node, why },
        Effect::SetTimer { .. } | Effect::CancelTimer(_) | Effect::Note(_) => return None,
    })
}

fn in_flight(state: &State, from: NodeId, (to, view): (NodeId, View), message: &Message) -> bool {
    let same = |e: &Envelope| (e.from, e.to, e.view, &e.message) == (from, to, view, message);
    state.network.iter().any(|e| same(e) && !e.orphan && e.dying == 0)
}

fn reason(why: Ignored) -> &'static str {
    match why {
        Ignored::NotStarted => "it is not started",
        Ignored::BadStart => "its disk contradicts the start",
        Ignored::Duplicate => "it has seen the request before",
        Ignored::Stale => "the request is finished or never was its own",
        Ignored::ForeignObject => "the object is of another versioning scheme",
        Ignored::KeyTooLong => "the key is too long",
        Ignored::Stranger => "the sender is no member",
        Ignored::NotAReplica => "it keeps no copy of the key",
        Ignored::OtherView => "the sender acts on other layouts",
        Ignored::OtherCluster => "the sender's layout cannot follow from its own",
        Ignored::BadCommand => "the command cannot be obeyed",
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Holds { node, key, object } => write!(f, "{node}: {key} = {object}"),
            Event::Waits { node, request } => write!(f, "{node} waits for {request}"),
            Event::Finishes { node, request } => write!(f, "{node} is done with {request}"),
            Event::Forgets { node, request } => write!(f, "{node} forgets {request}"),
            Event::Sends { from, to, message, .. } => write!(f, "sends {from} -> {to} {message}"),
            Event::Keeps { node, home, key, object } => {
                write!(f, "{node} for {home}: {key} = {object}")
            }
            Event::Releases { node, home, key } => write!(f, "{node} releases {key} of {home}"),
            Event::Removes { node, key } => write!(f, "{node}: {key} is gone"),
            Event::Synchronised { node } => write!(f, "{node} counts as a replica again"),
            Event::Sets { node, timer } => write!(f, "{node} sets {timer}"),
            Event::Suspects { node, peer } => write!(f, "{node} suspects {peer}"),
            Event::Acts { node, view } => write!(f, "{node} acts on {view}"),
            Event::Trusts { node, peer } => write!(f, "{node} trusts {peer} again"),
            Event::Ignores { node, why } => write!(f, "{node} ignores it: {}", reason(*why)),
            Event::Answers { client, answer, .. } => {
                write!(f, "c{client} <- {answer}")
            }
            Event::Refutes(property) => write!(f, "now false: {property}"),
        }
    }
}
