//! Names for requests that are never given twice.

use crate::wire::{SESSION_RANDOM_BITS as RANDOM_BITS, now_ms};
use dynamo_protocol::ids::{ClientId, RequestId};

/// A client session: ids grow with the time of its start, requests count from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    id: RequestId,
}

impl Session {
    pub(super) fn new() -> Session {
        let random = rand::random::<u64>() >> (u64::BITS - RANDOM_BITS);
        let client = ClientId(now_ms() << RANDOM_BITS | random);
        Session { id: RequestId { client, sequence: 0 } }
    }

    /// The next request's name.
    pub(super) fn next_id(&mut self) -> RequestId {
        self.id.sequence += 1;
        self.id
    }

    pub(super) fn last_id(&self) -> RequestId {
        self.id
    }

    /// Goes on as a new session, later than this one.
    pub(super) fn renew(&mut self) {
        let fresh = Session::new();
        // Within one millisecond, or after the clock went back, chance could give a smaller id.
        let client = fresh.id.client.max(ClientId(self.id.client.0 + 1));
        self.id = RequestId { client, sequence: 0 };
    }
}
