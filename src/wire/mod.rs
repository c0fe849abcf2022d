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
use dynamo_protocol::ring::Layout;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
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
