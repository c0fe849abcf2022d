//! Whether a setup can be simulated, and what the core makes of it.

use super::setup::{Choice, Event, Mix, Property, Setup};
use super::setup::{MAX_CLIENTS, MAX_KEYS, MAX_MS, MAX_NODES, MAX_SKEW_MS};
use crate::latency;
use crate::shell::scheme::Versioning;
use anyhow::{Context as _, Result, bail, ensure};
use dynamo_protocol::config::Config;
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::ring::Member;
use std::path::Path;

impl Setup {
    /// Five nodes, and everything goes wrong that N=3, R=W=2 must survive.
    pub fn usual() -> Setup {
        let text = include_str!("../../models/simulations/faults.toml");
        toml::from_str(text).expect("a test reads it")
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// In one sentence: it cannot be read, or says something that cannot be.
    pub fn read(path: &Path) -> Result<Setup> {
        let text = latency::read(path)?;
        let mut setup: Setup = latency::parse(path, &text)?;
        setup.folder = path.parent().unwrap_or(Path::new("")).into();
        setup.check().with_context(|| path.display().to_string())?;
        Ok(setup)
    }

    /// Whether it can be simulated. Delays are checked when they are made.
    ///
    /// # Errors
    /// What cannot be, in one sentence.
    pub fn check(&self) -> Result<()> {
        let load = &self.load;
        within("nodes", self.nodes.into(), 1, MAX_NODES.into())?;
        within("load.clients", load.clients.into(), 1, MAX_CLIENTS.into())?;
        within("load.keys", load.keys.into(), 1, MAX_KEYS.into())?;
        within("load.duration-ms", load.duration_ms, 1, MAX_MS)?;
        within("load.timeout-ms", load.timeout_ms, 1, MAX_MS)?;
        within("load.value-bytes", load.value_bytes.into(), 0, 256 * 1024)?;
        within("settle-ms", self.settle_ms, 0, MAX_MS)?;
        within("machines.flush-ms", self.machines.flush_ms, 1, MAX_MS)?;
        let network = &self.network;
        let chances = [("network.loss", network.loss), ("network.duplicate", network.duplicate)];
        let links = network.links.iter().map(|link| ("a link's loss", link.loss));
        for (name, chance) in chances.into_iter().chain(links) {
            ensure!((0.0..=1.0).contains(&chance), "{name} is {chance}; use 0 to 1");
        }
        if let Some(rate) = load.rate {
            ensure!(rate > 0.0 && rate <= 1e6, "load.rate is {rate}; use up to 1000000 a second");
        }
        let mix = load.mix.weights();
        let is_weight = |weight: &f64| weight.is_finite() && *weight >= 0.0;
        let is_mix = mix.iter().all(is_weight) && mix.iter().sum::<f64>() > 0.0;
        ensure!(is_mix, "load.mix gives nothing to do; use weights of 0 or more, not all 0");
        for ms in &load.probes_ms {
            ensure!((0.0..=1e9).contains(ms), "a probe is after {ms} ms; use 0 to 1000000000");
        }
        let skew = self.machines.clock_skew_ms;
        within("machines.clock-skew-ms", skew, 0, MAX_SKEW_MS)?;
        for (name, ms) in self.timers.named() {
            within(&format!("timers.{name}"), ms, 1, MAX_MS)?;
        }
        self.check_choice()?;
        self.check_links()?;
        self.check_faults()?;
        self.config().map(drop)
    }

    fn check_links(&self) -> Result<()> {
        let ends = self.network.links.iter().flat_map(|link| link.from.iter().chain(&link.to));
        match ends.copied().find(|node| *node >= self.nodes) {
            Some(node) => bail!("a link names node {node} of {}", self.nodes),
            None => Ok(()),
        }
    }

    fn check_choice(&self) -> Result<()> {
        match self.load.choice {
            Choice::Uniform => Ok(()),
            Choice::Hotspot { keys, share } => {
                ensure!((0.0..=1.0).contains(&share), "a hotspot's share is {share}; use 0 to 1");
                within("a hotspot's keys", keys.into(), 1, self.load.keys.into())
            }
            Choice::Zipf(s) => {
                ensure!((0.0..=10.0).contains(&s), "load.choice is zipf of {s}; use 0 to 10");
                Ok(())
            }
        }
    }

    fn check_faults(&self) -> Result<()> {
        let faults = &self.faults;
        let means = [
            faults.crashes.as_ref().map(|f| f.every_ms),
            faults.partitions.as_ref().map(|f| f.every_ms),
            faults.clogs.as_ref().map(|f| f.every_ms),
            faults.slowness.as_ref().map(|f| f.every_ms),
        ];
        for mean in means.into_iter().flatten() {
            let is_mean = (0.1..=1e9).contains(&mean);
            ensure!(is_mean, "every-ms of a fault is {mean}; use 0.1 to 1000000000");
            let times = self.load.duration_ms as f64 / mean;
            ensure!(times <= 1e6, "a fault comes {times:.0} times; use a longer every-ms");
        }
        let one_way = faults.partitions.as_ref().map_or(0.0, |f| f.one_way);
        let erase = faults.crashes.as_ref().map_or(0.0, |f| f.erase);
        for (name, chance) in [("one-way", one_way), ("erase", erase)] {
            ensure!((0.0..=1.0).contains(&chance), "{name} is {chance}; use 0 to 1");
        }
        let slow = faults.events.iter().filter_map(|event| event.slow).map(|(_, ms)| ms);
        for ms in slow.chain(faults.slowness.as_ref().map(|f| f.extra_ms)) {
            ensure!(
                (0.0..=10_000.0).contains(&ms),
                "a slow node takes {ms} ms more; use 0 to 10000"
            );
        }
        for event in &faults.events {
            for (name, ms) in [("at-ms", event.at_ms), ("for-ms", event.for_ms)] {
                ensure!((0.0..=MAX_MS as f64).contains(&ms), "{name} of an event is {ms}");
            }
            let named = event.nodes().ok_or_else(|| {
                anyhow::anyhow!(
                    "the event at {} ms must have exactly one of crash, erase, mute, deafen, split, \
                     clog and slow",
                    event.at_ms
                )
            })?;
            if let Some(node) = named.iter().find(|node| **node >= self.nodes) {
                bail!("the event at {} ms names node {node} of {}", event.at_ms, self.nodes);
            }
        }
        Ok(())
    }

    /// Whether a property must hold.
    pub fn must_hold(&self, property: Property) -> bool {
        // Only dotted versions have dots.
        let is_judged =
            property != Property::UniqueDots || self.cluster.versioning == Versioning::Dotted;
        let is_expected = property.is_expected() && !self.may_fail.contains(&property);
        is_judged && is_expected || self.holds.contains(&property)
    }

    /// What the core makes of it.
    ///
    /// # Errors
    /// One sentence about what does not fit together.
    pub fn config(&self) -> Result<Config> {
        let members = (0..u64::from(self.nodes)).map(|id| Member {
            id: NodeId(id),
            name: format!("n{id}"),
            weight: 1,
            zone: None,
            address: String::new(),
        });
        self.cluster.protocol(members).map_err(|error| anyhow::anyhow!("[cluster]: {error}"))
    }
}

impl Event {
    /// The nodes that it names, if it names one fault.
    fn nodes(&self) -> Option<Vec<u32>> {
        let one = |node: &Option<u32>| node.map(|node| vec![node]);
        let named = [
            one(&self.crash),
            one(&self.erase),
            self.mute.clone(),
            self.deafen.clone(),
            self.split.clone(),
            self.clog.map(|(from, to)| vec![from, to]),
            self.slow.map(|(node, _)| vec![node]),
        ];
        let mut named = named.into_iter().flatten();
        named.next().filter(|_| named.next().is_none())
    }
}

impl Mix {
    /// The weights, in order.
    pub(super) fn weights(&self) -> [f64; 5] {
        [self.get, self.put, self.update, self.blind, self.delete]
    }
}

fn within(name: &str, value: u64, low: u64, high: u64) -> Result<()> {
    ensure!((low..=high).contains(&value), "{name} is {value}; use {low} to {high}");
    Ok(())
}
