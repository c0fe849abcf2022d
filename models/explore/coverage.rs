//! How often each kind of action was taken, and how often it led to a new state. A verdict speaks of
//! what was explored; this tells what was not.

use serde::{Deserialize, Serialize};

/// More kinds than any space tells apart.
pub const KINDS: usize = 32;

/// The steps of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// All of them.
    pub steps: u64,
    /// Those that led to a state that was not seen before.
    pub new: u64,
}

/// The steps of each kind. The space says what each number means ([`super::Space::kind`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage([Taken; KINDS]);

impl Coverage {
    /// Counts a step.
    pub(super) fn count(&mut self, kind: u8, is_new: bool) {
        let taken = &mut self.0[usize::from(kind)];
        taken.steps += 1;
        taken.new += u64::from(is_new);
    }

    /// The steps of a kind.
    pub fn of(&self, kind: u8) -> Taken {
        self.0[usize::from(kind)]
    }

    /// The steps of all kinds.
    pub fn all(&self) -> Taken {
        self.0.into_iter().fold(Taken::default(), Taken::with)
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: Coverage) -> Coverage {
        let mut sum = self;
        sum.0.iter_mut().zip(other.0).for_each(|(sum, other)| *sum = sum.with(other));
        sum
    }
}

impl Taken {
    fn with(self, other: Taken) -> Taken {
        Taken { steps: self.steps + other.steps, new: self.new + other.new }
    }
}
