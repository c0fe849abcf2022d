//! Frames that are larger than a datagram, put together from their pieces.
//!
//! A lost piece is a lost frame: nobody asks for it again, the incomplete frame is forgotten after
//! [`Limits::max_age`]. What incomplete frames may take is bounded in number and bytes in all, and in
//! number for each sender, so that garbage cannot fill the memory.

use super::codec::{Header, MAX_PIECE_BYTES, Refused};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How much may be incomplete at a time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest frame, in bytes.
    pub max_frame_bytes: usize,
    /// Incomplete frames of all senders.
    pub max_frames: usize,
    /// Incomplete frames of one sender.
    pub max_frames_of_one: usize,
    /// Bytes of all incomplete frames.
    pub max_bytes: usize,
    /// How long the first piece waits for the last.
    pub max_age: Duration,
}

/// The incomplete frames.
#[derive(Debug)]
pub struct Fragments {
    limits: Limits,
    frames: BTreeMap<(SocketAddr, u64), Incomplete>,
    bytes: usize,
}

#[derive(Debug)]
struct Incomplete {
    since: Instant,
    count: u16,
    pieces: BTreeMap<u16, Vec<u8>>,
    bytes: usize,
}

impl Fragments {
    /// Room for incomplete frames within `limits`.
    pub fn new(limits: Limits) -> Fragments {
        Fragments { limits, frames: BTreeMap::new(), bytes: 0 }
    }

    /// Takes a piece of a frame, and gives the frame's bytes if it was the last one missing.
    ///
    /// # Errors
    /// [`Refused`] if the piece contradicts others, came before, or there is no room.
    pub fn accept(
        &mut self,
        from: SocketAddr,
        header: Header,
        piece: &[u8],
        now: Instant,
    ) -> Result<Option<Vec<u8>>, Refused> {
        if usize::from(header.count - 1) * MAX_PIECE_BYTES > self.limits.max_frame_bytes {
            return Err(Refused::Oversized);
        }
        if header.count == 1 {
            return Ok(Some(piece.to_vec()));
        }
        let name = (from, header.message);
        if !self.frames.contains_key(&name) {
            self.make_room(from, now)?;
        }
        if self.bytes + piece.len() > self.limits.max_bytes {
            return Err(Refused::TooManyFragments);
        }
        let frame = self.frames.entry(name).or_insert_with(|| Incomplete::new(header.count, now));
        frame.add(header, piece)?;
        self.bytes += piece.len();
        if frame.pieces.len() < usize::from(frame.count) {
            return Ok(None);
        }
        Ok(self.remove(name).map(Incomplete::join))
    }

    /// How many frames are incomplete.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// How many bytes the incomplete frames hold.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets the frames that have waited too long, and says how many they were.
    pub fn expire(&mut self, now: Instant) -> usize {
        let max_age = self.limits.max_age;
        let too_old = |frame: &Incomplete| now.saturating_duration_since(frame.since) > max_age;
        let old = self.frames.iter().filter(|(_, frame)| too_old(frame));
        let old: Vec<_> = old.map(|(name, _)| *name).collect();
        old.iter().for_each(|name| drop(self.remove(*name)));
        old.len()
    }

    fn make_room(&mut self, from: SocketAddr, now: Instant) -> Result<(), Refused> {
        let full = |all: &Self| {
            all.frames.len() >= all.limits.max_frames
                || all.frames.range((from, 0)..=(from, u64::MAX)).count()
                    >= all.limits.max_frames_of_one
        };
        if full(self) {
            self.expire(now);
        }
        if full(self) { Err(Refused::TooManyFragments) } else { Ok(()) }
    }

    fn remove(&mut self, name: (SocketAddr, u64)) -> Option<Incomplete> {
        let frame = self.frames.remove(&name)?;
        self.bytes -= frame.bytes;
        Some(frame)
    }
}

impl Incomplete {
    fn new(count: u16, since: Instant) -> Incomplete {
        Incomplete { since, count, pieces: BTreeMap::new(), bytes: 0 }
    }

    fn add(&mut self, header: Header, piece: &[u8]) -> Result<(), Refused> {
        if header.count != self.count {
            return Err(Refused::BadFragment);
        }
        if self.pieces.contains_key(&header.index) {
            return Err(Refused::DuplicateFragment);
        }
        self.pieces.insert(header.index, piece.to_vec());
        self.bytes += piece.len();
        Ok(())
    }

    fn join(self) -> Vec<u8> {
        self.pieces.into_values().flatten().collect()
    }
}
