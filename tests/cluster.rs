//! Clusters of real processes over real sockets and disks.
#![cfg(feature = "node")]

mod support;

use dynamo::client::{Client, PutError, Read};
use dynamo::node::faults::FaultConfig;
use dynamo::shell::scheme::{Durability, Scheme, Versioning};
use dynamo::wire::status::{Status, disagreements};
use dynamo_protocol::config::Quorum;
use dynamo_protocol::ids::{Key, Value};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::{Cluster, refused, wait_until};

const CLIENTS: usize = 4;
const PUTS_PER_CLIENT: usize = 500;
const SHARED_KEYS: usize = 20;

/// Puts that have ended, however they did.
static DONE: AtomicUsize = AtomicUsize::new(0);

/// A value is a set of items, as the paper's shopping cart is.
type Items = BTreeSet<String>;

fn encode(items: &Items) -> Value {
    Value(items.iter().cloned().collect::<Vec<_>>().join(" ").into_bytes())
}

/// The union of all siblings.
fn items_of(read: &Read) -> Items {
    let Read::Found { siblings, .. } = read else { return Items::new() };
    let values = siblings.iter().filter_map(|written| written.value.as_ref());
    let texts = values.map(|value| String::from_utf8(value.0.clone()).unwrap());
    texts.flat_map(|text| text.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Adds an item to a key's set: read, unite, write. Whether that was acknowledged.
fn add(client: &mut Client, key: &Key, item: &str) -> bool {
    let read = client.get(key).unwrap();
    let (Read::Found { context, .. } | Read::NotFound { context, .. }) = &read else {
        return false;
    };
    let (context, mut items) = (context.clone(), items_of(&read));
    items.insert(item.into());
    match client.put(key, encode(&items), Some(context)) {
        Ok(_) => true,
        Err(PutError::MaybeApplied(_) | PutError::NobodyThere) => false,
        Err(error) => panic!("{error}"),
    }
}

/// One client's work: half the puts to keys of its own, half to shared ones. Gives what was
/// acknowledged.
fn work(me: usize, mut nodes: Vec<SocketAddr>) -> Vec<(Key, String)> {
    nodes.rotate_left(me);
    let mut client = Client::connect(&nodes).unwrap();
    let mut acknowledged = Vec::new();
    for i in 0..PUTS_PER_CLIENT {
        let item = format!("c{me}-{i}");
        let key = match i % 2 {
            0 => Key::from(format!("own-{item}").as_str()),
            _ => Key::from(format!("shared-{}", i % SHARED_KEYS).as_str()),
        };
        if add(&mut client, &key, &item) {
            acknowledged.push((key, item));
        }
        DONE.fetch_add(1, Ordering::SeqCst);
    }
    acknowledged
}

/// Waits until so many puts have ended. A disk may be slow; what takes too long is a single put.
fn wait_for_puts(count: usize) {
    for count in 1..=count {
        wait_until("another put", || DONE.load(Ordering::SeqCst) >= count);
    }
}

#[test]
fn no_acknowledged_put_is_lost_when_a_node_is_killed_and_comes_back() {
    let started = Instant::now();
    let mut cluster = Cluster::start(5, 3, 2, 2);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|me| {
            let nodes = cluster.addresses();
            thread::spawn(move || work(me, nodes))
        })
        .collect();
    let total = CLIENTS * PUTS_PER_CLIENT;
    wait_for_puts(total / 2);
    cluster.kill(2);
    wait_for_puts(total * 6 / 10);
    cluster.restart(2);
    let acknowledged: Vec<_> =
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    println!("{} of {total} acknowledged after {:.1?}", acknowledged.len(), started.elapsed());
    assert!(acknowledged.len() > total / 2, "most puts succeed with one of five nodes down");
    let keys: BTreeSet<&Key> = acknowledged.iter().map(|(key, _)| key).collect();
    for node in [0, 2, 4] {
        let mut client = cluster.client(node);
        for key in &keys {
            let mut read = Read::TimedOut;
            wait_until("a quorum", || {
                read = client.get(key).unwrap();
                matches!(read, Read::Found { .. } | Read::NotFound { .. })
            });
            let items = items_of(&read);
            for (_, item) in acknowledged.iter().filter(|(k, _)| k == *key) {
                assert!(items.contains(item), "{item} of {key} is lost at node {node}: {read:?}");
            }
        }
    }
    println!("all there at three nodes after {:.1?}", started.elapsed());
}

#[test]
fn identity_and_data_survive_a_kill() {
    let mut cluster = Cluster::start(1, 1, 1, 1);
    let mut client = cluster.client(0);
    let who = client.ping().unwrap();
    for i in 0..20 {
        client.put(&Key::from(format!("k{i}").as_str()), Value::from("v"), None).unwrap();
    }
    let large = Value(vec![7; 200_000]);
    client.put(&Key::from("large"), large.clone(), None).unwrap();
    cluster.kill(0);
    cluster.restart(0);
    assert_eq!(client.ping().unwrap(), who);
    for i in 0..20 {
        let read = client.get(&Key::from(format!("k{i}").as_str())).unwrap();
        assert_eq!(items_of(&read), Items::from(["v".into()]), "k{i}");
    }
    let Read::Found { siblings, .. } = client.get(&Key::from("large")).unwrap() else {
        panic!("the large value is gone");
    };
    assert_eq!(siblings[0].value.as_ref(), Some(&large));
}

#[test]
fn a_folder_has_one_process_and_one_node() {
    let mut cluster = Cluster::start(3, 3, 2, 2);
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

    let mut second = cluster.configs[0].clone();
    second.listen = Some(free);
    let file = cluster.write_config(&second);
    let (code, text) = refused(&file, &[]);
    assert_eq!(code, Some(1));
    assert!(text.contains("is in use by another process"), "{text}");

    cluster.kill(1);
    let (_, text) = refused(&cluster.write_config(&cluster.configs[1]), &["--bootstrap"]);
    assert!(text.contains("holds a node already"), "{text}");

    let mut mixed_up = cluster.configs[1].clone();
    cluster.kill(0);
    mixed_up.data = cluster.configs[0].data.clone();
    let (code, text) = refused(&cluster.write_config(&mixed_up), &[]);
    assert_eq!(code, Some(1));
    assert!(text.contains("belongs to node n0, not to n1"), "{text}");

    let mut other_scheme = cluster.configs[1].clone();
    other_scheme.cluster.versioning = Versioning::LastWriterWins;
    let (code, text) = refused(&cluster.write_config(&other_scheme), &[]);
    assert_eq!(code, Some(1));
    assert!(text.contains("holds Dotted versions"), "{text}");
}

#[test]
fn a_failed_read_ends_the_node_and_nothing_is_sent() {
    let mut cluster = Cluster::start(1, 1, 1, 1);
    let mut client = cluster.client(0);
    let key = Key::from("k");
    client.put(&key, Value::from("v"), None).unwrap();
    cluster.stop(0);
    {
        let store = cluster.configs[0].data.join("store");
        let database = fjall::Database::builder(store).open().unwrap();
        let records = database.keyspace("records", Default::default).unwrap();
        let name = [&[3], &key.0[..]].concat();
        let mut bytes = records.get(&name).unwrap().expect("the object's record").to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        records.insert(name, bytes).unwrap();
        database.persist(fjall::PersistMode::SyncAll).unwrap();
    }
    cluster.restart(0);
    let read = cluster.client(0).with_timeout(Duration::from_secs(1)).get(&key).unwrap();
    assert_eq!(read, Read::TimedOut);
    assert_eq!(cluster.ended(0), Some(1));
    let log = cluster.log(0);
    assert!(log.contains("the object of key k in ") && log.contains(" is damaged"), "{log}");
}

#[test]
fn a_configuration_error_names_file_line_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("n0.toml");
    std::fs::write(&file, "node = \"n0\"\ndata = \"d\"\nspeed = 9\n").unwrap();
    let (code, text) = refused(&file, &[]);
    assert_eq!(code, Some(64));
    assert!(text.contains("n0.toml:3: unknown field `speed`"), "{text}");
}

