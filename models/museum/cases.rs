//! Bugs of rules that can be tried on all small cases: the historical rule gets one of them wrong,
//! this protocol's rule none.

use super::{placement, reconcile};

/// What a look at cases in their order has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How many were looked at: all, or those up to the first that is wrong.
    pub cases: u64,
    /// What is wrong with the first that is.
    pub wrong: Option<String>,
}

/// Both rules, tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The historical rule.
    pub broken: Found,
    /// This protocol's.
    pub safe: Found,
}

/// A bug that all small cases show, by the name that an exhibit has for it.
pub type Enumeration = (&'static str, fn() -> Tried);

/// What there is.
pub const ENUMERATIONS: &[Enumeration] = &[
    ("claim-tail", placement::claim_tail),
    ("rack-tokens", placement::rack_tokens),
    ("random-ring", reconcile::random_ring),
    ("forgotten-member", reconcile::forgotten_member),
    ("unversioned-ring", reconcile::unversioned_ring),
    ("dead-twice", reconcile::dead_twice),
];

/// Looks at cases until one is wrong.
pub(super) fn look<C>(
    cases: impl IntoIterator<Item = C>,
    wrong: impl Fn(&C) -> Option<String>,
) -> Found {
    let mut found = Found::default();
    for case in cases {
        found.cases += 1;
        found.wrong = wrong(&case);
        if found.wrong.is_some() {
            break;
        }
    }
    found
}
