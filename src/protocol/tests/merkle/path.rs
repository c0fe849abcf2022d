use crate::cases;
use dynamo_protocol::ids::Key;
use dynamo_protocol::merkle::{MAX_DEPTH, Path};
use proptest::collection::vec;
use proptest::prelude::*;

fn path(nibbles: &[u8]) -> Path {
    Path::from_nibbles(nibbles).unwrap()
}

/// Few different nibbles, so that prefixes and zeros are common.
fn nibbles() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(0..2_u8, 0..5), vec(0..16_u8, 0..=MAX_DEPTH as usize)]
}

proptest! {
    #![proptest_config(cases(3000))]

    #[test]
    fn the_order_is_that_of_the_nibbles(a in nibbles(), b in nibbles()) {
        prop_assert_eq!(path(&a).cmp(&path(&b)), a.cmp(&b));
        prop_assert_eq!(path(&a).contains(&path(&b)), b.starts_with(&a));
        prop_assert_eq!(path(&a).nibbles().collect::<Vec<u8>>(), a.clone());
        prop_assert_eq!(usize::from(path(&a).depth()), a.len());
        prop_assert!(path(&a) <= Path::LAST);
    }

    #[test]
    fn the_wire_carries_it_in_one_spelling(a in nibbles(), bytes in vec(any::<u8>(), 0..24)) {
        let sent = postcard::to_allocvec(&path(&a)).unwrap();
        prop_assert_eq!(postcard::from_bytes::<Path>(&sent), Ok(path(&a)));
        // The length, and seven bits a byte.
        prop_assert!(sent.len() <= 2 + a.len() * 4 / 7);
        if let Ok(read) = postcard::from_bytes::<Path>(&bytes) {
            prop_assert_eq!(&path(&read.nibbles().collect::<Vec<u8>>()), &read);
        }
    }
}

#[test]
fn no_path_is_longer_than_a_key_s() {
    let full = Path::of(&Key::from("k"));
    assert_eq!(full.depth(), MAX_DEPTH);
    assert_eq!(full.child(0), None);
    assert_eq!(Path::from_nibbles(&[0; MAX_DEPTH as usize + 1]), None);
    assert_eq!(Path::from_nibbles(&[16]), None);
    assert_eq!(Path::ROOT.child(16), None);
    assert!(Path::try_from((MAX_DEPTH + 1, 0)).is_err());
    assert!(Path::try_from((1, 16)).is_err());
    assert!(Path::try_from((0, 1)).is_err());
    assert_eq!(Path::try_from((MAX_DEPTH, u128::MAX)), Ok(Path::LAST));
}

#[test]
fn it_is_the_head_of_the_key_s_blake3() {
    // The first bytes of the empty input's hash, from blake3's test vectors.
    assert_eq!(Path::of(&Key::from("")).to_string(), "af1349b9f5f9a1a6a0404dea36dcc949");
    assert_eq!(path(&[0, 1, 0xf]).to_string(), "01f");
    assert_eq!(Path::ROOT.to_string(), "root");
}
