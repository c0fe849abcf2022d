//! stub
use crate::ids::{Key, NodeId};
use alloc::vec::Vec;
/// stub
#[derive(Clone, Debug)]
pub struct Ring {
    list: PreferenceList,
}
/// stub
#[derive(Clone, Debug)]
pub struct PreferenceList {
    n: usize,
    all: Vec<NodeId>,
}
impl Ring {
    /// stub
    pub fn stub(n: usize, nodes: u64) -> Ring {
        Ring {
            list: PreferenceList {
                n,
                all: (0..nodes).map(NodeId).collect(),
            },
        }
    }
    /// stub
    pub fn n(&self) -> u8 {
        self.list.n as u8
    }
    /// stub
    pub fn contains(&self, n: NodeId) -> bool {
        self.list.all.contains(&n)
    }
    /// stub
    pub fn preference_list(&self, _key: &Key) -> &PreferenceList {
        &self.list
    }
}
impl PreferenceList {
    /// stub
    pub fn primaries(&self) -> &[NodeId] {
        &self.all[..self.n]
    }
    /// stub
    pub fn all(&self) -> &[NodeId] {
        &self.all
    }
    /// stub
    pub fn contains_primary(&self, n: NodeId) -> bool {
        self.primaries().contains(&n)
    }
}
