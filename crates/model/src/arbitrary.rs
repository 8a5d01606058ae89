//! Strategies for rows of every kind, for property tests here and in the crates above (feature `arbitrary`).
//!
//! Domains are small, so that keys and values collide often, and hold the edges: zero, the greatest numbers, texts whose order
//! differs between UTF-8 and UTF-16 or between upper and lower case, texts with zero bytes, unknown fields. Rows need not be valid:
//! the laws hold for all. One thing is left out, as storage cannot tell it from "never": the time `i64::MAX`.

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    AttemptId, BlobHash, DeviceId, EventId, Hlc, ItemId, RevisionId, SessionId, Slug,
    lattice::{
        Answer, Attempt, Decision, DecisionStatus, Extra, Grade, ItemKind, Kv, NoteLife,
        NoteRevision, Position, Progress, Review, ReviewVoid, Row, RowType, Session,
    },
};

/// Rows of one kind over at most `keys` different keys (at least 1).
pub fn row(row_type: RowType, keys: u8) -> BoxedStrategy<Row> {
    match row_type {
        RowType::Progress => progress(keys).prop_map(Row::from).boxed(),
        RowType::Session => session(keys).prop_map(Row::from).boxed(),
        RowType::Attempt => attempt(keys).prop_map(Row::from).boxed(),
        RowType::Answer => answer(keys).prop_map(Row::from).boxed(),
        RowType::Grade => grade(keys).prop_map(Row::from).boxed(),
        RowType::Review => review(keys).prop_map(Row::from).boxed(),
        RowType::ReviewVoid => review_void(keys).prop_map(Row::from).boxed(),
        RowType::Kv => kv(keys).prop_map(Row::from).boxed(),
        RowType::Decision => decision(keys).prop_map(Row::from).boxed(),
        RowType::NoteRevision => note_revision(keys).prop_map(Row::from).boxed(),
        RowType::NoteLife => note_life(keys).prop_map(Row::from).boxed(),
    }
}

/// Rows of all kinds, each kind over at most `keys` keys.
pub fn any_row(keys: u8) -> BoxedStrategy<Row> {
    proptest::strategy::Union::new(RowType::ALL.iter().map(|t| row(*t, keys))).boxed()
}

pub fn progress(keys: u8) -> impl Strategy<Value = Progress> {
    let kind = nth(keys, [ItemKind::Story, ItemKind::Section, ItemKind::Media]);
    let values = (
        small_u32(),
        select(vec![0, 1, 5_000, 9_999, 10_000, u16::MAX]),
        option::of(int()),
        option::of(position()),
    );
    (kind, values, extra()).prop_map(|(kind, (generation, percent, done_ms, pos), extra)| {
        let done_ms = done_ms.filter(|ms| *ms != i64::MAX);
        Progress { kind, item: ItemId::from(slug("a")), generation, percent, done_ms, pos, extra }
    })
}
pub fn position() -> impl Strategy<Value = Position> {
    (hlc(), uuid(), text()).prop_map(|(hlc, device, at)| Position {
        hlc,
        device: DeviceId(device),
        at,
    })
}
pub fn session(keys: u8) -> impl Strategy<Value = Session> {
    let payload = (item(), uuid(), int(), text());
    (id(keys), payload, int(), extra()).prop_map(
        |(id, (item, device, started_ms, day), active_ms, extra)| Session {
            id: SessionId(id),
            item,
            device: DeviceId(device),
            started_ms,
            day,
            active_ms,
            extra,
        },
    )
}
pub fn attempt(keys: u8) -> impl Strategy<Value = Attempt> {
    (id(keys), item(), hash(), int(), option::of(int()), extra()).prop_map(
        |(id, quiz, quiz_hash, started_ms, submitted_ms, extra)| Attempt {
            id: AttemptId(id),
            quiz,
            quiz_hash,
            started_ms,
            submitted_ms: submitted_ms.filter(|ms| *ms != i64::MAX),
            extra,
        },
    )
}
pub fn answer(keys: u8) -> impl Strategy<Value = Answer> {
    (id(keys), small_u32(), text(), extra()).prop_map(|(attempt, seq, value, extra)| Answer {
        attempt: AttemptId(attempt),
        question: slug("q"),
        seq,
        value,
        extra,
    })
}
pub fn grade(keys: u8) -> impl Strategy<Value = Grade> {
    (id(keys), small_u32(), int(), int(), int(), extra()).prop_map(
        |(attempt, rev, points, max_points, graded_ms, extra)| Grade {
            attempt: AttemptId(attempt),
            rev,
            points,
            max_points,
            graded_ms,
            extra,
        },
    )
}
pub fn review(keys: u8) -> impl Strategy<Value = Review> {
    (id(keys), item(), any::<u8>().prop_map(|n| n % 5), int(), int(), extra()).prop_map(
        |(id, word, rating, at_ms, duration_ms, extra)| Review {
            id: EventId(id),
            word,
            rating,
            at_ms,
            duration_ms,
            extra,
        },
    )
}
pub fn review_void(keys: u8) -> impl Strategy<Value = ReviewVoid> {
    (id(keys), extra()).prop_map(|(id, extra)| ReviewVoid { id: EventId(id), extra })
}
pub fn kv(keys: u8) -> impl Strategy<Value = Kv> {
    let key = nth(
        keys,
        [("setting", "a"), ("setting", "A"), ("bookmark", "a\u{1f}b"), ("é", "\u{10000}")],
    );
    (key, text(), hlc(), uuid(), extra()).prop_map(|((ns, key), value, hlc, device, extra)| Kv {
        ns: ns.into(),
        key: key.into(),
        value,
        hlc,
        device: DeviceId(device),
        extra,
    })
}
pub fn decision(keys: u8) -> impl Strategy<Value = Decision> {
    let status =
        select(vec![DecisionStatus::Pending, DecisionStatus::Active, DecisionStatus::Refused]);
    (nth(keys, ["a", "b", "a-b"]), small_u32(), status, text(), extra()).prop_map(
        |(course, rev, status, reason, extra)| Decision {
            course: slug(course),
            rev,
            status,
            reason,
            extra,
        },
    )
}
pub fn note_revision(keys: u8) -> impl Strategy<Value = NoteRevision> {
    let payload = (uuid(), vec(uuid(), 0..3), hlc(), item(), text(), text());
    (id(keys), payload, extra()).prop_map(|(rev, (note, base, hlc, item, body, anchor), extra)| {
        NoteRevision {
            rev: RevisionId(rev),
            note: RevisionId(note),
            base: base.into_iter().map(RevisionId).collect(),
            hlc,
            item,
            body,
            anchor,
            extra,
        }
    })
}
pub fn note_life(keys: u8) -> impl Strategy<Value = NoteLife> {
    (id(keys), hlc(), extra()).prop_map(|(note, deleted, extra)| NoteLife {
        note: RevisionId(note),
        deleted,
        extra,
    })
}

