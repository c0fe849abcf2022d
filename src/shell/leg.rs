//! What kind of way a message goes, for whoever decides how long it takes.

use dynamo_protocol::message::Message;

/// The legs of WARS. Whatever else is sent takes as long as an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// W: a put's way to a replica.
    Write,
    /// A: the way back.
    Acknowledgement,
    /// R: a get's way to a replica.
    Read,
    /// S: the way back.
    Answer,
}

impl Leg {
    /// That of `message`.
    pub fn of(message: &Message) -> Leg {
        match message {
            Message::Replicate { .. } => Leg::Write,
            Message::Read { .. } => Leg::Read,
            Message::Copy { .. } => Leg::Answer,
            _ => Leg::Acknowledgement,
        }
    }
}
