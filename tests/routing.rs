//! A partition-aware client (paper §6.4) and a cluster of real processes that changes under it.
#![cfg(feature = "node")]

mod support;

use dynamo::client::{Client, POLL_EVERY, Read};
use dynamo_protocol::ids::{Key, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;
use support::{Cluster, wait_until};

/// Puts that nodes have received from other nodes because these do not own the key.
fn forwarded(cluster: &Cluster, nodes: &[usize]) -> u64 {
    let of = |node: &usize| cluster.status(*node).counters.get("forwarded-puts").copied();
    nodes.iter().filter_map(of).sum()
}

/// Puts fresh keys and reads them again.
#[derive(Default)]
struct Work {
    stored: BTreeMap<Key, Value>,
    tried: usize,
    served_by: BTreeSet<SocketAddr>,
}

impl Work {
    fn put(&mut self, client: &mut Client) {
        self.tried += 1;
        let key = Key::from(format!("key-{}", self.tried).as_str());
        let value = Value::from(format!("value-{}", self.tried).as_str());
        match client.put(&key, value.clone(), None) {
            Ok(_) => drop(self.stored.insert(key, value)),
            Err(error) => println!("{key}: {error}"),
        }
        self.served_by.insert(client.node());
    }

    fn assert_all_there(&self, client: &mut Client) {
        for (key, value) in &self.stored {
            let read = client.get(key);
            let Ok(Read::Found { siblings, .. }) = &read else { panic!("{key}: {read:?}") };
            assert!(siblings.iter().any(|written| written.value.as_ref() == Some(value)), "{key}");
        }
    }
}

#[test]
fn a_client_that_knows_the_layout_asks_owners_and_follows_a_change() {
    let mut cluster = Cluster::start(4, 3, 2, 2);
    let joiner = cluster.start_joiner();
    let mut work = Work::default();

    // One that does not know the layout has some of its puts forwarded, one that does has none.
    let mut driven = cluster.client(0);
    (0..40).for_each(|_| work.put(&mut driven));
    let before = forwarded(&cluster, &[0, 1, 2, 3]);
    assert!(before > 0);
    let mut client = Client::connect(&[cluster.address(0)]).unwrap().partition_aware();
    (0..40).for_each(|_| work.put(&mut client));
    assert_eq!((work.stored.len(), work.tried), (80, 80));
    assert_eq!(forwarded(&cluster, &[0, 1, 2, 3]), before);
    assert_eq!(work.served_by, (0..4).map(|node| cluster.address(node)).collect());

    // One node comes and another goes while it works.
    let (started, fetched) = (Instant::now(), client.refreshes());
    let address = cluster.address(joiner).to_string();
    cluster.obeyed(0, &["join", "n4", &address]);
    cluster.obeyed(0, &["leave", "n1"]);
    cluster.obeyed(0, &["commit"]);
    wait_until("the change is over", || {
        work.put(&mut client);
        [0, 1, 2, 3, 4].iter().all(|node| cluster.members(*node).membership.version() == 1)
    });
    // The first answer shows that there is a newer layout, and the next request goes by it.
    (0..2).for_each(|_| work.put(&mut client));
    let expected = cluster.members(0).membership.view();
    assert_eq!(client.view(), Some(expected));
    let fetched = client.refreshes() - fetched;
    let polled = 1 + started.elapsed().as_secs() / POLL_EVERY.as_secs();
    println!(
        "{} of {} puts stored, layout fetched {fetched} times in {:.1?}",
        work.stored.len(),
        work.tried,
        started.elapsed()
    );
    assert!((1..=3 + polled).contains(&fetched), "once for each stage, and now and then");

    let before = forwarded(&cluster, &[0, 2, 3, 4]);
    work.served_by.clear();
    (0..40).for_each(|_| work.put(&mut client));
    assert_eq!(forwarded(&cluster, &[0, 2, 3, 4]), before);
    assert_eq!(work.served_by, [0, 2, 3, 4].map(|node| cluster.address(node)).into());
    work.assert_all_there(&mut client);

    // Who dies is passed over, and so is the only node that the client was told of.
    cluster.kill(0);
    work.assert_all_there(&mut client);
}