/// Mostly none; else up to three unknown fields with values of all JSON types.
pub fn extra() -> impl Strategy<Value = Extra> {
    let value = prop_oneof![
        4 => select(vec![Value::Null, json!(true), json!(0), json!(-1), json!(10), json!(9), json!("9"), json!("")]),
        2 => select(vec![json!([1, "é"]), json!([]), json!({"b": 1, "a": [{}]}), json!({}), json!(u64::MAX), json!(i64::MIN)]),
        1 => select(vec![json!(0.1), json!(-0.0), json!(0.0), json!(1.0), json!(1e300), json!(5e-324), json!(0.30000000000000004)]),
        1 => any::<f64>().prop_map(|f| json!(f)),
        1 => text().prop_map(Value::String),
    ];
    let name = prop_oneof![6 => select(vec!["x", "y", "é"]).prop_map(str::to_owned), 1 => text()];
    prop_oneof![
        2 => Just(Extra::default()),
        1 => vec((name, value), 1..=3).prop_map(|fields| Extra(fields.into_iter().collect())),
    ]
}

/// Texts that sort differently under collations, UTF-16 or C strings.
pub fn text() -> impl Strategy<Value = String> {
    let edges = [
        "",
        "a",
        "A",
        "b",
        "a ",
        "é",
        "e\u{301}",
        "\u{ffff}",
        "\u{10000}",
        "a\0",
        "a\0b",
        "\u{1f}",
        "10",
        "9",
        "null",
    ];
    prop_oneof![
        6 => select(edges.to_vec()).prop_map(str::to_owned),
        1 => vec(any::<char>(), 0..6).prop_map(String::from_iter),
    ]
}
pub fn hlc() -> impl Strategy<Value = Hlc> {
    select(vec![0, 1, 2, 1 << 16, i64::MAX]).prop_map(|n| Hlc::from_raw(n).unwrap_or_default())
}
pub fn uuid() -> impl Strategy<Value = Uuid> {
    prop_oneof![4 => select(vec![0, 1, 2, u128::MAX]), 1 => any::<u128>()].prop_map(Uuid::from_u128)
}

fn id(keys: u8) -> impl Strategy<Value = Uuid> {
    (0..keys.max(1)).prop_map(|n| Uuid::from_u128(n.into()))
}
fn nth<T: Copy + std::fmt::Debug + 'static, const N: usize>(
    keys: u8,
    of: [T; N],
) -> impl Strategy<Value = T> {
    (0..usize::from(keys).clamp(1, N)).prop_map(move |n| of[n])
}
fn int() -> impl Strategy<Value = i64> {
    prop_oneof![5 => 0..4_i64, 2 => select(vec![i64::MIN, -1, 1_790_000_000_000, i64::MAX - 1, i64::MAX]), 1 => any::<i64>()]
}
fn small_u32() -> impl Strategy<Value = u32> {
    prop_oneof![6 => 0..4_u32, 1 => Just(u32::MAX)]
}
fn hash() -> impl Strategy<Value = BlobHash> {
    (0..3_u8).prop_map(|n| BlobHash([n.wrapping_sub(1); 32]))
}
fn item() -> impl Strategy<Value = ItemId> {
    select(vec!["a", "b", "a/b"]).prop_map(|t| ItemId::new(t).expect("an item id"))
}
fn slug(text: &str) -> Slug {
    Slug::new(text).expect("a slug")
}
