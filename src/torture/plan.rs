//! What happens when, drawn from one seed: the same seed gives the same plan of load and kills. How
//! far the clients come with it, and how the operating system interleaves them, is not controlled.

use crate::node::faults::FaultConfig;
use crate::shell::scheme::Scheme;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::PathBuf;
use std::time::Duration;

/// How to torture.
#[derive(Clone, Debug)]
pub struct Options {
    /// The binary whose `node` verb runs a node.
    pub binary: PathBuf,
    /// Folder for the nodes' data and logs.
    pub folder: PathBuf,
    /// How many nodes.
    pub nodes: u16,
    /// How many clients.
    pub clients: u64,
    /// How many keys.
    pub keys: u64,
    /// How long the load and the faults last.
    pub load: Duration,
    /// How long the cluster may take to agree after them.
    pub settle: Duration,
    /// Of everything that is drawn.
    pub seed: u64,
    /// Whether nodes are killed.
    pub kills: bool,
    /// Quorums and schemes.
    pub cluster: Scheme,
    /// What goes wrong with datagrams.
    pub faults: FaultConfig,
}

impl Options {
    /// Five nodes, N=3, R=W=2, sloppy; four clients; a tenth of all datagrams lost, a tenth
    /// doubled, a tenth held back.
    pub fn new(binary: PathBuf, folder: PathBuf, seed: u64) -> Options {
        let (loss, duplicate, reorder) = (0.1, 0.1, 0.1);
        let others = FaultConfig::default();
        let faults = FaultConfig { loss, duplicate, reorder, reorder_ms: 20, seed, ..others };
        Options {
            binary,
            folder,
            nodes: 5,
            clients: 4,
            keys: 20,
            load: Duration::from_secs(30),
            settle: Duration::from_secs(60),
            seed,
            kills: true,
            cluster: Scheme::with_quorums(3, 2, 2),
            faults,
        }
    }

    /// The kills, in order. One node is down at a time, and one of two loses its disk: with W = 2
    /// an acknowledged write survives one lost disk.
    pub fn kills(&self) -> Vec<Kill> {
        if !self.kills || self.nodes < 2 {
            return Vec::new();
        }
        let mut dice = self.dice(u64::MAX);
        let first = dice.random_range(0..self.nodes);
        let second = (first + dice.random_range(1..self.nodes)) % self.nodes;
        let first_erased = dice.random_bool(0.5);
        let mut kill = |node: u16, erase, earliest: f64| {
            let at = self.load.mul_f64(dice.random_range(earliest..earliest + 0.15));
            let back = at + self.load.mul_f64(dice.random_range(0.1..0.2));
            Kill { node: node.into(), at, back, erase }
        };
        vec![kill(first, first_erased, 0.1), kill(second, !first_erased, 0.55)]
    }

    /// The steps of a client, without end.
    pub fn steps(&self, client: u64) -> impl Iterator<Item = Step> + use<> {
        let (mut dice, keys) = (self.dice(client), self.keys);
        std::iter::repeat_with(move || {
            let deed = match dice.random_range(0..100) {
                0..40 => Deed::Get,
                40..75 => Deed::Put,
                75..88 => Deed::BlindPut,
                _ => Deed::Delete,
            };
            let key = dice.random_range(0..keys);
            let bytes = if dice.random_bool(0.03) { 3_000 } else { 20 };
            Step { deed, key, bytes, elsewhere: dice.random_bool(0.1) }
        })
    }

    fn dice(&self, stream: u64) -> StdRng {
        // Any odd constant keeps the streams apart.
        StdRng::seed_from_u64(self.seed.wrapping_add(stream.wrapping_mul(0xd1b5_4a32_d192_ed03)))
    }
}

/// A node is killed with SIGKILL, and comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kill {
    /// Which node.
    pub node: usize,
    /// When, after the load began.
    pub at: Duration,
    /// When it comes back.
    pub back: Duration,
    /// Whether its data is gone by then.
    pub erase: bool,
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub deed: Deed,
    /// With which key.
    pub key: u64,
    /// How large a value is to be, at least.
    pub bytes: usize,
    /// Whether it turns to another node first.
    pub elsewhere: bool,
}

/// Something that a client can do with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Read it.
    Get,
    /// Replace what was read last; read first if nothing was.
    Put,
    /// Write without having read.
    BlindPut,
    /// Delete what was read last; read first if nothing was.
    Delete,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(seed: u64) -> Options {
        Options::new("b".into(), "f".into(), seed)
    }

    #[test]
    fn one_seed_one_plan() {
        let steps = |seed, client| options(seed).steps(client).take(500).collect::<Vec<_>>();
        assert_eq!(steps(1, 2), steps(1, 2));
        assert_ne!(steps(1, 2), steps(2, 2));
        assert_ne!(steps(1, 2), steps(1, 1));
        assert_eq!(options(7).kills(), options(7).kills());
        for deed in [Deed::Get, Deed::Put, Deed::BlindPut, Deed::Delete] {
            assert!(steps(1, 0).iter().any(|step| step.deed == deed), "{deed:?}");
        }
    }

    #[test]
    fn one_disk_is_lost_and_one_node_is_down_at_a_time() {
        for seed in 0..200 {
            let options = options(seed);
            let [first, second] = options.kills().try_into().unwrap();
            assert!(first.node != second.node && first.node < 5 && second.node < 5);
            assert!(first.erase != second.erase);
            assert!(first.at < first.back && first.back < second.at);
            assert!(second.at < second.back && second.back < options.load);
        }
    }
}
