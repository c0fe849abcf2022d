//! Threads that share work, so that nobody can tell how many they were.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// How many may work at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crew(usize);

impl Crew {
    /// This many, or one a core.
    pub(super) fn new(threads: Option<NonZero<usize>>) -> Crew {
        let cores = || thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        Crew(threads.unwrap_or_else(cores).get())
    }

    /// Does `work` for each of the pieces; what comes of them is in their order.
    pub(super) fn share<T: Send, R: Send>(
        self,
        pieces: Vec<T>,
        work: impl Fn(T) -> R + Sync,
    ) -> Vec<R> {
        let threads = self.0.min(pieces.len());
        if threads <= 1 {
            return pieces.into_iter().map(work).collect();
        }
        let left = Mutex::new(pieces.into_iter().enumerate());
        let take = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            let taken = std::iter::from_fn(take);
            taken.map(|(place, piece)| (place, work(piece))).collect::<Vec<_>>()
        };
        let mut done = thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut done = work();
            for other in others {
                match other.join() {
                    Ok(more) => done.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            done
        });
        done.sort_unstable_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, result)| result).collect()
    }
}
