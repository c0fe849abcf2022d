//! What clients do next, drawn from their own random numbers.

use super::network::{pick, uniform};
use super::setup::{Choice, Setup};
use crate::analysis::pbs::{Draws, math};
use anyhow::Result;
use dynamo_protocol::ids::Key;
use dynamo_protocol::ring::Ring;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

/// Whom a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Contact {
    /// Any node, as behind a load balancer (paper §6.4, server-driven).
    Random,
    /// One of the key's owners, as a client that knows the ring does (client-driven).
    Owner,
    /// The first of the key's owners.
    First,
    /// Always this one.
    Node(u32),
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Get,
    Put,
    /// A get, and then a put.
    Update,
    Blind,
    Delete,
    /// A put of a key of its own, and a get of it so long after as the probe of this number says.
    Probe(usize),
}

/// What is drawn for each request.
#[derive(Clone, Debug)]
pub(super) struct Load {
    /// Of each deed in turn: the share of all up to it.
    deeds: Vec<f64>,
    choice: Choice,
    /// Under Zipf's law, of each key: the share of all up to it.
    shares: Vec<f64>,
    keys: u32,
    contact: Contact,
    nodes: u32,
    think: Draws,
    /// Milliseconds between two requests of an open loop, on average.
    gap: Option<f64>,
    probes: usize,
}

const DEEDS: [Deed; 5] = [Deed::Get, Deed::Put, Deed::Update, Deed::Blind, Deed::Delete];

impl Load {
    pub(super) fn new(setup: &Setup) -> Result<Load> {
        let load = &setup.load;
        let shares = match load.choice {
            Choice::Zipf(s) => {
                cumulated((1..=load.keys).map(|k| math::exp(-s * math::ln(k.into()))))
            }
            _ => Vec::new(),
        };
        Ok(Load {
            deeds: cumulated(load.mix.weights().into_iter()),
            choice: load.choice,
            shares,
            keys: load.keys,
            contact: load.contact,
            nodes: setup.nodes,
            think: Draws::new(load.think.delay(&setup.folder)?),
            gap: load.rate.map(|rate| 1000.0 / rate),
            probes: load.probes_ms.len(),
        })
    }

    pub(super) fn deed(&self, random: &mut Xoshiro256PlusPlus) -> Deed {
        match self.probes {
            0 => DEEDS[chosen(&self.deeds, random)],
            probes => Deed::Probe(pick(random, probes)),
        }
    }

    pub(super) fn key(&self, random: &mut Xoshiro256PlusPlus) -> u32 {
        match self.choice {
            Choice::Uniform => pick(random, self.keys as usize) as u32,
            Choice::Hotspot { keys, share } => {
                let is_hot = uniform(random) < share || keys == self.keys;
                match is_hot {
                    true => pick(random, keys as usize) as u32,
                    false => keys + pick(random, (self.keys - keys) as usize) as u32,
                }
            }
            Choice::Zipf(_) => chosen(&self.shares, random) as u32,
        }
    }

    pub(super) fn contact(&self, ring: &Ring, key: &Key, random: &mut Xoshiro256PlusPlus) -> u32 {
        let owners = || ring.preference_list(key);
        match self.contact {
            Contact::Random => pick(random, self.nodes as usize) as u32,
            Contact::Node(node) => node.min(self.nodes - 1),
            Contact::First => owners().primaries()[0].0 as u32,
            Contact::Owner => {
                let owners = owners();
                let primaries = owners.primaries();
                primaries[pick(random, primaries.len())].0 as u32
            }
        }
    }

    /// How long a client of a closed loop thinks, in milliseconds.
    pub(super) fn think(&mut self, random: &mut Xoshiro256PlusPlus) -> f64 {
        self.think.next(random)
    }

    /// Whether requests come whether or not others are answered.
    pub(super) fn is_open(&self) -> bool {
        self.gap.is_some()
    }

    /// How long until the next request of an open loop, in milliseconds: exponential.
    pub(super) fn gap(&self, random: &mut Xoshiro256PlusPlus) -> Option<f64> {
        self.gap.map(|mean| exponential(mean, random))
    }
}

/// An exponential time of this mean.
pub(super) fn exponential(mean: f64, random: &mut Xoshiro256PlusPlus) -> f64 {
    -mean * math::ln(1.0 - uniform(random))
}

/// The share of all up to each weight.
fn cumulated(weights: impl Iterator<Item = f64>) -> Vec<f64> {
    let sums: Vec<f64> = weights
        .scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        })
        .collect();
    let all = sums.last().copied().unwrap_or(1.0);
    sums.into_iter().map(|sum| sum / all).collect()
}

fn chosen(shares: &[f64], random: &mut Xoshiro256PlusPlus) -> usize {
    let at = uniform(random);
    // What has a weight of 0 ends where it begins, and is never met.
    shares.partition_point(|share| *share <= at).min(shares.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::pbs::stream;

    fn load(text: &str) -> Load {
        let head = "nodes = 3\n[cluster]\nn = 3\nr = 2\nw = 2\n[load]\n";
        let setup: Setup = toml::from_str(&format!("{head}{text}")).unwrap();
        setup.check().unwrap();
        Load::new(&setup).unwrap()
    }

    /// How often each key comes among 100,000.
    fn keys(text: &str) -> Vec<f64> {
        let (load, mut random) = (load(text), stream(1, 1));
        let mut counts = vec![0.0; load.keys as usize];
        (0..100_000).for_each(|_| counts[load.key(&mut random) as usize] += 1e-5);
        counts
    }

    #[test]
    fn keys_come_as_often_as_they_should() {
        let close = |a: f64, b: f64| (a - b).abs() < 0.006;
        assert!(keys("keys = 4").iter().all(|share| close(*share, 0.25)));
        let hot = keys("keys = 10\nchoice = { hotspot = { keys = 2, share = 0.9 } }");
        assert!(close(hot[0], 0.45) && close(hot[1], 0.45) && close(hot[9], 0.0125), "{hot:?}");
        let zipf = keys("keys = 3\nchoice = { zipf = 1.0 }");
        let sum = 1.0 + 0.5 + 1.0 / 3.0;
        assert!(close(zipf[0], 1.0 / sum) && close(zipf[2], 1.0 / 3.0 / sum), "{zipf:?}");
    }

    #[test]
    fn deeds_come_by_weight() {
        let (load, mut random) = (load("mix = { get = 3, delete = 1 }"), stream(1, 2));
        let deeds: Vec<Deed> = (0..10_000).map(|_| load.deed(&mut random)).collect();
        let count = |deed| deeds.iter().filter(|d| **d == deed).count();
        assert_eq!(count(Deed::Put) + count(Deed::Update) + count(Deed::Blind), 0);
        assert!((7_300..7_700).contains(&count(Deed::Get)), "{}", count(Deed::Get));
    }

    #[test]
    fn an_open_loop_has_its_rate() {
        let (load, mut random) = (load("rate = 1000"), stream(1, 3));
        let sum: f64 = (0..10_000).map(|_| load.gap(&mut random).unwrap()).sum();
        assert!((9_700.0..10_300.0).contains(&sum), "{sum}");
    }
}
