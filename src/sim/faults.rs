//! What goes wrong when: drawn from the seed before the run begins, so that it can be told, and a
//! part of it tried alone.

use super::load::exponential;
use super::network::{pick, uniform};
use super::setup::{Event, Setup};
use crate::analysis::pbs::Draws;
use crate::latency::Spec;
use anyhow::Result;
use rand_xoshiro::Xoshiro256PlusPlus;

/// How long faults last that come by chance.
pub(super) struct Lengths {
    crashes: Option<Draws>,
    partitions: Option<Draws>,
    clogs: Option<Draws>,
    slowness: Option<Draws>,
}

impl Lengths {
    /// # Errors
    /// A delay that cannot be, or a file that cannot be read, in one sentence.
    pub(super) fn new(setup: &Setup) -> Result<Lengths> {
        let faults = &setup.faults;
        let draws = |lasts: Option<&Spec>| {
            lasts.map(|lasts| lasts.delay(&setup.folder).map(Draws::new)).transpose()
        };
        Ok(Lengths {
            crashes: draws(faults.crashes.as_ref().map(|f| &f.lasts))?,
            partitions: draws(faults.partitions.as_ref().map(|f| &f.lasts))?,
            clogs: draws(faults.clogs.as_ref().map(|f| &f.lasts))?,
            slowness: draws(faults.slowness.as_ref().map(|f| &f.lasts))?,
        })
    }

    /// Everything that goes wrong while the clients go on, by the time of its begin: what the setup
    /// names, and what comes by chance.
    pub(super) fn plan(&self, setup: &Setup, random: &mut Xoshiro256PlusPlus) -> Vec<Event> {
        let mut plan = setup.faults.events.clone();
        self.crashes(setup, random, &mut plan);
        self.partitions(setup, random, &mut plan);
        if let (Some(clogs), Some(mut lasts)) = (&setup.faults.clogs, self.clogs.clone()) {
            for at_ms in times(setup, clogs.every_ms, random) {
                let [from, to] = pair(setup.nodes, random);
                let for_ms = lasts.next(random);
                plan.push(Event { clog: Some((from, to)), ..Event::at(at_ms, for_ms) });
            }
        }
        if let (Some(slowness), Some(mut lasts)) = (&setup.faults.slowness, self.slowness.clone()) {
            for at_ms in times(setup, slowness.every_ms, random) {
                let node = pick(random, setup.nodes as usize) as u32;
                let for_ms = lasts.next(random);
                let slow = Some((node, slowness.extra_ms));
                plan.push(Event { slow, ..Event::at(at_ms, for_ms) });
            }
        }
        plan.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
        plan
    }

    fn crashes(&self, setup: &Setup, random: &mut Xoshiro256PlusPlus, plan: &mut Vec<Event>) {
        let (Some(crashes), Some(mut lasts)) = (&setup.faults.crashes, self.crashes.clone()) else {
            return;
        };
        let mut down: Vec<(u32, f64)> = Vec::new();
        let mut losses = 0;
        for at_ms in times(setup, crashes.every_ms, random) {
            let (node, for_ms) = (pick(random, setup.nodes as usize) as u32, lasts.next(random));
            let erases = uniform(random) < crashes.erase;
            down.retain(|(_, until)| *until > at_ms);
            let is_down = down.iter().any(|(other, _)| *other == node);
            if is_down || down.len() >= crashes.at_a_time as usize {
                continue;
            }
            down.push((node, at_ms + for_ms));
            let event = Event::at(at_ms, for_ms);
            plan.push(match erases && losses < crashes.disk_losses {
                true => Event { erase: Some(node), ..event },
                false => Event { crash: Some(node), ..event },
            });
            losses += u32::from(erases);
        }
    }

    fn partitions(&self, setup: &Setup, random: &mut Xoshiro256PlusPlus, plan: &mut Vec<Event>) {
        let chosen = (&setup.faults.partitions, self.partitions.clone());
        let (Some(partitions), Some(mut lasts)) = chosen else { return };
        for at_ms in times(setup, partitions.every_ms, random) {
            let sides: Vec<bool> = (0..setup.nodes).map(|_| uniform(random) < 0.5).collect();
            let far: Vec<u32> = (0..).zip(sides).filter(|(_, far)| *far).map(|(n, _)| n).collect();
            let (event, is_one_way) =
                (Event::at(at_ms, lasts.next(random)), uniform(random) < partitions.one_way);
            let is_out = uniform(random) < 0.5;
            plan.push(match (is_one_way, is_out) {
                (false, _) => Event { split: Some(far), ..event },
                (true, true) => Event { mute: Some(far), ..event },
                (true, false) => Event { deafen: Some(far), ..event },
            });
        }
    }
}

/// When something begins that comes every so often on average, while the clients go on.
fn times(setup: &Setup, every_ms: f64, random: &mut Xoshiro256PlusPlus) -> Vec<f64> {
    let end = setup.load.duration_ms as f64;
    let next = |at: &f64, random: &mut Xoshiro256PlusPlus| at + exponential(every_ms, random);
    let mut times = Vec::new();
    let mut at = next(&0.0, random);
    while at < end {
        times.push(at);
        at = next(&at, random);
    }
    times
}

/// Two different nodes, if there are two.
fn pair(nodes: u32, random: &mut Xoshiro256PlusPlus) -> [u32; 2] {
    let from = pick(random, nodes as usize) as u32;
    let step = 1 + pick(random, (nodes as usize - 1).max(1)) as u32;
    [from, (from + step) % nodes]
}

impl Event {
    /// Nothing yet, from `at_ms` on for `for_ms`.
    pub fn at(at_ms: f64, for_ms: f64) -> Event {
        let (crash, erase, clog, slow) = (None, None, None, None);
        let (mute, deafen, split) = (None, None, None);
        Event { at_ms, for_ms, crash, erase, mute, deafen, split, clog, slow }
    }
}
