//! What nodes and clients say to each other over UDP, and a caller's socket.
//!
//! | module | what it is |
//! |---|---|
//! | [`codec`] | frames and datagrams |
//! | [`fragments`] | frames larger than a datagram |
//! | [`caller`] | ask a node and wait for its answer |
//! | [`status`] | what a node says about itself |

pub mod caller;
pub mod codec;
pub mod fragments;
pub mod status;

use dynamo_protocol::ids::NodeId;
use dynamo_protocol::membership::Membership;
use dynamo_protocol::ring::Layout;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::SystemTime;

/// Low bits of a client session's id that are random; the rest is when it started, in milliseconds
/// since 1970.
pub(crate) const SESSION_RANDOM_BITS: u32 = 22;

/// When a client session started by its own clock, in milliseconds since 1970.
pub(crate) fn session_started_ms(client: dynamo_protocol::ids::ClientId) -> u64 {
    client.0 >> SESSION_RANDOM_BITS
}

/// The clock, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.as_millis() as u64
}

/// The highest id of a client session that starts in that millisecond since 1970.
pub(crate) fn last_session_of(ms: u64) -> dynamo_protocol::ids::ClientId {
    dynamo_protocol::ids::ClientId(((ms + 1) << SESSION_RANDOM_BITS) - 1)
}

/// The address that `text` names: an IP address or a host's name, and a port. Of a host's addresses it
/// is the first of IPv4 if there is one, for that is where nodes listen unless they are told otherwise.
///
/// # Errors
/// One sentence.
pub fn resolve(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let wrong = |why: String| {
        format!("{text:?} is no address ({why}); write one and a port, as in 127.0.0.1:7400")
    };
    let all = text.to_socket_addrs().map_err(|error| wrong(error.to_string()))?;
    let all: Vec<SocketAddr> = all.collect();
    let first = all.iter().find(|address| address.is_ipv4()).or(all.first());
    first.copied().ok_or_else(|| wrong("the host has none".into()))
}

/// Where each member of `layouts` is: everywhere that one of them says. What is no address is left
/// out.
pub(crate) fn addresses<'a>(
    layouts: impl IntoIterator<Item = &'a Layout>,
) -> BTreeMap<NodeId, BTreeSet<SocketAddr>> {
    let mut all: BTreeMap<NodeId, BTreeSet<SocketAddr>> = BTreeMap::new();
    for member in layouts.into_iter().flat_map(Layout::members) {
        all.entry(member.id).or_default().extend(member.address.parse::<SocketAddr>());
    }
    all
}

/// What people call `node`, if one of the layouts of `membership` knows it; otherwise its id.
pub(crate) fn name_of(membership: &Membership, node: NodeId) -> String {
    let member = membership.members().find(|member| member.id == node);
    member.map_or_else(|| node.to_string(), |member| member.name.clone())
}

/// Bytes that the kernel is asked to hold for a socket in each direction: a few of the largest
/// objects, which arrive as a burst.
const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Asks for large socket buffers. The kernel may give less; then bursts lose more datagrams.
pub(crate) fn grow_buffers(socket: &std::net::UdpSocket) {
    let socket = socket2::SockRef::from(socket);
    let received = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
    if let Err(error) = received.and(socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)) {
        tracing::debug!("socket buffers stay as they are: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_number_or_a_name_with_a_port() {
        let port = 7401;
        for (text, expected) in [
            ("127.0.0.1:7401", Some(([127, 0, 0, 1], port).into())),
            ("[::1]:7401", Some(([0, 0, 0, 0, 0, 0, 0, 1], port).into())),
            ("localhost:7401", Some(([127, 0, 0, 1], port).into())),
            ("localhost", None),
            ("127.0.0.1", None),
            ("localhost:70000", None),
            ("7401", None),
            ("", None),
        ] {
            let said = resolve(text);
            assert_eq!(said.as_ref().ok(), expected.as_ref(), "{text}: {said:?}");
            let explains = |why: &String| why.starts_with(&format!("{text:?} is no address ("));
            assert!(said.as_ref().err().is_none_or(explains), "{said:?}");
        }
    }
}
