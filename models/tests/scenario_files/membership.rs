//! The table `[membership]`.

use crate::{GOOD, parse, refused};
use dynamo_models::scenario::{Gossip, MAX_OPERATORS, Membership, Move, Order};

fn with(table: &str) -> String {
    GOOD.replacen("[faults]", &format!("[membership]\n{table}\n[faults]"), 1)
}

#[test]
fn everything_written_is_read() {
    let table = "founders = 2\noperators = [[\"join 2 leave 1@0\", \"down 2@1\", \"up 2@1\"], \
                 [\"replace 0 2@1\", \"abort@0\"]]\ngossips = [\"0-1\", \"1-2\"]";
    let order = |what: &[Move], contact| Order { what: what.to_vec(), contact };
    let first = vec![
        order(&[Move::Join(2), Move::Leave(1)], 0),
        order(&[Move::Down(2)], 1),
        order(&[Move::Up(2)], 1),
    ];
    let second = vec![order(&[Move::Replace(0, 2)], 1), order(&[Move::Abort], 0)];
    let expected = Membership {
        founders: 2,
        operators: vec![first, second],
        gossips: vec![Gossip(0, 1), Gossip(1, 2)],
    };
    let text = with(table).replacen("n = 3", "n = 2", 1);
    assert_eq!(parse(&text).expect("good").membership, Some(expected));
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let many = format!("operators = [{}]", ["[]"; MAX_OPERATORS + 1].join(", "));
    for (table, said) in [
        ("founders = 4", "founders is 4"),
        ("founders = 2", "founders is 2"),
        ("operators = [\"join 2@0\"]", "an operator is a string"),
        ("operators = [[\"join 2\"]]", "order `join 2` is not understood"),
        ("operators = [[\"join@0\"]]", "is not understood"),
        ("operators = [[\"join 1 down 2@0\"]]", "is not understood"),
        ("operators = [[\"abort join 1@0\"]]", "is not understood"),
        ("operators = [[\"leave 3@0\"]]", "names node 3, which does not exist"),
        ("gossips = [\"0\"]", "gossip `0` is not understood"),
        ("gossips = [\"0-3\"]", "names no two nodes"),
        ("gossips = [\"1-1\"]", "names no two nodes"),
        ("seeds = [0]", "key `seeds` is unknown in [membership]"),
        (many.as_str(), "there are more than 3 operators"),
    ] {
        let error = refused(&with(table));
        assert!(error.contains(said), "{table}: {error}");
    }
    let most = format!("operators = [{}]", ["[]"; MAX_OPERATORS].join(", "));
    assert!(parse(&with(&most)).is_ok());
}
