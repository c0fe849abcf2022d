//! The steps of a client's script: `get KEY`, `put KEY`, `put-blind KEY`, `delete KEY`, each
//! optionally with `@NODE`, and then optionally with a quorum.

use super::{MAX_KEY_CHARS, Problem, Quorum, names::named};
use std::{fmt, str::FromStr};

named! {
    /// An operation that a client asks for.
    pub enum Op: "operation", later [] {
        /// Reads the key; the answer's context is what the client's next put of the key knows.
        Get = "get",
        /// Writes a new value over all that the client has read of the key.
        Put = "put",
        /// Writes a new value without a context, whatever the client has read.
        PutBlind = "put-blind",
        /// Writes a tombstone over all that the client has read of the key.
        Delete = "delete",
    }
}

/// One step of a client's script.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// What the client asks for.
    pub op: Op,
    /// The key: 1 to [`MAX_KEY_CHARS`] letters, digits, `.`, `_`, `/` and `-`.
    pub key: String,
    /// The node asked, from 0; `None` leaves the choice open, and the checker tries every node.
    pub contact: Option<u8>,
    /// Whose answers count for this request; `None` leaves it to the cluster.
    pub quorum: Option<Quorum>,
}

impl Step {
    /// Whether the step writes: a put, a blind put or a delete.
    pub fn is_put(&self) -> bool {
        self.op != Op::Get
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.op, self.key)?;
        if let Some(node) = self.contact {
            write!(f, "@{node}")?;
        }
        match self.quorum {
            Some(quorum) => write!(f, " {quorum}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Step {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let mut words = text.split_whitespace();
        let Some(op) = words.next() else {
            return Err(Problem::new(
                "a step is empty",
                "write an operation and a key, such as `get k`",
            ));
        };
        let op: Op = op.parse()?;
        let Some(target) = words.next() else {
            return Err(Problem::new(
                format!("step `{text}` names no key"),
                format!("write `{op} KEY` or `{op} KEY@NODE`"),
            ));
        };
        let quorum = words.next().map(|word| quorum(text, op, word)).transpose()?;
        if words.next().is_some() {
            return Err(Problem::new(
                format!("step `{text}` has more than an operation, a key and a quorum"),
                format!(
                    "write `{op} KEY` or `{op} KEY@NODE`, then `strict` or `sloppy` if need be"
                ),
            ));
        }
        let (key, contact) = match target.split_once('@') {
            None => (target, None),
            Some((key, node)) => (key, Some(node_number(text, node)?)),
        };
        check_key(text, key)?;
        Ok(Step { op, key: key.into(), contact, quorum })
    }
}

fn quorum(step: &str, op: Op, word: &str) -> Result<Quorum, Problem> {
    if word.starts_with('@') {
        return Err(Problem::new(
            format!("step `{step}` has a space before the `@`"),
            format!("write `{op} KEY@NODE`"),
        ));
    }
    word.parse()
}

fn node_number(step: &str, node: &str) -> Result<u8, Problem> {
    let digits = node.bytes().all(|byte| byte.is_ascii_digit());
    node.parse().ok().filter(|_| digits).ok_or_else(|| {
        Problem::new(
            format!("step `{step}` has no node's number after the `@`"),
            "write a number from 0 on, such as `@0`",
        )
    })
}

fn check_key(step: &str, key: &str) -> Result<(), Problem> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    if (1..=MAX_KEY_CHARS).contains(&key.len()) && key.chars().all(allowed) {
        return Ok(());
    }
    Err(Problem::new(
        format!("step `{step}` has a bad key"),
        format!("use 1 to {MAX_KEY_CHARS} letters, digits, `.`, `_`, `/` and `-`"),
    ))
}

/// A put, blind put or delete of a scenario, and the value that it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Put<'s> {
    /// The number of the value (a delete's tombstone is one too), from 1, in script order: client
    /// 0's puts first, then client 1's. Displayed as `v1`, `v2`, ...
    pub value: u8,
    /// The client that writes, from 0.
    pub client: usize,
    /// The place of the step in the client's script, from 0.
    pub index: usize,
    /// The step itself.
    pub step: &'s Step,
}

impl fmt::Display for Put<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.value)
    }
}
