//! The formats. `UPDATE=1 cargo test` writes the golden files anew; read them before you commit.

use super::{FAULTS, STALE, faulty, model, refuted, wander};
use dynamo_models::scenario::Property;
use dynamo_models::trace::{Trace, TraceFile, mermaid::mermaid, shiviz::shiviz, svg, text::text};
use std::collections::BTreeMap;
use std::path::Path;

fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces/golden").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, found).expect("the golden file can be written");
    }
    let expected = std::fs::read_to_string(&path).expect("the golden file is there");
    assert_eq!(found, expected, "{name}: UPDATE=1 writes it anew");
}

#[test]
fn a_short_counterexample_in_every_text_format() {
    let trace = refuted(STALE, Property::MonotonicReads);
    golden("stale.txt", &text(&trace));
    golden("stale.mmd", &mermaid(&trace));
    golden("stale.shiviz", &shiviz(&trace));
    golden("stale.json", &TraceFile::of(&trace).to_json());
}

#[test]
fn a_run_with_every_fault() {
    let trace = faulty();
    golden("faults.txt", &text(&trace));
    golden("faults.mmd", &mermaid(&trace));
    golden("faults.svg", &svg::diagram(&trace));
}

#[test]
fn the_picture_shows_what_happened() {
    let trace = faulty();
    let picture = svg::diagram(&trace);
    let count = |what: &str| picture.matches(what).count();
    // One dropped message, one lost, one crash, one client that gives up.
    assert_eq!(count("<path class=\"cross\""), 4);
    assert_eq!(count("<path class=\"fault\""), 2, "a duplicate and a drop");
    assert_eq!(count("<path class=\"lost\""), 1);
    assert_eq!(count("<path class=\"down\""), 1);
    assert_eq!(count("<circle class=\"restart\""), 1);
    assert_eq!(count("<g class=\"clock\""), 1);
    assert_eq!(count("<path class=\"call\""), 2);
    assert_eq!(count("<path class=\"answer\""), 1);
    assert!(picture.contains("Faults &lt;&amp;&gt; &quot;all&quot;"), "the title is escaped");
    assert!(!picture.contains("is false."), "this run refutes nothing");
    let refuted = svg::diagram(&refuted(STALE, Property::MonotonicReads));
    assert!(refuted.contains("class=\"bad\"") && refuted.contains("monotonic-reads is false."));
}

#[test]
fn every_run_gives_well_formed_pictures_and_logs() {
    let model = model(FAULTS);
    for seed in 0..100 {
        let trace = wander(&model, seed);
        well_formed(&svg::diagram(&trace));
        clocks_grow(&trace);
        assert_eq!(mermaid(&trace).matches("sequenceDiagram").count(), 1);
    }
}

/// Every tag is closed in order, every attribute quoted, every special character escaped.
fn well_formed(xml: &str) {
    let mut open = Vec::new();
    let mut rest = xml;
    while let Some(start) = rest.find('<') {
        let text = &rest[..start];
        assert!(!text.contains('>'), "a stray > in {text:?}");
        let known = ["&amp;", "&lt;", "&gt;", "&quot;"];
        for (place, _) in text.match_indices('&') {
            assert!(known.iter().any(|k| text[place..].starts_with(k)), "a stray & in {text:?}");
        }
        let end = start + rest[start..].find('>').expect("the tag ends");
        let tag = &rest[start + 1..end];
        assert!(!tag.contains('<') && tag.matches('"').count().is_multiple_of(2), "{tag}");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().expect("a name");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closed in order");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "open at the end: {open:?}");
    assert!(!xml.contains("NaN") && !xml.contains("inf"));
}

type Clock = BTreeMap<String, u64>;

/// The log is pairs of lines as ShiViz's default expression wants them, each process counts its own
/// events, no clock goes back, and an arrival knows of its sending.
fn clocks_grow(trace: &Trace) {
    let log = shiviz(trace);
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines.len().is_multiple_of(2) && lines.len() >= 2 * trace.steps.len());
    let mut known: BTreeMap<&str, Clock> = BTreeMap::new();
    for pair in lines.chunks(2) {
        let (host, clock) = pair[1].split_once(' ').expect("a host and a clock");
        assert!(!pair[0].is_empty() && clock.starts_with('{') && clock.ends_with('}'));
        let clock: Clock = serde_json::from_str(clock).expect("a JSON clock");
        let before = known.entry(host).or_default();
        assert_eq!(clock[host], before.get(host).map_or(1, |own| own + 1), "{pair:?}");
        assert!(before.iter().all(|(process, &events)| clock[process] >= events), "{pair:?}");
        let sender = pair[0].split(" -> ").next().expect("a text").split(' ').next_back();
        if let Some(sender) =
            sender.filter(|s| *s != host && pair[0].contains(&format!("{s} -> {host}")))
        {
            assert!(clock.contains_key(sender), "{pair:?}");
        }
        *before = clock;
    }
}

#[test]
fn the_last_event_knows_what_led_to_it() {
    let trace = refuted(STALE, Property::MonotonicReads);
    let log = shiviz(&trace);
    let last = log.lines().last().expect("a last line");
    // The reader's answer comes after both replicas and itself, and after the writer's call.
    assert_eq!(last, r#"c1 {"c0":1,"c1":4,"n0":2,"n1":1}"#);
}
