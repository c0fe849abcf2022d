//! What becomes of messages between nodes: how long they take, and which never come.

use super::queue::Time;
use super::setup::Setup;
use crate::analysis::pbs::Draws;
use crate::latency::Latency;
use crate::shell::leg::Leg;
use anyhow::Result;
use rand_xoshiro::Xoshiro256PlusPlus;

/// The links between all nodes, and their present state.
#[derive(Clone, Debug)]
pub(super) struct Network {
    /// The usual links, and those that are otherwise.
    usual: Class,
    others: Vec<(Ends, Class)>,
    duplicate: f64,
    /// No message lives longer.
    longest: f64,
    cuts: Vec<Cut>,
    clogs: Vec<Clog>,
}

/// Links that are alike.
#[derive(Clone, Debug)]
struct Class {
    legs: [Draws; 4],
    loss: f64,
}

/// From where to where; none means all.
#[derive(Clone, Debug)]
struct Ends {
    from: Vec<u32>,
    to: Vec<u32>,
}

/// Nothing comes from one side to the other.
#[derive(Clone, Debug)]
struct Cut {
    name: usize,
    /// Whether each node is on the far side.
    far: Vec<bool>,
    /// From the far side to the near one, and back.
    out: bool,
    into: bool,
}

/// What is sent over this link comes only then.
#[derive(Clone, Debug)]
struct Clog {
    link: (u32, u32),
    until: Time,
}

impl Network {
    pub(super) fn new(setup: &Setup) -> Result<Network> {
        let network = &setup.network;
        let class = |latency: &Latency, loss| -> Result<Class> {
            let legs = latency.legs(&setup.folder)?.map(Draws::new);
            Ok(Class { legs, loss })
        };
        let mut others = Vec::new();
        for link in &network.links {
            let ends = Ends { from: link.from.clone(), to: link.to.clone() };
            others.push((ends, class(&link.latency, link.loss)?));
        }
        Ok(Network {
            usual: class(&network.latency, network.loss)?,
            others,
            duplicate: network.duplicate,
            longest: setup.timers.reap_ms as f64,
            cuts: Vec::new(),
            clogs: Vec::new(),
        })
    }

    /// When a message that is sent now arrives: once, twice or never.
    pub(super) fn arrivals(
        &mut self,
        (from, to): (u32, u32),
        leg: Leg,
        now: Time,
        random: &mut Xoshiro256PlusPlus,
    ) -> [Option<Time>; 2] {
        let fits = |(ends, _): &&mut (Ends, Class)| {
            let has = |nodes: &[u32], node| nodes.is_empty() || nodes.contains(&node);
            has(&ends.from, from) && has(&ends.to, to)
        };
        let class = match self.others.iter_mut().find(fits) {
            Some((_, class)) => class,
            None => &mut self.usual,
        };
        // Whoever asks for a leg draws as often whatever becomes of the message, so that one fault
        // less does not change all that follows.
        let clogged = self.clogs.iter().filter(|clog| clog.link == (from, to));
        let free = clogged.map(|clog| clog.until).max().unwrap_or(now);
        let mut copy = |chance: f64| {
            let (comes, ms) = (uniform(random) < chance, class.legs[leg as usize].next(random));
            let arrival = now.max(free).after_ms(ms);
            // Whoever removes tombstones relies on it.
            let lives = arrival <= now.after_ms(self.longest);
            (comes && lives).then_some(arrival)
        };
        let first = copy(1.0 - class.loss);
        let second = if self.duplicate > 0.0 { copy(self.duplicate) } else { None };
        // What is lost is not doubled.
        [first, second.filter(|_| first.is_some())]
    }

    /// Whether nothing comes through at present.
    pub(super) fn is_cut(&self, from: u32, to: u32) -> bool {
        self.cuts.iter().any(|cut| match (cut.far[from as usize], cut.far[to as usize]) {
            (true, false) => cut.out,
            (false, true) => cut.into,
            _ => false,
        })
    }

    pub(super) fn cut(&mut self, name: usize, far: Vec<bool>, out: bool, into: bool) {
        self.cuts.push(Cut { name, far, out, into });
    }

    pub(super) fn heal(&mut self, name: usize) {
        self.cuts.retain(|cut| cut.name != name);
    }

    pub(super) fn clog(&mut self, link: (u32, u32), now: Time, until: Time) {
        self.clogs.retain(|clog| clog.until > now);
        self.clogs.push(Clog { link, until });
    }

    /// From now on nothing goes wrong.
    pub(super) fn mend(&mut self) {
        self.cuts.clear();
        self.clogs.clear();
        self.duplicate = 0.0;
        self.usual.loss = 0.0;
        self.others.iter_mut().for_each(|(_, class)| class.loss = 0.0);
    }
}

/// A number in [0, 1), in steps of 2^-53.
pub(super) fn uniform(random: &mut Xoshiro256PlusPlus) -> f64 {
    use rand_xoshiro::rand_core::Rng as _;
    (random.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
}

/// One of `0..count`, each as likely but for 2^-53.
pub(super) fn pick(random: &mut Xoshiro256PlusPlus, count: usize) -> usize {
    ((uniform(random) * count as f64) as usize).min(count.saturating_sub(1))
}
