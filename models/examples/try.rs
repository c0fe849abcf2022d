#![allow(missing_docs)]
use dynamo_models::{check::*, explore::*, scenario::Scenario};
fn main() {
    for file in std::env::args().skip(1) {
        let s = Scenario::load(&file).unwrap_or_else(|e| panic!("{e}"));
        let r = check(&s, Limits::default(), &mut |_| true).unwrap();
        println!(
            "{file}: unique {} gen {} depth {} {:?}  ({:?}/{:?})",
            r.unique(),
            r.generated(),
            r.depth(),
            r.elapsed(),
            r.main.as_ref().map(|m| m.progress.unique),
            r.history.as_ref().map(|m| m.progress.unique)
        );
        for j in &r.judgements {
            print!(
                "  {}={}",
                j.property,
                match &j.verdict {
                    Verdict::Refuted(t) => format!("REFUTED({})", t.len()),
                    v => v.name().into(),
                }
            );
        }
        println!();
        if std::env::var("TRACE").is_ok() {
            for j in &r.judgements {
                if let Verdict::Refuted(t) = &j.verdict {
                    println!("{}", j.property);
                    for a in t {
                        println!("    {a}");
                    }
                }
            }
        }
    }
}
