//! Who takes part at first, and what operators order: `join NODE@CONTACT`, `leave NODE@CONTACT`,
//! `replace NODE NODE@CONTACT`, several of these in one order; or `down NODE@CONTACT`, `up
//! NODE@CONTACT`, `abort@CONTACT`.

use super::Problem;
use std::{fmt, str::FromStr};

/// Most operators of a scenario, and most orders of one.
pub const MAX_OPERATORS: usize = 3;

/// Changes of the layout that a scenario speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Membership {
    /// The nodes that found the cluster: the first so many.
    pub founders: u8,
    /// The orders of each operator; one is given when the one before has been accepted.
    pub operators: Vec<Vec<Order>>,
    /// Who may begin a gossip with whom; none if everybody may with everybody.
    pub gossips: Vec<Gossip>,
}

/// The first node may begin a gossip with the second, which answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gossip(pub u8, pub u8);

/// What an operator tells a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// What.
    pub what: Vec<Move>,
    /// Whom it tells.
    pub contact: u8,
}

/// One part of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// A node joins.
    Join(u8),
    /// A node leaves.
    Leave(u8),
    /// The first leaves, and the second takes its place.
    Replace(u8, u8),
    /// Nobody is to wait for it.
    Down(u8),
    /// It is waited for after all.
    Up(u8),
    /// What is proposed is withdrawn.
    Abort,
}

impl Move {
    /// Whether it is part of a plan, and not said of a change under way.
    pub fn is_planned(&self) -> bool {
        matches!(self, Move::Join(_) | Move::Leave(_) | Move::Replace(..))
    }
}

impl Order {
    /// All nodes that it names.
    pub(super) fn nodes(&self) -> impl Iterator<Item = u8> + '_ {
        let named = self.what.iter().flat_map(|part| match *part {
            Move::Join(node) | Move::Leave(node) | Move::Down(node) | Move::Up(node) => vec![node],
            Move::Replace(old, new) => vec![old, new],
            Move::Abort => vec![],
        });
        named.chain([self.contact])
    }
}

impl Membership {
    /// Whether `from` may begin a gossip with `to`.
    pub fn gossips(&self, from: u64, to: u64) -> bool {
        let is_it = |pair: &Gossip| (u64::from(pair.0), u64::from(pair.1)) == (from, to);
        self.gossips.is_empty() || self.gossips.iter().any(is_it)
    }
}

impl fmt::Display for Gossip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl FromStr for Gossip {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let nodes = text.split_once('-');
        let nodes = nodes.and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
        nodes.map(|(from, to)| Gossip(from, to)).ok_or_else(|| {
            let message = format!("gossip `{text}` is not understood");
            Problem::new(message, "write two nodes, such as `0-1`: 0 begins it, 1 answers")
        })
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Move::Join(node) => write!(f, "join {node}"),
            Move::Leave(node) => write!(f, "leave {node}"),
            Move::Replace(old, new) => write!(f, "replace {old} {new}"),
            Move::Down(node) => write!(f, "down {node}"),
            Move::Up(node) => write!(f, "up {node}"),
            Move::Abort => write!(f, "abort"),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.what.iter().map(Move::to_string).collect();
        write!(f, "{}@{}", parts.join(" "), self.contact)
    }
}

impl FromStr for Order {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let bad = || {
            Problem::new(
                format!("order `{text}` is not understood"),
                "write `join NODE@CONTACT`, `leave NODE@CONTACT`, `replace OLD NEW@CONTACT`, `down \
                 NODE@CONTACT`, `up NODE@CONTACT` or `abort@CONTACT`",
            )
        };
        let (words, contact) = text.rsplit_once('@').ok_or_else(bad)?;
        let contact = contact.parse().map_err(|_| bad())?;
        let mut words = words.split_whitespace();
        let mut what = Vec::new();
        while let Some(verb) = words.next() {
            let mut node = || words.next().and_then(|word| word.parse().ok()).ok_or_else(bad);
            what.push(match verb {
                "join" => Move::Join(node()?),
                "leave" => Move::Leave(node()?),
                "replace" => Move::Replace(node()?, node()?),
                "down" => Move::Down(node()?),
                "up" => Move::Up(node()?),
                "abort" => Move::Abort,
                _ => return Err(bad()),
            });
        }
        if what.is_empty() || (what.len() > 1 && !what.iter().all(Move::is_planned)) {
            return Err(bad());
        }
        Ok(Order { what, contact })
    }
}
