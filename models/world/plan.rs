//! What the scripts of a scenario say, worked out once: which operation is which, what each writes,
//! and what a client must remember.

use crate::scenario::{Op, Scenario, Step};
use dynamo_protocol::ids::{ClientId, Key, RequestId, Value};
use dynamo_protocol::message::Answer;

/// A set of puts and deletes, by their number in script order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Puts(pub u16);

impl Puts {
    /// The set of one.
    pub fn one(put: usize) -> Puts {
        Puts(1 << put)
    }

    /// Whether `put` is in the set.
    pub fn has(self, put: usize) -> bool {
        self.0 >> put & 1 == 1
    }

    /// Both sets together.
    pub fn with(self, other: Puts) -> Puts {
        Puts(self.0 | other.0)
    }

    /// This set less the other.
    pub fn without(self, other: Puts) -> Puts {
        Puts(self.0 & !other.0)
    }

    /// What both sets share.
    pub fn shared(self, other: Puts) -> Puts {
        Puts(self.0 & other.0)
    }

    /// Whether nothing is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many are in the set.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The members, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let least = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            (least < u16::BITS).then_some(least as usize)
        })
    }
}

/// The scripts, with every operation and put numbered.
#[derive(Clone, Debug)]
pub struct Plan {
    scripts: Vec<Vec<Step>>,
    keys: Vec<Key>,
    /// (client, step) of each put, in script order.
    puts: Vec<(usize, usize)>,
    /// The first operation of each client, in the numbering of all operations; at the end their count.
    first_operation: Vec<usize>,
}

impl Plan {
    /// The plan of a scenario's scripts.
    pub fn new(scenario: &Scenario) -> Plan {
        let scripts = scenario.clients.clone();
        let keys = scenario.keys().into_iter().map(Key::from).collect();
        let puts = scenario.puts().iter().map(|put| (put.client, put.index)).collect();
        let mut first_operation = vec![0];
        for script in &scripts {
            first_operation.push(first_operation.last().unwrap_or(&0) + script.len());
        }
        Plan { scripts, keys, puts, first_operation }
    }

    /// How many clients have a script.
    pub fn clients(&self) -> usize {
        self.scripts.len()
    }

    /// How many operations there are, the final free read included.
    pub fn operations(&self) -> usize {
        self.first_operation[self.clients()] + 1
    }

    /// The number of a client's operation. The final free read is that of the client after the last.
    pub fn operation(&self, client: usize, step: usize) -> usize {
        self.first_operation[client] + step
    }

    /// The keys, in order of first use.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// A client's step; none when its script has ended.
    pub fn step(&self, client: usize, step: usize) -> Option<&Step> {
        self.scripts.get(client)?.get(step)
    }

    /// The place of a step's key in [`Plan::keys`].
    pub fn key(&self, step: &Step) -> usize {
        self.keys.iter().position(|key| key.0 == step.key.as_bytes()).unwrap_or(0)
    }

    /// How many puts and deletes there are.
    pub fn puts(&self) -> usize {
        self.puts.len()
    }

    /// The number of the put that is a client's step, if it is one.
    pub fn put(&self, client: usize, step: usize) -> Option<usize> {
        self.puts.iter().position(|&put| put == (client, step))
    }

    /// All puts of a key.
    pub fn puts_of(&self, key: usize) -> Puts {
        let of_key = |&put: &usize| {
            let (client, step) = self.puts[put];
            self.key(&self.scripts[client][step]) == key
        };
        (0..self.puts()).filter(of_key).fold(Puts::default(), |set, put| set.with(Puts::one(put)))
    }

    /// What a put writes: v1, v2, ... in script order; nothing for a delete.
    pub fn value(&self, put: usize) -> Option<Value> {
        let (client, step) = self.puts[put];
        let deletes = self.scripts[client][step].op == Op::Delete;
        (!deletes).then(|| Value::from(format!("v{}", put + 1).as_str()))
    }

    /// A put's name for people: `v1`, or `delete 2`.
    pub fn put_name(&self, put: usize) -> String {
        self.value(put).map_or_else(|| format!("delete {}", put + 1), |value| value.to_string())
    }

    /// The name of a client's operation for people: its request.
    pub fn operation_name(&self, operation: usize) -> String {
        let client = self.first_operation.iter().rposition(|&first| first <= operation);
        let client = client.unwrap_or(0);
        request_id(client, 0, operation - self.first_operation[client]).to_string()
    }

    /// The put that a request id names.
    pub fn put_of_request(&self, id: RequestId) -> Option<usize> {
        let step = usize::try_from(id.sequence).ok()?.checked_sub(1)?;
        self.put(client_of(id.client), step)
    }

    /// The key that a client's request is about.
    pub fn key_of_request(&self, id: RequestId) -> Option<usize> {
        let step = usize::try_from(id.sequence).ok()?.checked_sub(1)?;
        Some(self.key(self.step(client_of(id.client), step)?))
    }

    /// Whether a client that gets this answer goes on as a new session: a put may then be applied
    /// later, or nobody has answered at all.
    pub fn ends_session(&self, client: usize, step: usize, answer: &Answer) -> bool {
        match answer {
            Answer::TimedOut => true,
            Answer::QuorumUnavailable { .. } => self.put(client, step).is_some(),
            _ => false,
        }
    }

    /// The session in which a client asks next after these answers.
    pub fn session_after(&self, client: usize, answers: &[Answer]) -> u8 {
        let last = (0..answers.len()).rfind(|&i| self.ends_session(client, i, &answers[i]));
        last.map_or(0, |step| step as u8 + 1)
    }

    /// Whether the client, before its step `next`, must keep what it last read of `key`: a later put
    /// uses it as context before another get replaces it.
    pub fn needs_context(&self, client: usize, next: usize, key: usize) -> bool {
        let later = self.scripts.get(client).into_iter().flatten().skip(next);
        later
            .filter(|step| self.key(step) == key && step.op != Op::PutBlind)
            .map(|step| step.op != Op::Get)
            .next()
            .unwrap_or(false)
    }

    /// Whether the client reads `key` at step `next` or later.
    pub fn reads_later(&self, client: usize, next: usize, key: usize) -> bool {
        let later = self.scripts.get(client).into_iter().flatten().skip(next);
        later.into_iter().any(|step| step.op == Op::Get && self.key(step) == key)
    }
}

/// Sessions whose ids are equal modulo this are of one client.
const SESSION_STRIDE: u64 = 16;

/// The name of a client's step as a request, in the session that began at step `session`.
pub fn request_id(client: usize, session: u8, step: usize) -> RequestId {
    let client = client as u64 + SESSION_STRIDE * u64::from(session);
    RequestId { client: ClientId(client), sequence: step as u64 + 1 }
}

/// The client that a session is of.
pub fn client_of(session: ClientId) -> usize {
    (session.0 % SESSION_STRIDE) as usize
}