#[test]
fn a_node_that_lost_its_disk_comes_back_by_itself() {
    let mut cluster = Cluster::start(3, 3, 2, 2);
    let keys: Vec<Key> = (0..200).map(|i| Key::from(format!("k{i}").as_str())).collect();
    let mut client = cluster.client(0);
    for key in &keys {
        client.put(key, Value::from("v"), None).unwrap();
    }
    cluster.kill(1);
    std::fs::remove_dir_all(&cluster.configs[1].data).unwrap();
    cluster.restart(1);
    assert!(cluster.log(1).contains("n1 finds no data in "), "{}", cluster.log(1));
    // It takes writes at once.
    let (key, mut erased) = (Key::from("new"), cluster.client(1));
    wait_until("a put at the erased node", || erased.put(&key, Value::from("v"), None).is_ok());
    wait_until("the erased node is synchronised", || cluster.status(1).synchronised);
    let others: Vec<Status> = [0, 2].map(|node| cluster.status(node)).into();
    wait_until("its copies are those of the others", || {
        let all = [&others[..], &[cluster.status(1)]].concat();
        disagreements(&all).is_empty()
    });
    // Now it counts: with node 2 gone for good, a read at node 0 needs it.
    cluster.kill(2);
    for key in &keys {
        let mut read = Read::TimedOut;
        wait_until("a read that counts the erased node", || {
            read = client.get(key).unwrap();
            matches!(read, Read::Found { .. })
        });
        assert_eq!(items_of(&read), Items::from(["v".into()]), "{key}");
    }
    assert!(cluster.stop(1).contains_key("resynchronised"));
}

