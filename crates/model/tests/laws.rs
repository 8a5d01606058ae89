//! Checks the laws of every lattice (commutative, associative, idempotent, monotone), and that a fold does not depend
//! on order, repetition or batches. Property tests over all rows with one key, and exhaustive tests over a small scope.

use carrel_model::{
    DeviceId, Hlc, ItemId, Slug, arbitrary,
    lattice::{
        Answer, Attempt, Extra, ItemKind, Join, Kv, Position, Progress, Row, RowType, Validate,
        fold,
    },
    wire::MAX_PUSH_BYTES,
};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::json;

const CASES: u32 = 10_000;

fn join<T: Join + Clone>(a: &T, b: &T) -> T {
    let mut joined = a.clone();
    joined.join(b);
    joined
}
/// Returns true if `a` is less than or equal to `b` in the order of the lattice.
fn below<T: Join + Clone + PartialEq>(a: &T, b: &T) -> bool {
    join(a, b) == *b
}

fn laws<T: Join + Clone + PartialEq + std::fmt::Debug>(
    a: &T,
    b: &T,
    c: &T,
) -> Result<(), TestCaseError> {
    let ab = join(a, b);
    prop_assert_eq!(&ab, &join(b, a), "commutative");
    prop_assert_eq!(join(&ab, c), join(a, &join(b, c)), "associative");
    prop_assert_eq!(&join(a, a), a, "idempotent");
    prop_assert_eq!(&join(&ab, b), &ab, "a repeated join changes nothing");
    prop_assert!(below(a, &ab) && below(b, &ab), "the join is above both");
    prop_assert!(below(&join(a, c), &join(&ab, c)), "monotone");
    // Least upper bound: every other upper bound is above the join.
    let above = join(&ab, c);
    prop_assert!(below(a, &above) && below(b, &above) && below(&ab, &above), "least");
    Ok(())
}

/// Returns `large`, the number of cases for large rows, or `CASES` if `CARREL_LONG` is set.
fn cases(large: u32) -> u32 {
    if std::env::var_os("CARREL_LONG").is_some() { CASES } else { large }
}

fn check<S>(one: S, laws: impl Fn(&S::Value, &S::Value, &S::Value) -> Result<(), TestCaseError>)
where
    S: Strategy + Clone,
{
    check_cases(CASES, one, laws);
}

fn check_cases<S>(
    cases: u32,
    one: S,
    laws: impl Fn(&S::Value, &S::Value, &S::Value) -> Result<(), TestCaseError>,
) where
    S: Strategy + Clone,
{
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let three = (one.clone(), one.clone(), one);
    if let Err(e) = TestRunner::new(config).run(&three, |(a, b, c)| laws(&a, &b, &c)) {
        panic!("{e}");
    }
}

/// Checks one lattice with rows of one key.
fn check_rows(row_type: RowType) {
    check(arbitrary::row(row_type, 1), |a, b, c| {
        laws(a, b, c)?;
        // Replicas are compared by hash, so it must agree with equality.
        prop_assert_eq!(join(a, b).hash(), join(b, a).hash());
        prop_assert_eq!(a == b, a.hash() == b.hash());
        prop_assert_eq!(join(a, b).key(), a.key());
        Ok(())
    });
}

macro_rules! lattices {
    ($($name:ident: $variant:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            check_rows(RowType::$variant);
        })*
        #[test]
        fn every_row_type_is_tested() {
            assert_eq!(RowType::ALL, [$(RowType::$variant),*]);
        }
    };
}
lattices! {
    progress: Progress, session: Session, attempt: Attempt, answer: Answer, grade: Grade, review: Review,
    review_void: ReviewVoid, kv: Kv, decision: Decision, note_revision: NoteRevision, note_life: NoteLife,
}

#[test]
fn extra() {
    check(arbitrary::extra().boxed(), |a, b, c| {
        laws(a, b, c)?;
        prop_assert_eq!(&Extra::from_text(&a.to_text()), a, "the stored form is complete");
        prop_assert_eq!(join(a, b).to_text(), join(b, a).to_text());
        Ok(())
    });
}

