//! What goes over the wire: frames, and the header that every datagram begins with.
//!
//! A [`Frame`] is encoded with postcard and cut into as many datagrams as it needs
//! ([`encode`]); [`Header::parse`] opens a datagram, [`super::fragments`] puts the pieces together
//! again and [`decode`] reads the frame. Decoding is strict: a byte too many, a byte too few or a
//! byte changed on the way is refused, and nothing is allocated that the input does not back.
//!
//! ```text
//! 0      3         4            8                16      18      20
//! | "dyn" | version | crc32 of   | message id     | index | count | piece of the frame ...
//! |       |         | the rest   | (little-endian)|       |       |
//! ```

use super::status::{Digests, Status};
use dynamo_protocol::ids::{NodeId, RequestId};
use dynamo_protocol::membership::{Command, View};
use dynamo_protocol::message::{Answer, Message, Request};
use serde::{Deserialize, Serialize};

/// The format that this code speaks. A datagram of any other is refused.
pub const FORMAT_VERSION: u8 = 6;

/// Largest datagram, in bytes: small enough for every path that carries QUIC, so that no router
/// ever splits it.
pub const MAX_DATAGRAM_BYTES: usize = 1200;

/// Bytes of the header of every datagram.
pub const HEADER_BYTES: usize = 20;

/// Largest piece of a frame in one datagram, in bytes.
pub const MAX_PIECE_BYTES: usize = MAX_DATAGRAM_BYTES - HEADER_BYTES;

/// Largest frame between members, in bytes. Replication ships a key's whole object, which merges
/// may make larger than any put may.
pub const MAX_PEER_FRAME_BYTES: usize = 8 * 1024 * 1024;

/// Largest frame from a client, in bytes: a value, a key and a context at their limits.
pub const MAX_CLIENT_FRAME_BYTES: usize = 512 * 1024;

const MAGIC: [u8; 3] = *b"dyn";

/// Everything that nodes and clients say to each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frame {
    /// From a client to a node.
    Request(Request),
    /// From one member to another.
    Peer {
        /// Who speaks; believed only if the datagram comes from that member's address.
        from: NodeId,
        /// Which layouts it acts on.
        view: View,
        /// What it says.
        message: Message,
    },
    /// From a node to a client.
    Reply {
        /// Which request this answers.
        id: RequestId,
        /// Which layouts the node acts on: a client that routes by older ones sees that it does.
        view: View,
        /// The answer.
        answer: Answer,
    },
    /// From a client: are you there?
    Ping {
        /// To be sent back.
        nonce: u64,
    },
    /// I am.
    Pong {
        /// Of the ping.
        nonce: u64,
        /// Who is there.
        node: NodeId,
    },
    /// From an operator: how are you?
    Examine {
        /// To be sent back.
        nonce: u64,
        /// What is to be known of its copies.
        digests: Digests,
    },
    /// So am I.
    Examined {
        /// Of the question.
        nonce: u64,
        /// The state of the node.
        status: Box<Status>,
    },
    /// From an operator: do this.
    Command {
        /// To be sent back. A command that comes again with the same one is not done again.
        nonce: u64,
        /// What.
        command: Box<Command>,
    },
    /// It is done, or this is why not.
    Obeyed {
        /// Of the command.
        nonce: u64,
        /// What came of it.
        result: Result<(), String>,
    },
}

/// Why a datagram or frame is refused. Each has its own counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Shorter than a header.
    #[error("the datagram is truncated")]
    Truncated,
    /// Longer than [`MAX_DATAGRAM_BYTES`], or of more pieces than the largest frame has.
    #[error("the datagram or its frame is oversized")]
    Oversized,
    /// It does not begin as ours do.
    #[error("the datagram is not of this protocol")]
    Foreign,
    /// Another format version.
    #[error("the datagram is of another format version")]
    Version,
    /// The checksum differs: damaged on the way, or cut off.
    #[error("the datagram is damaged")]
    Damaged,
    /// Piece, count and length contradict each other or earlier pieces.
    #[error("the fragment contradicts its header or its siblings")]
    BadFragment,
    /// This piece came before.
    #[error("the fragment came before")]
    DuplicateFragment,
    /// No room for another incomplete frame.
    #[error("too many incomplete frames")]
    TooManyFragments,
    /// The pieces make no frame.
    #[error("the frame is malformed")]
    Malformed,
}