#[test]
fn buffered_writes_survive_a_kill_once_they_are_flushed_and_the_node_says_when() {
    let mut cluster = Cluster::start_with(
        1,
        Scheme { durability: Durability::Buffered, ..Scheme::with_quorums(1, 1, 1) },
    );
    let (mut client, key) = (cluster.client(0), Key::from("k"));
    client.put(&key, Value::from("v"), None).unwrap();
    wait_until("a flush", || cluster.status(0).counters.contains_key("flushes"));
    cluster.kill(0);
    cluster.restart(0);
    assert_eq!(items_of(&client.get(&key).unwrap()), Items::from(["v".into()]));
}

#[test]
fn a_fallback_stands_in_and_gives_back_what_it_kept() {
    let mut cluster = Cluster::start(4, 3, 2, 3);
    let mut client = cluster.client(0).with_timeout(Duration::from_secs(10));
    let keys: Vec<Key> = (0..20).map(|i| Key::from(format!("k{i}").as_str())).collect();
    cluster.kill(3);
    let mut fallbacks = 0;
    for key in &keys {
        match client.put(key, Value::from("v"), None) {
            Ok(replicas) => {
                let all = replicas.primaries.len() + replicas.fallbacks.len();
                assert_eq!(all, 3, "{replicas:?}");
                fallbacks += replicas.fallbacks.len();
            }
            // It was forwarded to the dead node before anybody knew.
            Err(PutError::MaybeApplied(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(fallbacks > 0, "no key of {} has node 3 among its first", keys.len());
    let hints = |cluster: &Cluster| (0..3).map(|node| cluster.status(node).hints).sum::<u64>();
    assert!(hints(&cluster) >= fallbacks as u64);
    // With W=3 of the key's own nodes there is no quorum.
    let mut strict = cluster.client(0).with_quorum(Quorum::Strict);
    let told = keys.iter().map(|key| strict.put(key, Value::from("w"), None));
    let refused = told.filter(|told| matches!(told, Err(PutError::MaybeApplied(_)))).count();
    assert!(refused > 0);
    cluster.restart(3);
    wait_until("all hints are given back", || hints(&cluster) == 0);
    let counters = cluster.stop(3);
    assert!(counters["merged-hints"] >= fallbacks as u64, "{counters:?}");
}

#[test]
fn a_lost_disk_is_refilled_over_a_network_that_loses_a_tenth_of_all_datagrams() {
    let mut cluster = Cluster::start(3, 3, 2, 2);
    let mut client = cluster.client(0);
    // Together far more than fits a datagram, a message, or luck.
    for i in 0..40 {
        let key = Key::from(format!("k{i}").as_str());
        client.put(&key, Value(vec![7; 3_000]), None).unwrap();
    }
    cluster.kill(1);
    std::fs::remove_dir_all(&cluster.configs[1].data).unwrap();
    let mut lossy = cluster.configs[1].clone();
    lossy.faults = Some(FaultConfig { loss: 0.1, ..FaultConfig::default() });
    cluster.write_config(&lossy);
    let started = Instant::now();
    cluster.restart(1);
    wait_until("the erased node is synchronised", || cluster.status(1).synchronised);
    println!("refilled after {:.1?}", started.elapsed());
}