/// The limits of unknown fields are part of the join: removing fields over them before a join, after it or both is
/// equivalent.
#[test]
fn extra_at_its_limits() {
    check_cases(cases(500), arbitrary::edge_extra().boxed(), |a, b, c| {
        laws(a, b, c)?;
        let limited = |extra: &Extra| {
            let mut extra = extra.clone();
            extra.limit();
            extra
        };
        let (la, lb) = (limited(a), limited(b));
        prop_assert_eq!(&la.to_text(), &a.to_text(), "the stored form is within the limits");
        prop_assert_eq!(
            join(a, b).to_text(),
            join(&la, &lb).to_text(),
            "the limits before the join do not change the result"
        );
        let joined = join(&join(a, b), c);
        prop_assert!(!joined.clone().limit(), "nothing is over the limits");
        prop_assert!(joined.to_text().len() <= Extra::MAX_BYTES);
        // A text that an earlier release stored without limits is read within them.
        let raw = serde_json::to_string(&a.0).unwrap();
        prop_assert_eq!(Extra::from_text(&raw).to_text(), a.to_text());
        Ok(())
    });
}

/// A join of valid rows is accepted by devices and the server, and fits into one push.
#[test]
fn a_join_of_valid_rows_is_valid() {
    // The rows are large, so few cases are run.
    let cases = if std::env::var_os("CARREL_LONG").is_some() { 200 } else { 4 };
    for row_type in RowType::ALL {
        let config =
            ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
        let one = || arbitrary::valid_row(*row_type);
        let run = TestRunner::new(config).run(&(one(), one(), one()), |(a, mut b, mut c)| {
            for row in [&mut b, &mut c] {
                if row.key() != a.key() {
                    *row = a.clone();
                }
            }
            for row in [&a, &b, &c] {
                prop_assert_eq!(row.validate(), Ok(()));
            }
            laws(&a, &b, &c)?;
            let joined = join(&join(&a, &b), &c);
            prop_assert_eq!(joined.validate(), Ok(()));
            let json = serde_json::to_string(&joined).unwrap();
            prop_assert!(json.len() + 1024 <= MAX_PUSH_BYTES, "{} bytes", json.len());
            prop_assert_eq!(Row::from_json(&json).unwrap(), joined, "the JSON round trip");
            Ok(())
        });
        if let Err(e) = run {
            panic!("{row_type:?}: {e}");
        }
    }
}

#[test]
fn rows_accepted_by_an_earlier_release_are_valid() {
    let fields = |n: usize, value: serde_json::Value| {
        Extra((0..n).map(|i| (format!("k{i:03}"), value.clone())).collect())
    };
    let nested = (0..100).fold(json!(1), |inner, _| json!([inner]));
    // (unknown fields, whether the row is valid, how many are kept)
    let table = [
        (fields(1, json!("v".repeat(4000))), true, 1),
        (fields(300, json!(1)), true, Extra::MAX_FIELDS),
        (fields(1, nested), true, 0),
        (fields(16, json!("v".repeat(4000))), true, 16),
        (fields(17, json!("v".repeat(4000))), false, 16),
        (fields(1, json!("v".repeat(4090))), false, 0),
        (fields(600, json!("v")), false, 16),
    ];
    for (i, (extra, valid, kept)) in table.into_iter().enumerate() {
        let mut row = Progress::none(ItemKind::Section, ItemId::new("a/b/c").unwrap());
        row.extra = extra;
        assert_eq!(row.validate().is_ok(), valid, "row {i}: {:?}", row.validate());
        let stored = Extra::from_text(&row.extra.to_text());
        assert_eq!(stored.0.len(), kept, "row {i}");
    }
}

/// 31 MiB of unknown fields, which earlier releases could store: parsed without keeping them in memory.
#[test]
fn an_over_long_stored_form_is_read_within_the_limits() {
    let mut text = String::from("{");
    for n in 0..8_000 {
        text.push_str(&format!("\"field{n:05}\":\"{}\",", "v".repeat(4_000)));
    }
    text.push_str("\"zz\":1}");
    let extra = Extra::from_text(&text);
    assert_eq!(extra.0.len(), Extra::MAX_FIELDS);
    assert!(extra.0.contains_key("field00000") && extra.to_text().len() <= Extra::MAX_BYTES);
    for broken in ["[1]", "1", "{\"x\":", "{\"x\":1}}", "{\"x\":1e999}", "{\"x\":\"\\ud800\"}"] {
        assert!(Extra::from_text(broken).is_empty(), "{broken}");
    }
}

