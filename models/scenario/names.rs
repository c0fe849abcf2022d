//! Enums that have a name in scenario files, and what to say of a name that is none of theirs.

use super::Problem;

/// Declares an enum whose variants have names in scenario files: with `ALL`, `name`, `Display`,
/// `FromStr`, and serialised as its name. `what` is what an error calls the enum; `later` lists names that are planned.
macro_rules! named {
    (
        $(#[$meta:meta])*
        pub enum $Type:ident: $what:literal, later $later:tt {
            $($(#[$variant_meta:meta])* $Variant:ident = $name:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $Type {
            $($(#[$variant_meta])* $Variant,)+
        }

        impl $Type {
            /// All of them, in the order in which they are declared and printed.
            pub const ALL: &'static [Self] = &[$(Self::$Variant),+];

            /// Its name in scenario files, on the command line and in reports.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$Variant => $name,)+
                }
            }
        }

        impl core::fmt::Display for $Type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.name())
            }
        }

        impl serde::Serialize for $Type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $Type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let name = <String as serde::Deserialize>::deserialize(from)?;
                name.parse().map_err(serde::de::Error::custom)
            }
        }

        impl core::str::FromStr for $Type {
            type Err = $crate::scenario::Problem;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($name => Ok(Self::$Variant),)+
                    _ => Err($crate::scenario::names::unknown($what, text, &[$($name),+], &$later)),
                }
            }
        }
    };
}
pub(crate) use named;

/// What to say of `text`, which names none of `known`: `later` are the names that will exist.
pub(crate) fn unknown(what: &str, text: &str, known: &[&str], later: &[&str]) -> Problem {
    if later.contains(&text) {
        return Problem::new(
            format!("{what} `{text}` is not available yet"),
            format!("use {}", one_of(known)),
        );
    }
    let help = match nearest(text, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("use {}", one_of(known)),
    };
    Problem::new(format!("{what} `{text}` is unknown"), help)
}

/// The name that `text` most likely stands for: at most one edit for every three letters away.
pub(super) fn nearest<'n>(text: &str, names: &[&'n str]) -> Option<&'n str> {
    let text = text.to_lowercase().replace('_', "-");
    names
        .iter()
        .map(|&name| (strsim::damerau_levenshtein(&text, name), name))
        .filter(|(edits, name)| *edits <= name.len().max(text.len()) / 3)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

/// "`a`, `b` or `c`".
pub(super) fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
