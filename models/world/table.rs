//! Answers that are worked out once, for all threads.

use crate::seal::Sealed;
use hashbrown::HashTable;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Questions and their answers. A question is found by its hash and compared in full, so that a
/// collision costs time and never an answer.
pub(super) struct Table<Q, A> {
    shards: [Mutex<Shard<Q, A>>; SHARDS],
}

type Shard<Q, A> = HashTable<(u64, Q, A)>;

/// Threads that ask for different things seldom wait for each other.
const SHARDS: usize = 32;

/// Answers that one shard remembers; then it forgets them all.
const SHARD_ANSWERS: usize = 4096;

impl<Q, A: Clone> Table<Q, A> {
    /// The answer to the question with this hash; `same` recognises it. If nobody has asked before,
    /// it is worked out, and the question put into words.
    pub(super) fn answer(
        &self,
        hash: u64,
        same: impl Fn(&Q) -> bool,
        work_out: impl FnOnce() -> (Q, A),
    ) -> A {
        self.read(hash, same, work_out, A::clone)
    }

    /// The same, where only a part of the answer is wanted.
    pub(super) fn read<R>(
        &self,
        hash: u64,
        same: impl Fn(&Q) -> bool,
        work_out: impl FnOnce() -> (Q, A),
        read: impl FnOnce(&A) -> R,
    ) -> R {
        let is_it = |(other, question, _): &(u64, Q, A)| *other == hash && same(question);
        if let Some((_, _, answer)) = self.shard(hash).find(hash, is_it) {
            return read(answer);
        }
        let (question, answer) = work_out();
        let wanted = read(&answer);
        let mut shard = self.shard(hash);
        if shard.len() >= SHARD_ANSWERS {
            shard.clear();
        }
        shard.insert_unique(hash, (hash, question, answer), |(hash, ..)| *hash);
        wanted
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.shards.iter().for_each(|shard| *locked(shard) = HashTable::new());
    }

    /// How many answers are remembered.
    pub(super) fn len(&self) -> u64 {
        self.shards.iter().map(|shard| locked(shard).len() as u64).sum()
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard<Q, A>> {
        locked(&self.shards[(hash >> 32) as usize % SHARDS])
    }
}

/// The one value that stands for all that are equal to it.
pub(super) fn shared<T: Hash + Eq>(
    table: &Table<Sealed<T>, Sealed<T>>,
    sealed: Sealed<T>,
) -> Sealed<T> {
    table.answer(sealed.short_hash(), |other| *other == sealed, || (sealed.clone(), sealed.clone()))
}

/// A shard is whole at any time, whatever became of the thread that held it.
fn locked<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<Q, A> Default for Table<Q, A> {
    fn default() -> Self {
        Table { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}