#[test]
fn only_the_earliest_submission_counts_together_with_its_answers() {
    let attempt = |submitted_ms: Option<i64>, answer: Option<&str>| Attempt {
        id: carrel_model::AttemptId::from_u128(1),
        quiz: ItemId::new("c/q").unwrap(),
        quiz_hash: carrel_model::BlobHash::of(b"quiz"),
        started_ms: 1_790_000_000_000,
        day: None,
        off_min: None,
        submitted_ms,
        answers: answer.map(|a| [(Slug::new("q").unwrap(), a.to_owned())].into()),
        extra: Extra::default(),
    };
    let open = attempt(None, None);
    let first = attempt(Some(1_790_000_001_000), Some("first"));
    let later = attempt(Some(1_790_000_002_000), Some("a later one"));
    for order in [[&open, &first, &later], [&later, &first, &open], [&first, &later, &open]] {
        let joined = join(&join(order[0], order[1]), order[2]);
        assert_eq!(joined, first);
    }
    assert!(attempt(None, Some("x")).validate().is_err(), "answers without a submission");
    let long = "v".repeat(Answer::MAX_VALUE + 1);
    assert!(attempt(Some(1_790_000_001_000), Some(&long)).validate().is_err());
}

#[test]
fn an_enrolment_request_is_true_false_or_null() {
    let kv = |ns: &str, key: &str, value: &str| Kv {
        ns: ns.into(),
        key: key.into(),
        value: value.into(),
        hlc: Hlc::new(1_790_000_000_000, 0),
        device: DeviceId::from_u128(1),
        extra: Extra::default(),
    };
    for value in ["true", "false", "null"] {
        assert!(kv("enrolment", "rivers", value).validate().is_ok(), "{value}");
    }
    for value in ["garbage", "\"true\"", "TRUE", " true", "1", "[true]", "{}", ""] {
        assert!(kv("enrolment", "rivers", value).validate().is_err(), "{value}");
    }
    assert!(
        kv("setting", "../x", "garbage").validate().is_ok(),
        "other registers may contain any text"
    );
}

#[test]
fn rows_round_trip_through_json() {
    let config =
        ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let run = TestRunner::new(config).run(&arbitrary::any_row(2), |row| {
        let text = serde_json::to_string(&row).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let back: Row =
            serde_json::from_str(&text).map_err(|e| TestCaseError::fail(format!("{text}: {e}")))?;
        prop_assert_eq!(back.hash(), row.hash());
        prop_assert_eq!(&back, &row);
        prop_assert_eq!(
            Row::from_json(&text).ok(),
            Some(back),
            "the fast parser returns the same row"
        );
        Ok(())
    });
    if let Err(e) = run {
        panic!("{e}");
    }
}

