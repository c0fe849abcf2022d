//! The deterministic core of Dynamo: one state machine a node, no clock, no randomness, no I/O.
//!
//! [`node::Node::handle`] is the one door: an [`door::Input`] goes in, [`door::Effects`] come out.
//! The model checker explores exactly this code, and the UDP runtime runs it.
//!
//! | module | what it is |
//! |---|---|
//! | [`ring`] | who owns a key: partitioning, preference lists (paper §4.2, §4.3, §6.2) |
//! | [`versions`] | what a key holds and how copies merge (paper §4.4) |
//! | [`quorum`] | how many distinct replicas have answered (paper §4.5) |
//! | [`node`] | puts, gets, forwarding, read repair (paper §4.5, §5) |
//! | [`store`] | what a node keeps on disk |
//! | [`merkle`] | how replicas find their differences (paper §4.7) |
//!
//! # A put and a get by hand
//!
//! Two nodes replicate every key; a put must reach both. The shell here is the test itself: it
//! carries messages, and its disk is a map.
//!
//! ```
//! use dynamo_protocol::config::{Config, ReadRepair};
//! use dynamo_protocol::door::{Ambient, Effect, Effects, Input, Start};
//! use dynamo_protocol::ids::{ClientId, NodeId, RequestId};
//! use dynamo_protocol::message::{Answer, Message, Operation, Request};
//! use dynamo_protocol::node::Node;
//! # use dynamo_protocol::ring::{Layout, Member, Ring, Strategy};
//! # use dynamo_protocol::store::{Durability, Record, RecordKey, Store};
//! use dynamo_protocol::versions::{Epoch, Incarnation, Stamp, Versioning};
//! # use std::{collections::BTreeMap, ops::Bound, sync::Arc};
//! # #[derive(Default)]
//! # struct Disk(BTreeMap<RecordKey, Record>);
//! # impl Store for Disk {
//! #     fn get(&self, key: &RecordKey) -> Option<Record> { self.0.get(key).cloned() }
//! #     fn next(&self, key: Option<&RecordKey>) -> Option<(RecordKey, Record)> {
//! #         let after = key.map_or(Bound::Unbounded, Bound::Excluded);
//! #         let mut range = self.0.range((after, Bound::Unbounded));
//! #         range.next().map(|(key, record)| (key.clone(), record.clone()))
//! #     }
//! #     fn put(&mut self, key: RecordKey, record: Record, _: Durability) { self.0.insert(key, record); }
//! #     fn remove(&mut self, key: &RecordKey, _: Durability) { self.0.remove(key); }
//! # }
//! # let member = |id: u64| {
//! #     let (name, address) = (id.to_string(), String::new());
//! #     Member { id: NodeId(id), name, weight: 1, zone: None, address }
//! # };
//! # let strategy = Strategy::EqualPartitions { partitions: 8 };
//! # let ring = Ring::new(&Layout::new(strategy, 2, vec![member(0), member(1)])?);
//!
//! // N = 2, R = 1, W = 2.
//! let config = Arc::new(Config::new(ring, 1, 2, Versioning::Dotted, ReadRepair::Off)?);
//! let [mut n0, mut n1] = [0, 1].map(|id| {
//!     let mut node = Node::new(config.clone(), NodeId(id), Disk::default());
//!     let incarnation = Incarnation(id);
//!     let _ = node.handle(Input::Start(Start::Bootstrap { incarnation }));
//!     node
//! });
//! let ambient = Ambient { stamp: Stamp(1), epoch: Epoch(1) };
//! let ask = |sequence, operation| Input::Client {
//!     request: Request {
//!         id: RequestId { client: ClientId(1), sequence },
//!         key: "cart".into(),
//!         operation,
//!         quorum: None,
//!     },
//!     ambient,
//! };
//! let view = n0.view();
//! let hear = |from, message| Input::Peer { from: NodeId(from), view, message, ambient };
//! let sent = |effects: Effects| -> Message {
//!     let mut effects = effects.into_iter();
//!     let message = effects.find_map(|effect| match effect {
//!         Effect::Send { message, .. } => Some(message),
//!         _ => None,
//!     });
//!     message.expect("a message")
//! };
//!
//! // n0 makes a version and sends n1 its whole object; n1 merges it; n0 has its two copies.
//! let put = Operation::Put { context: None, value: Some("milk".into()) };
//! let replicate = sent(n0.handle(ask(1, put)));
//! assert_eq!(replicate.to_string(), "replicate cart=milk {n0e1:1}");
//! let replicated = sent(n1.handle(hear(0, replicate)));
//! let effects = n0.handle(hear(1, replicated));
//! assert!(matches!(effects.0.last(), Some(Effect::Reply { answer: Answer::Stored { .. }, .. })));
//!
//! // With R = 1 the copy of n1 is enough for a get. A put over its context would replace "milk".
//! let effects = n1.handle(ask(2, Operation::Get));
//! let Some(Effect::Reply { answer, .. }) = effects.0.last() else { panic!("no answer") };
//! assert_eq!(answer.to_string(), "found milk {n0e1:1}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
// Without the museum every decision has one choice.
#![cfg_attr(not(feature = "museum"), allow(clippy::match_single_binding))]
#![no_std]

extern crate alloc;

pub mod config;
pub mod door;
pub mod ids;
pub mod limits;
pub mod membership;
pub mod merkle;
pub mod message;
pub mod node;
pub mod policy;
pub mod quorum;
pub mod ring;
pub mod store;
pub mod versions;
