//! Operators: each gives its orders in turn, one when its contact accepts it. To put an order
//! together and to commit it is one step: nobody sees a plan before it is committed.

use super::ClusterModel;
use super::action::Action;
use super::network;
use super::state::{Envelope, Host, Process, State};
use crate::scenario::{Move, Order};
use dynamo_protocol::door::{Effects, Input, Timer};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::membership::{Command, LayoutHash, Step, plan};
use dynamo_protocol::message::Message;
use dynamo_protocol::node::Node;
use dynamo_protocol::ring::Member;

use super::Disk;

impl ClusterModel {
    /// The orders that can be given now.
    pub(super) fn orders(&self, state: &State, actions: &mut Vec<Action>) {
        for (operator, orders) in self.operators().iter().enumerate() {
            let Some(order) = orders.get(usize::from(state.run.ordered[operator])) else {
                continue;
            };
            let contact = NodeId(order.contact.into());
            let accepts = |node: &Node<Disk>| obey(&mut node.clone(), order, &mut |_| ()).is_some();
            if state.up(contact).is_some_and(accepts) {
                let what = order.to_string();
                actions.push(Action::Order { operator, node: contact, what });
            }
        }
    }

    pub(super) fn operators(&self) -> &[Vec<Order>] {
        self.scenario().membership.as_ref().map_or(&[], |membership| &membership.operators)
    }

    /// An operator's contact obeys.
    pub(super) fn order(
        &self,
        state: &mut State,
        operator: usize,
        watch: &mut dyn FnMut(NodeId, &Effects),
    ) {
        let order = &self.operators()[operator][usize::from(state.run.ordered[operator])];
        state.run.ordered[operator] += 1;
        let id = NodeId(order.contact.into());
        let mut host: Host = (**state.host(id)).clone();
        let Process::Up(node) = &mut host.process else { return };
        let mut all = Effects::default();
        let _ = obey(node, order, &mut |effects| all.0.extend(effects.0));
        watch(id, &all);
        // What it answers to whom is told by messages.
        let _ = network::apply(&all, id, &mut host.timers, state);
        state.set_host(id, host);
    }

    /// Whether `node` may begin a gossip with `peer`.
    pub(super) fn begins_gossips(&self, node: NodeId, peer: NodeId) -> bool {
        let membership = self.scenario().membership.as_ref();
        membership.is_some_and(|membership| membership.gossips(node.0, peer.0))
    }

    /// Whether a gossip would tell either side anything: that the other knows something else, or
    /// that it has done what the present stage asks of it.
    pub(super) fn gossip_matters(&self, state: &State, node: NodeId, peer: NodeId) -> bool {
        let (Some(mine), Some(theirs)) = (state.up(node), state.up(peer)) else { return false };
        let digest = |node: &Node<Disk>| node.membership().map(|m| m.digest());
        let hears = |hearer: &Node<Disk>, of: &Node<Disk>| {
            hearer.awaited().contains(&of.id()) && of.has_done()
        };
        digest(mine) != digest(theirs) || hears(mine, theirs) || hears(theirs, mine)
    }

    /// Whether a message about layouts, or one that is bound to them, can still do anything. Views
    /// never go back, unless a disk is lost. Where sender and receiver know the same by now, what
    /// either said before is no news; and a request of a view that both have left is never served.
    pub(super) fn view_matters(&self, state: &State, envelope: &Envelope) -> bool {
        let (Some(from), Some(to)) = (state.up(envelope.from), state.up(envelope.to)) else {
            return true;
        };
        if self.faults().disk_losses > 0 {
            return true;
        }
        if envelope.message.is_bound_to_view() {
            return !envelope.view.is_before(&to.view()) || from.view().is_before(&to.view());
        }
        let digest = |node: &Node<Disk>| node.membership().map(|m| m.digest());
        if !network::is_gossip(&envelope.message) || digest(from) != digest(to) {
            return true;
        }
        // What was refused for its view is asked again when both have been heard.
        let asks_again = |asker: &Node<Disk>, of: &Node<Disk>| {
            asker.is_behind(of.id()) || asker.waits_for(of.id())
        };
        let confirms = |hearer: &Node<Disk>, of: &Node<Disk>| {
            hearer.awaited().contains(&of.id()) && of.has_done()
        };
        asks_again(to, from)
            || asks_again(from, to)
            || match &envelope.message {
                Message::Gossip { digest: then, done, asks } => {
                    digest(to) == Some(*then)
                        && ((*done && confirms(to, from)) || (*asks && confirms(from, to)))
                }
                _ => confirms(from, to),
            }
    }

    /// Whether looking through its records would change anything.
    pub(super) fn settling_matters(&self, state: &State, node: NodeId) -> bool {
        let Some(node) = state.up(node) else { return false };
        let mut after = node.clone();
        let _ = after.handle(Input::Timer(Timer::Settle));
        after != *node
    }
}

/// Lets a node obey; `None` if it refuses.
fn obey(node: &mut Node<Disk>, order: &Order, watch: &mut dyn FnMut(Effects)) -> Option<()> {
    let mut tell = |node: &mut Node<Disk>, command: Command| {
        node.check_command(&command).ok()?;
        watch(node.handle(Input::Operator(command)));
        Some(())
    };
    match order.what[..] {
        [Move::Down(other)] => return tell(node, Command::Down(NodeId(other.into()))),
        [Move::Up(other)] => return tell(node, Command::Up(NodeId(other.into()))),
        [Move::Abort] => return tell(node, Command::Abort),
        _ => {}
    }
    tell(node, Command::Clear)?;
    for part in &order.what {
        let step = match *part {
            Move::Join(joiner) => Step::Join(member(joiner.into())),
            Move::Leave(leaver) => Step::Leave(NodeId(leaver.into())),
            Move::Replace(old, new) => {
                Step::Replace { old: NodeId(old.into()), new: member(new.into()) }
            }
            Move::Down(_) | Move::Up(_) | Move::Abort => return None,
        };
        tell(node, Command::Stage(step))?;
    }
    let layout = plan(node.membership()?.current(), &node.staged()).ok()?;
    tell(node, Command::Commit(LayoutHash::of_layout(&layout)))
}

/// A member as the model names it.
pub(super) fn member(id: u64) -> Member {
    let (name, address) = (format!("n{id}"), String::new());
    Member { id: NodeId(id), name, weight: 1, zone: None, address }
}
