//! Positions on the ring and its division into equal partitions (paper §4.2, §6.2).

use core::fmt;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

/// A point on the ring of 2^128 positions (paper §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position(pub u128);

impl Position {
    /// Where `bytes` lie: their MD5, read as a big-endian number (paper §4.1).
    pub fn of(bytes: &[u8]) -> Position {
        Position(u128::from_be_bytes(Md5::digest(bytes).into()))
    }

    /// The `index`-th token of the node called `name`: the MD5 of the text `name:index`.
    /// The text is unambiguous even if the name holds a colon, because an index does not.
    pub(super) fn of_token(name: &str, index: u32) -> Position {
        Position::of(alloc::format!("{name}:{index}").as_bytes())
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The ring cut into Q equal partitions (paper §6.2, strategies 2 and 3). Partition `i` begins at
/// `i * 2^128 / Q`, rounded up, and ends just before partition `i + 1` begins: a position on a
/// boundary belongs to the later partition, as a position equal to a token belongs to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EqualPartitions(pub(super) u32);

impl EqualPartitions {
    /// The partition that holds `position`: `position * Q / 2^128`, rounded down.
    pub(super) fn holding(self, position: Position) -> u32 {
        // The product has up to 160 bits, so multiply the two halves apart.
        let q = u128::from(self.0);
        let low = (position.0 & u128::from(u64::MAX)) * q;
        let high = (position.0 >> 64) * q;
        u32::try_from((high + (low >> 64)) >> 64).expect("a partition is below Q")
    }

    /// Where `partition` ends, exclusive; the last one ends at 2^128, which is 0.
    pub(super) fn end(self, partition: u32) -> Position {
        self.start(partition + 1)
    }

    /// Where `partition` begins, for `partition <= Q`.
    fn start(self, partition: u32) -> Position {
        // With 2^128 = quotient * Q + rest, i * 2^128 / Q is i * quotient + i * rest / Q.
        let (q, i) = (u128::from(self.0), u128::from(partition));
        let quotient = u128::MAX / q;
        let rest = u128::MAX % q + 1;
        Position((i * quotient).wrapping_add((i * rest).div_ceil(q)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_belongs_to_the_later_partition() {
        for q in [2, 3, 7, 8, 1000, 65_536] {
            let partitions = EqualPartitions(q);
            for partition in 1..q {
                let Position(start) = partitions.start(partition);
                assert_eq!(partitions.holding(Position(start)), partition);
                assert_eq!(partitions.holding(Position(start - 1)), partition - 1);
            }
            assert_eq!(partitions.holding(Position(0)), 0);
            assert_eq!(partitions.holding(Position(u128::MAX)), q - 1);
            assert_eq!(partitions.end(q - 1), Position(0));
        }
    }

    #[test]
    fn partitions_differ_by_one_position_at_most() {
        for q in [2, 3, 7, 1000] {
            let partitions = EqualPartitions(q);
            let floor = u128::MAX / u128::from(q);
            for partition in 0..q {
                let start = partitions.start(partition).0;
                let size = partitions.end(partition).0.wrapping_sub(start);
                assert!(size == floor || size == floor + 1, "Q {q}, partition {partition}");
            }
        }
    }

    #[test]
    fn one_partition_holds_everything() {
        assert_eq!(EqualPartitions(1).holding(Position(u128::MAX)), 0);
        assert_eq!(EqualPartitions(1).end(0), Position(0));
    }

    #[test]
    fn positions_are_md5_in_big_endian() {
        // RFC 1321, appendix A.5.
        let position = Position::of(b"abc");
        assert_eq!(position, Position(0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72));
        assert_eq!(alloc::format!("{}", Position(0xab)), "000000000000000000000000000000ab");
    }
}
