//! A node for real: the protocol core behind a UDP socket and above a disk.
//!
//! What it shares with the simulator is in [`crate::shell`].
//!
//! One event loop, no async. Each turn takes the datagrams and timers that are there, hands them to
//! the core one by one, commits once, and only then sends. Nothing leaves a node before the durable
//! writes that it rests on are on disk; a failed commit or read ends the process with nothing sent.
//!
//! | module | what it is |
//! |---|---|
//! | [`disk`] | the durable store |
//! | [`config`] | the configuration file |
//! | [`local`] | a cluster on one machine |
//! | `addresses`, `commands`, `names` | whom to believe, what operators tell, and what people call a node |
//! | [`faults`], `carrier` | faults on purpose, for tests, and messages that take their time |

mod addresses;
pub(crate) mod carrier;
mod commands;
pub mod config;
pub mod disk;
mod event_loop;
pub mod faults;
pub mod local;
mod names;
mod records;
mod socket;
mod start;
mod status;

pub use event_loop::{Server, Stopper};

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a node does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The configuration does not hold together.
    #[error("{0}")]
    Config(String),
    /// The address cannot be had.
    #[error("cannot listen on {0}: {1}; stop what listens there, or choose another address")]
    Listen(SocketAddr, std::io::Error),
    /// The socket fails.
    #[error("the socket failed: {0}")]
    Socket(std::io::Error),
    /// The data folder fails.
    #[error(transparent)]
    Disk(#[from] disk::DiskError),
    /// A node is to be born where one lives.
    #[error("the data folder {0} holds a node already; start without --bootstrap")]
    NotEmpty(PathBuf),
    /// The disk was lost, and with it an identity that nobody has written down.
    #[error(
        "the data folder {0} is empty, and the node's id is lost with it; set `id` in [joiner] to the \
         one that `dynamo admin status` shows, or start with --bootstrap if the node is new"
    )]
    IdLost(PathBuf),
    /// The disk holds objects of another versioning scheme.
    #[error("the data folder {0} holds {1} versions; set `versioning` to that, it cannot change")]
    WrongScheme(PathBuf, String),
    /// The disk is of a cluster with other founders or settings.
    #[error(
        "the data folder {0} belongs to a cluster with another [cluster] or other [[nodes]]; set them as \
         they were, they cannot change"
    )]
    WrongCluster(PathBuf),
    /// The disk is another node's.
    #[error("the data folder {folder} belongs to node {owner}, not to {node}; correct one of them")]
    WrongFolder {
        /// The data folder.
        folder: PathBuf,
        /// Whose it is.
        owner: String,
        /// Who wants to start.
        node: String,
    },
}
