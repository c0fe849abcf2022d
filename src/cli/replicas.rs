//! Which replicas an answer rests on, for people and for programs.

use dynamo_protocol::ids::NodeId;
use dynamo_protocol::message::Replicas;
use serde_json::{Value, json};

/// As in "n0 n2 and fallback n4".
pub(super) fn text(replicas: &Replicas) -> String {
    let fallbacks = match replicas.fallbacks.as_slice() {
        [] => String::new(),
        [one] => format!("fallback {one}"),
        many => format!("fallbacks {}", names(many).join(" ")),
    };
    let primaries = names(&replicas.primaries).join(" ");
    let parts = [primaries, fallbacks].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" and ")
}

/// As [`text`], but only when it is out of the ordinary or wanted.
pub(super) fn worth_telling(replicas: &Replicas, verbose: bool) -> Option<String> {
    (verbose || !replicas.fallbacks.is_empty()).then(|| text(replicas))
}

/// Two lists of names.
pub(super) fn as_json(replicas: &Replicas) -> Value {
    json!({ "primaries": names(&replicas.primaries), "fallbacks": names(&replicas.fallbacks) })
}

fn names(nodes: &[NodeId]) -> Vec<String> {
    nodes.iter().map(ToString::to_string).collect()
}
