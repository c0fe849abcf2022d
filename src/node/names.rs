//! Members by their names, where the core speaks of ids: for people only.

use dynamo_protocol::membership::Membership;
use std::fmt::Debug;
use std::sync::Arc;

/// `text` with names for ids, as far as `known` has them. An id is a word of its own; a name in the
/// core's sentences is quoted, so it is not taken for an id.
pub(super) fn named(text: &str, known: Option<&Arc<Membership>>) -> String {
    let name = |word: &str| {
        let id = word.trim_end_matches([',', ';']);
        let member = known?.members().find(|member| member.id.to_string() == id)?;
        Some(member.name.clone() + &word[id.len()..])
    };
    let words = text.split(' ').map(|word| name(word).unwrap_or_else(|| word.into()));
    words.collect::<Vec<String>>().join(" ")
}

/// The same of the debug form of `what`.
pub(super) fn debugged(what: &impl Debug, known: Option<&Arc<Membership>>) -> String {
    let members = known.into_iter().flat_map(|membership| membership.members());
    members.fold(format!("{what:?}"), |text, member| {
        text.replace(&format!("{:?}", member.id), &member.name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynamo_protocol::door::Note;
    use dynamo_protocol::ids::NodeId;
    use dynamo_protocol::ring::{Layout, Member, Strategy};

    #[test]
    fn known_ids_give_way_to_names_and_names_stay() {
        let member = |(id, name): (u64, &str)| {
            let (name, address) = (name.into(), String::new());
            Member { id: NodeId(id), name, weight: 1, zone: None, address }
        };
        let members = [(1, "n2"), (2, "east")].map(member).into();
        let layout = Layout::new(Strategy::EqualPartitions { partitions: 8 }, 1, members).unwrap();
        let known = Arc::new(Membership::founding(layout, &()));
        let known = Some(&known);
        assert_eq!(
            named("n1, n2; n3 and n12, not \"n1\"", known),
            "n2, east; n3 and n12, not \"n1\""
        );
        assert_eq!(debugged(&Note::Suspects(NodeId(1)), known), "Suspects(n2)");
        assert_eq!(debugged(&Note::Suspects(NodeId(12)), known), "Suspects(NodeId(12))");
        assert_eq!(named("n1", None), "n1");
    }
}
