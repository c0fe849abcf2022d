//! What operators tell a node: whether it obeys, and what it has answered already.

use super::names::named;
use crate::wire::name_of;
use dynamo_protocol::membership::{Command, CommandError, Membership, plan};
use dynamo_protocol::node::Node;
use dynamo_protocol::ring::LayoutError;
use dynamo_protocol::store::Store;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

/// Answers that are kept for commands that come again; the oldest goes first.
const MAX_ANSWERS: usize = 256;

/// The answers given last. A datagram may be repeated on the way or by who asks: what was obeyed
/// once is answered again, not done again.
#[derive(Debug, Default)]
pub(super) struct Answers(VecDeque<(u64, Result<(), String>)>);

impl Answers {
    /// What was answered to the command with this nonce.
    pub(super) fn to(&self, nonce: u64) -> Option<Result<(), String>> {
        self.0.iter().find(|(other, _)| *other == nonce).map(|(_, answer)| answer.clone())
    }

    pub(super) fn keep(&mut self, nonce: u64, answer: Result<(), String>) {
        self.0.push_back((nonce, answer));
        if self.0.len() > MAX_ANSWERS {
            self.0.pop_front();
        }
    }
}

/// Whether `node` obeys: the core's rules, and that everybody planned for can be reached.
///
/// # Errors
/// One sentence: why not, and what to do.
pub(super) fn check<S: Store>(node: &Node<S>, command: &Command) -> Result<(), String> {
    node.check_command(command).map_err(|error| refusal(&error, node.membership()))?;
    let (Command::Stage(step), Some(membership)) = (command, node.membership()) else {
        return Ok(());
    };
    let steps = node.staged();
    let layout = plan(membership.current(), steps.iter().chain([step]));
    let mut names: BTreeMap<SocketAddr, &str> = BTreeMap::new();
    let layout = layout.map_err(|error| refusal(&error.into(), Some(membership)))?;
    for member in layout.members() {
        let (name, address) = (&member.name, &member.address);
        let Ok(parsed) = address.parse::<SocketAddr>() else {
            return Err(format!("{name} cannot be reached at {address:?}; write IP:PORT"));
        };
        if parsed.port() == 0 || parsed.ip().is_unspecified() {
            return Err(format!("{name} cannot be reached at {address}; name address and port"));
        }
        if let Some(other) = names.insert(parsed, name) {
            return Err(format!("{other} and {name} would both have the address {address}"));
        }
    }
    Ok(())
}

/// Why the core refuses, with the names of nodes that people know.
fn refusal(error: &CommandError, known: Option<&Arc<Membership>>) -> String {
    match (error, known) {
        // Here the id is what matters.
        (CommandError::Layout(LayoutError::DuplicateId(id)), Some(membership)) => {
            let name = name_of(membership, *id);
            format!("{} is the id of {name} already; give each node its own", id.0)
        }
        _ => named(&error.to_string(), known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_comes_again_gets_its_answer_again_for_a_while() {
        let mut answers = Answers::default();
        answers.keep(1, Err("no".into()));
        answers.keep(2, Ok(()));
        assert_eq!(answers.to(1), Some(Err("no".into())));
        assert_eq!(answers.to(3), None);
        (10..10 + MAX_ANSWERS as u64).for_each(|nonce| answers.keep(nonce, Ok(())));
        assert_eq!((answers.to(2), answers.0.len()), (None, MAX_ANSWERS));
    }
}