#[test]
fn the_fast_parser_rejects_the_same_rows_as_serde() {
    let progress = r#""kind":"section","item":"a/b/c","percent":5"#;
    let table = [
        format!(r#"{{"type":"progress",{progress}}}"#),
        format!(r#"{{{progress},"type":"progress"}}"#),
        format!(r#"{{"\u0074ype":"pro\u0067ress",{progress},"new":{{"type":1}}}}"#),
        format!(r#"{{"type":"progress","type":"kv",{progress}}}"#),
        format!(r#"{{"type":"progress",{progress},"percent":6}}"#),
        format!(r#"{{"type":"hologram",{progress}}}"#),
        format!(r#"{{"type":null,{progress}}}"#),
        format!(r#"{{{progress}}}"#),
        format!(r#"{{"type":"progress",{progress}}} "#),
        format!(r#"{{"type":"progress",{progress}}} x"#),
        format!(r#"{{"type":"progress",{progress}"#),
        r#"{"type":"decision"}"#.to_owned(),
        format!(r#" {{{progress},"type":"progress"}}"#),
        "[]".to_owned(),
        "null".to_owned(),
        String::new(),
    ];
    for json in table {
        let slow = serde_json::from_str::<Row>(&json).ok();
        assert_eq!(Row::from_json(&json).ok(), slow, "{json}");
    }
    let device = "00000000-0000-0000-0000-000000000001";
    let pos = format!(r#"["000000000000000a","{device}","p3"]"#);
    for array in [
        r#"["progress"]"#.to_owned(),
        format!(r#"["progress",{{{progress}}}]"#),
        format!(r#"[{{"type":"progress",{progress}}}]"#),
        format!(r#"{{"type":"progress",{progress},"pos":{pos}}}"#),
        format!(r#"{{"type":["progress"],{progress}}}"#),
    ] {
        assert!(Row::from_json(&array).is_err(), "an array is rejected: {array}");
    }
}

#[test]
fn a_fold_is_independent_of_order_repetition_and_batches() {
    let config =
        ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let history = proptest::collection::vec(arbitrary::any_row(2), 0..16).prop_shuffle();
    let again = history.clone().prop_flat_map(|h| {
        let len = h.len();
        (Just(h.clone()), Just(h).prop_shuffle(), 0..=len, 0..=len)
    });
    let run = TestRunner::new(config).run(&again, |(history, other, cut, repeat)| {
        let once = fold(history.clone());
        prop_assert_eq!(&fold(other.clone()), &once, "order");
        prop_assert_eq!(&fold(other.iter().chain(&history[..repeat]).cloned()), &once, "repeats");
        let (a, b) = other.split_at(cut);
        let batches =
            fold(a.iter().cloned()).into_values().chain(fold(b.iter().cloned()).into_values());
        prop_assert_eq!(&fold(batches), &once, "batches");
        Ok(())
    });
    if let Err(e) = run {
        panic!("{e}");
    }
}

/// Checks the laws for all triples of these states.
fn exhaustive<T: Join + Clone + PartialEq + std::fmt::Debug>(states: &[T]) {
    for a in states {
        for b in states {
            for c in states {
                if let Err(e) = laws(a, b, c) {
                    panic!("{e}\n{a:?}\n{b:?}\n{c:?}");
                }
            }
        }
    }
}
fn extras() -> Vec<Extra> {
    let field = |n: i64| Extra([("x".to_owned(), json!(n))].into());
    vec![Extra::default(), field(1), field(2)]
}

#[test]
fn progress_exhaustively() {
    let item = ItemId::new("a").unwrap();
    let places = [None, Some((0, 0, "")), Some((1, 0, "a")), Some((1, 1, ""))];
    let mut states = Vec::new();
    for (generation, percent) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        for done_ms in [None, Some(-1), Some(1)] {
            for place in places {
                let pos = place.map(|(hlc, device, at)| Position {
                    hlc: Hlc::from_raw(hlc).unwrap(),
                    device: DeviceId::from_u128(device),
                    at: at.to_owned(),
                });
                let none = Progress::none(ItemKind::Story, item.clone());
                states.push(Progress { generation, percent, done_ms, pos, ..none });
            }
        }
    }
    exhaustive(&states);
}

#[test]
fn kv_exhaustively() {
    let mut states = Vec::new();
    for hlc in [0, 1] {
        for device in [0, 1] {
            for value in ["", "a"] {
                for extra in extras() {
                    let (ns, key, value) = ("setting".to_owned(), "a".to_owned(), value.to_owned());
                    let (hlc, device) = (Hlc::from_raw(hlc).unwrap(), DeviceId::from_u128(device));
                    states.push(Kv { ns, key, value, hlc, device, extra });
                }
            }
        }
    }
    exhaustive(&states);
}

#[test]
fn answer_exhaustively() {
    let mut states = Vec::new();
    for seq in [0, 1, u32::MAX] {
        for value in ["", "a", "b"] {
            for extra in extras() {
                let attempt = carrel_model::AttemptId::from_u128(1);
                let question = Slug::new("q").unwrap();
                states.push(Answer { attempt, question, seq, value: value.to_owned(), extra });
            }
        }
    }
    exhaustive(&states);
}

#[test]
fn only_a_restart_lowers_the_percentage() {
    let mut row = Progress::none(ItemKind::Section, ItemId::new("a/b/c").unwrap());
    let said = |generation, percent| Progress { generation, percent, ..row.clone() };
    let (late, restart, finished) = (said(0, 2_000), said(1, 0), said(0, 9_000));
    row.join(&finished);
    row.join(&late);
    assert_eq!((row.generation, row.percent), (0, 9_000), "an old retry arrives late");
    row.join(&restart);
    row.join(&finished);
    assert_eq!((row.generation, row.percent), (1, 0));
}
