//! Where a subtree lies in its tree.

use crate::ids::Key;
use alloc::format;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Nibbles in the path of a key: 128 bits.
pub const MAX_DEPTH: u8 = 32;

const BITS: u32 = u128::BITS;
const NIBBLE_BITS: u32 = 4;

/// The way from the root of a Merkle tree to a subtree: at most [`MAX_DEPTH`] nibbles, each
/// choosing one of 16 children. A full path belongs to a key.
///
/// A key's path is the head of its blake3 hash. Its [position](crate::ring::Position) on the ring
/// would not do: all keys of a range are near each other there. And MD5 would let a client choose
/// keys with equal paths, which no tree could take apart.
///
/// The order is lexicographic, a path before its extensions: a subtree is one stretch of it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "(u8, u128)", try_from = "(u8, u128)")]
pub struct Path {
    /// The nibbles from the top bit on, zeros behind them. Compared before the length, it makes
    /// the derived order the lexicographic one.
    bits: u128,
    len: u8,
}

impl Path {
    /// Of the whole tree.
    pub const ROOT: Path = Path { bits: 0, len: 0 };

    /// None comes after it.
    pub const LAST: Path = Path { bits: u128::MAX, len: MAX_DEPTH };

    /// The full path of `key`.
    pub fn of(key: &Key) -> Path {
        let hash = blake3::hash(&key.0);
        let (head, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
        Path { bits: u128::from_be_bytes(*head), len: MAX_DEPTH }
    }

    /// The path of these nibbles, if there are at most [`MAX_DEPTH`] and each is below 16.
    pub fn from_nibbles(nibbles: &[u8]) -> Option<Path> {
        nibbles.iter().try_fold(Path::ROOT, |path, nibble| path.child(*nibble))
    }

    /// Its nibbles, from the root on.
    pub fn nibbles(&self) -> impl Iterator<Item = u8> + '_ {
        (1..=u32::from(self.len)).map(|at| (self.bits >> (BITS - NIBBLE_BITS * at)) as u8 & 0xf)
    }

    /// How many nibbles it has.
    pub fn depth(&self) -> u8 {
        self.len
    }

    /// One nibble further; `None` below a full path, or if `nibble` is not one.
    pub fn child(&self, nibble: u8) -> Option<Path> {
        if self.len >= MAX_DEPTH || nibble > 0xf {
            return None;
        }
        let len = self.len + 1;
        let bits = self.bits | u128::from(nibble) << (BITS - NIBBLE_BITS * u32::from(len));
        Some(Path { bits, len })
    }

    /// Whether `other` is this path or an extension of it.
    pub fn contains(&self, other: &Path) -> bool {
        self.len <= other.len && *self == other.head(self.len)
    }

    /// The first `len` nibbles of it.
    pub(super) fn head(&self, len: u8) -> Path {
        let len = len.min(self.len);
        let behind = u128::MAX.checked_shr(NIBBLE_BITS * u32::from(len)).unwrap_or(0);
        Path { bits: self.bits & !behind, len }
    }

    /// The next step from here to `target`, a longer path through here.
    pub(super) fn toward(&self, target: &Path) -> Option<(u8, Path)> {
        let next = target.head(self.len + 1);
        next.nibbles().nth(self.len.into()).map(|nibble| (nibble, next))
    }
}

/// On the wire a path is its length and its nibbles as one number, short for a short path.
impl From<Path> for (u8, u128) {
    fn from(path: Path) -> (u8, u128) {
        let unused = BITS - NIBBLE_BITS * u32::from(path.len);
        (path.len, path.bits.checked_shr(unused).unwrap_or(0))
    }
}

impl TryFrom<(u8, u128)> for Path {
    type Error = &'static str;

    fn try_from((len, number): (u8, u128)) -> Result<Path, Self::Error> {
        if len > MAX_DEPTH {
            return Err("a path of more than 32 nibbles");
        }
        let unused = BITS - NIBBLE_BITS * u32::from(len);
        let path = Path { bits: number.checked_shl(unused).unwrap_or(0), len };
        // Whatever does not fit would be a second spelling of a shorter number.
        let fits = <(u8, u128)>::from(path) == (len, number);
        fits.then_some(path).ok_or("a path with more nibbles than it says")
    }
}

/// Its nibbles as hexadecimal digits; the empty path is `root`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len {
            0 => f.pad("root"),
            len => f.pad(&format!("{:032x}", self.bits)[..usize::from(len)]),
        }
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
