//! Faults begin and end; in the end all is mended, and it is looked whether the replicas agree.

use super::host::Host;
use super::judge::name_of;
use super::setup::Event;
use super::world::World;
use dynamo_protocol::ids::{Key, NodeId};
use dynamo_protocol::versions::Object;

impl World<'_> {
    /// A fault of the plan begins.
    pub(super) fn befall(&mut self, index: usize) {
        if self.has_ended {
            return;
        }
        let event = self.plan[index].clone();
        let far =
            |nodes: &[u32]| (0..self.hosts.len() as u32).map(|n| nodes.contains(&n)).collect();
        if let Some(node) = event.crash.or(event.erase) {
            self.crash(node, event.erase.is_some());
        } else if let Some(nodes) = &event.mute {
            self.network.cut(index, far(nodes), true, false);
        } else if let Some(nodes) = &event.deafen {
            self.network.cut(index, far(nodes), false, true);
        } else if let Some(nodes) = &event.split {
            self.network.cut(index, far(nodes), true, true);
        } else if let Some(link) = event.clog {
            self.network.clog(link, self.now, self.now.after_ms(event.for_ms));
        } else if let Some((node, extra_ms)) = event.slow {
            self.hosts[node as usize].slowness += extra_ms;
        }
        self.counters.count(event.kind());
    }

    fn crash(&mut self, node: u32, erases: bool) {
        self.hosts[node as usize].crash(erases);
        self.look_at_disk(node, false);
    }

    /// A fault of the plan has lasted long enough.
    pub(super) fn is_over(&mut self, index: usize) {
        if self.has_ended {
            return;
        }
        let event = &self.plan[index];
        if let Some(node) = event.crash.or(event.erase) {
            if self.hosts[node as usize].recovers() {
                self.restart(node);
            }
        } else if let Some((node, extra_ms)) = event.slow {
            self.hosts[node as usize].slowness -= extra_ms;
        } else {
            self.network.heal(index);
        }
    }

    /// From now on nothing goes wrong, and what was down is up.
    pub(super) fn mend(&mut self) {
        self.network.mend();
        for node in 0..self.hosts.len() as u32 {
            let was_up = self.hosts[node as usize].is_up();
            self.hosts[node as usize].mend();
            if !was_up {
                self.restart(node);
            }
        }
    }

    /// Whether every node vouches for what it holds, no hint is left, and the replicas of every key
    /// hold the same.
    pub(super) fn agree(&self) -> bool {
        let is_whole = |host: &Host| host.node().is_whole();
        !self.are_waiting()
            && self.hints.is_empty()
            && self.hosts.iter().all(is_whole)
            && self.differing().next().is_none()
    }

    /// Shows the judge what all copies of a key come to: the owners', and those kept for them.
    pub(super) fn merge_all(&mut self, key: u32) {
        let name = name_of(key);
        let list = self.config.ring().preference_list(&name);
        let owners = list.primaries().iter().map(|node| &self.hosts[node.0 as usize]);
        let copies = owners.filter_map(|host| host.node().store().object(&name));
        let hints = self.hints.range((key, 0, NodeId(0))..(key + 1, 0, NodeId(0)));
        let hints = hints.filter_map(|(_, keeper, home)| {
            self.hosts[*keeper as usize].node().store().hint(*home, &name)
        });
        let merged = copies.chain(hints).fold(None, |all: Option<Object>, object| {
            Some(all.map_or_else(|| object.clone(), |all| all.merge(object)))
        });
        if let Some(object) = merged {
            self.judge.merged(key, &object, self.now);
        }
    }

    /// The keys of which replicas hold different things.
    fn differing(&self) -> impl Iterator<Item = Key> + '_ {
        let keys = (0..self.acknowledged.len() as u32).map(name_of);
        keys.filter(|key| {
            let list = self.config.ring().preference_list(key);
            let mut primaries = list.primaries().iter().map(|node| &self.hosts[node.0 as usize]);
            let copy = |host: &'_ Host| host.node().store().object(key).cloned();
            let first = primaries.next().and_then(copy);
            primaries.any(|host| copy(host) != first)
        })
    }

    /// What stands in the way of agreement.
    pub(super) fn disagreement(&self) -> String {
        let hints = self.hints.len();
        let behind = self.hosts.iter().filter(|host| !host.node().is_whole()).count();
        let keys = self.differing().count();
        format!("{keys} keys differ, {hints} hints are left, {behind} nodes cannot vouch for all")
    }
}

impl Event {
    /// The name of its kind, as a counter.
    fn kind(&self) -> &'static str {
        match self {
            Event { crash: Some(_), .. } => "faults-crashes",
            Event { erase: Some(_), .. } => "faults-lost-disks",
            Event { clog: Some(_), .. } => "faults-clogs",
            Event { slow: Some(_), .. } => "faults-slow-nodes",
            Event { split: Some(_), .. } => "faults-partitions",
            _ => "faults-one-way-partitions",
        }
    }
}