/// The head of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Names the frame; its sender never uses it again.
    pub message: u64,
    /// Which piece of the frame this is, from 0.
    pub index: u16,
    /// Of how many pieces.
    pub count: u16,
}

impl Header {
    /// Checks a datagram and splits it into its header and its piece of a frame.
    ///
    /// # Errors
    /// [`Refused`] says what is wrong with it.
    pub fn parse(datagram: &[u8]) -> Result<(Header, &[u8]), Refused> {
        if datagram.len() > MAX_DATAGRAM_BYTES {
            return Err(Refused::Oversized);
        }
        let magic = datagram.get(..MAGIC.len()).ok_or(Refused::Truncated)?;
        if magic != MAGIC {
            return Err(Refused::Foreign);
        }
        let (head, piece) = datagram.split_at_checked(HEADER_BYTES).ok_or(Refused::Truncated)?;
        if head[3] != FORMAT_VERSION {
            return Err(Refused::Version);
        }
        if head[4..8] != crc32fast::hash(&datagram[8..]).to_le_bytes() {
            return Err(Refused::Damaged);
        }
        let u16_at = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let mut message = [0; 8];
        message.copy_from_slice(&head[8..16]);
        let header =
            Header { message: u64::from_le_bytes(message), index: u16_at(16), count: u16_at(18) };
        header.check(piece.len())?;
        Ok((header, piece))
    }

    /// All pieces but the last are full, the last is not empty unless it is the only one.
    fn check(self, piece_bytes: usize) -> Result<(), Refused> {
        let is_last = self.index.checked_add(1) == Some(self.count);
        let fits = self.index < self.count
            && (is_last || piece_bytes == MAX_PIECE_BYTES)
            && (piece_bytes > 0 || self.count == 1);
        if fits { Ok(()) } else { Err(Refused::BadFragment) }
    }

    fn write(self, datagram: &mut [u8]) {
        datagram[8..16].copy_from_slice(&self.message.to_le_bytes());
        datagram[16..18].copy_from_slice(&self.index.to_le_bytes());
        datagram[18..20].copy_from_slice(&self.count.to_le_bytes());
        let checksum = crc32fast::hash(&datagram[8..]);
        datagram[..3].copy_from_slice(&MAGIC);
        datagram[3] = FORMAT_VERSION;
        datagram[4..8].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// A frame as datagrams, under the name `message`.
///
/// # Errors
/// [`Refused::Oversized`] if it is larger than [`MAX_PEER_FRAME_BYTES`].
pub fn encode(frame: &Frame, message: u64) -> Result<Vec<Vec<u8>>, Refused> {
    let head = vec![0; HEADER_BYTES];
    let mut first = postcard::to_extend(frame, head).map_err(|_| Refused::Malformed)?;
    let frame_bytes = first.len() - HEADER_BYTES;
    if frame_bytes > MAX_PEER_FRAME_BYTES {
        return Err(Refused::Oversized);
    }
    let count = frame_bytes.div_ceil(MAX_PIECE_BYTES).max(1) as u16;
    let header = |index| Header { message, index, count };
    let rest = first.split_off(first.len().min(MAX_DATAGRAM_BYTES));
    header(0).write(&mut first);
    let mut datagrams = vec![first];
    for (piece, index) in rest.chunks(MAX_PIECE_BYTES).zip(1..) {
        let mut datagram = vec![0; HEADER_BYTES];
        datagram.extend_from_slice(piece);
        header(index).write(&mut datagram);
        datagrams.push(datagram);
    }
    Ok(datagrams)
}

/// Reads a whole frame.
///
/// # Errors
/// [`Refused::Malformed`] if `bytes` are anything but exactly one frame.
pub fn decode(bytes: &[u8]) -> Result<Frame, Refused> {
    match postcard::take_from_bytes(bytes) {
        Ok((frame, [])) => Ok(frame),
        _ => Err(Refused::Malformed),
    }
}
