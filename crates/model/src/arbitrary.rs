//! Strategies for rows of every type, for property tests here and in dependent crates (feature `arbitrary`).
//!
//! The sets of values are small, so that keys and values often collide, and include edge cases: zero, the greatest
//! numbers, texts whose order differs between UTF-8 and UTF-16 or between upper and lower case, texts with zero bytes,
//! unknown fields. Rows may be invalid, because the laws hold for all rows. The time `i64::MAX` is excluded, because
//! storage cannot distinguish it from "never".

use std::collections::BTreeMap;

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    AttemptId, BlobHash, CardKey, DeviceId, EventId, Hlc, ItemId, RevisionId, SessionId, Slug,
    lattice::{
        Answer, Attempt, Decision, DecisionStatus, Extra, Grade, ItemKind, Kv, NoteLife,
        NoteRevision, Position, Progress, Review, ReviewKind, ReviewVoid, Row, RowType, Session,
        study_day,
    },
};

/// Generates rows of one type with at most `keys` different keys (at least 1).
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

/// Generates rows of all types, each with at most `keys` different keys.
pub fn any_row(keys: u8) -> BoxedStrategy<Row> {
    proptest::strategy::Union::new(RowType::ALL.iter().map(|t| row(*t, keys))).boxed()
}

/// Generates progress rows with at most `keys` different keys.
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
/// Generates positions with few different stamps and devices.
pub fn position() -> impl Strategy<Value = Position> {
    (hlc(), uuid(), text()).prop_map(|(hlc, device, at)| Position {
        hlc,
        device: DeviceId(device),
        at,
    })
}
/// Generates sessions with at most `keys` different keys.
pub fn session(keys: u8) -> impl Strategy<Value = Session> {
    let payload = (item(), uuid(), int(), text(), off_min());
    (id(keys), payload, int(), extra()).prop_map(
        |(id, (item, device, started_ms, day, off_min), active_ms, extra)| Session {
            id: SessionId(id),
            item,
            device: DeviceId(device),
            started_ms,
            day,
            off_min,
            active_ms,
            extra,
        },
    )
}
/// Generates attempts with at most `keys` different keys, submitted or not.
pub fn attempt(keys: u8) -> impl Strategy<Value = Attempt> {
    let submission = (option::of(int()), option::of(answers()));
    let start = (int(), day(), off_min());
    (id(keys), item(), hash(), start, submission, extra()).prop_map(
        |(id, quiz, quiz_hash, (started_ms, day, off_min), (submitted_ms, answers), extra)| {
            Attempt {
                id: AttemptId(id),
                quiz,
                quiz_hash,
                started_ms,
                day,
                off_min,
                submitted_ms: submitted_ms.filter(|ms| *ms != i64::MAX),
                answers,
                extra,
            }
        },
    )
}
fn answers() -> impl Strategy<Value = BTreeMap<Slug, String>> {
    vec((select(vec!["a", "b"]), text()), 0..3)
        .prop_map(|all| all.into_iter().map(|(q, value)| (slug(q), value)).collect())
}
/// Generates answers with at most `keys` different keys.
pub fn answer(keys: u8) -> impl Strategy<Value = Answer> {
    (id(keys), small_u32(), text(), extra()).prop_map(|(attempt, seq, value, extra)| Answer {
        attempt: AttemptId(attempt),
        question: slug("q"),
        seq,
        value,
        extra,
    })
}
/// Generates grades with at most `keys` different keys.
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
/// Generates reviews with at most `keys` different keys.
pub fn review(keys: u8) -> impl Strategy<Value = Review> {
    let payload = (item(), any::<u8>().prop_map(|n| n % 5), int(), int());
    let kind = option::of(select(ReviewKind::ALL.to_vec()));
    let card = option::of(select(vec!["en//a", "en//é", "item//a/b"]));
    let params = option::of(select(vec!["", "0123456789abcdef"]));
    (id(keys), payload, (day(), off_min(), kind, card, params), extra()).prop_map(
        |(id, (word, rating, at_ms, duration_ms), (day, off_min, kind, card, params), extra)| {
            Review {
                id: EventId(id),
                word,
                rating,
                at_ms,
                duration_ms,
                day,
                off_min,
                kind,
                card: card.and_then(|card| CardKey::new(card).ok()),
                params: params.map(str::to_owned),
                extra,
            }
        },
    )
}
fn day() -> impl Strategy<Value = Option<i32>> {
    option::of(select(vec![0, 1, -1, 20_777, i32::MIN, i32::MAX]))
}
fn off_min() -> impl Strategy<Value = Option<i16>> {
    option::of(select(vec![0, 60, -720, i16::MIN, i16::MAX]))
}
/// Generates voids with at most `keys` different keys.
pub fn review_void(keys: u8) -> impl Strategy<Value = ReviewVoid> {
    (id(keys), extra()).prop_map(|(id, extra)| ReviewVoid { id: EventId(id), extra })
}
/// Generates registers with at most `keys` different keys.
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
/// Generates decisions with at most `keys` different keys.
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
/// Generates note revisions with at most `keys` different keys.
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
/// Generates note deletions with at most `keys` different keys.
pub fn note_life(keys: u8) -> impl Strategy<Value = NoteLife> {
    (id(keys), hlc(), extra()).prop_map(|(note, deleted, extra)| NoteLife {
        note: RevisionId(note),
        deleted,
        extra,
    })
}

/// Generates unknown fields: often none, otherwise up to three with values of all JSON types.
pub fn extra() -> impl Strategy<Value = Extra> {
    prop_oneof![
        2 => Just(Extra::default()),
        1 => vec((name(), value()), 1..=3).prop_map(|fields| Extra(fields.into_iter().collect())),
    ]
}

/// Generates unknown fields at, below and above each of their limits: count, bytes, depth.
pub fn edge_extra() -> impl Strategy<Value = Extra> {
    let max = Extra::MAX_FIELD_BYTES;
    // The JSON of a string field consists of its name, its value and 5 other characters.
    let long = (name(), max - 12..max + 2, select(vec!["n", "\u{1}", "é"])).prop_map(
        move |(name, bytes, letter)| {
            let each = json!(letter).to_string().len() - 2;
            (name, json!(letter.repeat(bytes / each)))
        },
    );
    let deep = (name(), Extra::MAX_DEPTH - 2..Extra::MAX_DEPTH + 3).prop_map(|(name, depth)| {
        (
            name,
            (0..depth).fold(json!(1), |inner, n| {
                if n % 2 == 0 { json!([inner]) } else { json!({"d": inner}) }
            }),
        )
    });
    let field = prop_oneof![
        2 => long,
        2 => deep,
        1 => (select(vec![max - 20, max - 4, max - 3, max]).prop_map(|n| "k".repeat(n)), value()),
        4 => (name(), value()),
    ];
    let many = (0..40_u32, 1..40_u32).prop_map(|(from, count)| {
        (from..from + count).map(|n| (format!("f{n:02}"), json!(n))).collect::<Vec<_>>()
    });
    (vec(field, 0..4), prop_oneof![Just(Vec::new()), many])
        .prop_map(|(few, many)| Extra(few.into_iter().chain(many).collect()))
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![6 => select(vec!["x", "y", "é", "e\u{301}", ""]).prop_map(str::to_owned), 1 => text()]
}
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => select(vec![Value::Null, json!(true), json!(0), json!(-1), json!(10), json!(9), json!("9"), json!("")]),
        2 => select(vec![json!([1, "é"]), json!([]), json!({"b": 1, "a": [{}]}), json!({}), json!(u64::MAX),
            json!(i64::MIN)]),
        1 => select(vec![json!(0.1), json!(-0.0), json!(0.0), json!(1.0), json!(1e300), json!(5e-324),
            json!(0.30000000000000004)]),
        1 => any::<f64>().prop_map(|f| json!(f)),
        1 => text().prop_map(Value::String),
    ]
}

/// Generates valid rows of one type whose fields are at the edges of their limits, for the test
/// `a_join_of_valid_rows_is_valid`.
pub fn valid_row(row_type: RowType) -> BoxedStrategy<Row> {
    let edge = |kept: std::ops::RangeInclusive<i64>| {
        select(vec![*kept.start(), *kept.start() + 1, *kept.end() - 1, *kept.end()])
    };
    let long = |max: usize| {
        select(vec![
            String::new(),
            "z".repeat(max),
            "\u{1}".repeat(max),
            format!("a{}", "é".repeat((max - 1) / 2)),
        ])
    };
    let time = || edge(crate::lattice::TIME_MS);
    let base: BoxedStrategy<Row> = match row_type {
        RowType::Progress => (
            progress(1),
            select(vec![0, 1_000_000]),
            edge(0..=10_000),
            option::of(time()),
            option::of(long(200)),
        )
            .prop_map(|(row, generation, percent, done_ms, at)| {
                let pos = row.pos.zip(at).map(|(p, at)| Position {
                    hlc: p.hlc.max(Hlc::ZERO.tick(1)),
                    at,
                    ..p
                });
                Progress { generation, percent: percent as u16, done_ms, pos, ..row }.into()
            })
            .boxed(),
        RowType::Session => (session(1), time(), edge(0..=Session::MAX_ACTIVE_MS))
            .prop_map(|(row, started_ms, active_ms)| {
                let day = crate::lattice::day_of(String::new(), started_ms);
                let off_min = row.off_min.filter(|min| (-720..=840).contains(min));
                Session { started_ms, day, off_min, active_ms, ..row }.into()
            })
            .boxed(),
        RowType::Attempt => {
            let most = Attempt::MAX_ANSWERS;
            let few = (1..3_usize, long(Answer::MAX_VALUE / 8));
            let many = (most - 1..=most, Just("v".to_owned()));
            let answers = prop_oneof![few.boxed(), many.boxed()].prop_map(|(count, value)| {
                (0..count)
                    .map(|n| (slug(&format!("q{n}")), value.clone()))
                    .collect::<BTreeMap<_, _>>()
            });
            (attempt(1), time(), option::of((time(), option::of(answers))))
                .prop_map(|(row, started_ms, submission)| {
                    let (submitted_ms, answers) =
                        submission.map_or((None, None), |(ms, a)| (Some(ms), a));
                    let day = row.day.map(|_| study_day(started_ms, 0, 0));
                    let off_min = day.map(|_| 840);
                    Attempt { started_ms, day, off_min, submitted_ms, answers, ..row }.into()
                })
                .boxed()
        }
        RowType::Answer => (answer(1), edge(0..=1_000_000), long(Answer::MAX_VALUE))
            .prop_map(|(row, seq, value)| Answer { seq: seq as u32, value, ..row }.into())
            .boxed(),
        RowType::Grade => (grade(1), edge(0..=i64::MAX), any::<bool>(), time())
            .prop_map(|(row, max_points, all, graded_ms)| {
                let points = if all { max_points } else { 0 };
                Grade { points, max_points, graded_ms, ..row }.into()
            })
            .boxed(),
        RowType::Review => (review(1), time(), edge(0..=3_600_000))
            .prop_map(|(row, at_ms, duration_ms)| {
                let row = Review { at_ms, duration_ms, ..row };
                let day = row.day.map(|_| study_day(at_ms, 0, 0));
                let filled = Review {
                    off_min: Some(-720),
                    kind: row.kind.or(Some(ReviewKind::Learn)),
                    card: row.card.clone().or_else(|| Some(CardKey::of_word("am", None, "ወንዝ"))),
                    params: row.params.clone().or_else(|| Some(String::new())),
                    ..row.clone()
                };
                match day {
                    Some(_) => Review { day, ..filled },
                    None => {
                        Review { day, off_min: None, kind: None, card: None, params: None, ..row }
                    }
                }
                .into()
            })
            .boxed(),
        RowType::Kv => {
            (kv(1), long(16 * 1024), any::<bool>(), select(vec!["true", "false", "null"]))
                .prop_map(|(row, value, is_enrolment, wanted)| {
                    let hlc = row.hlc.max(Hlc::ZERO.tick(1));
                    match is_enrolment {
                        true => Kv {
                            ns: crate::lattice::ENROLMENT.into(),
                            key: "c".into(),
                            value: wanted.into(),
                            hlc,
                            ..row
                        },
                        false => Kv { value, hlc, ..row },
                    }
                    .into()
                })
                .boxed()
        }
        RowType::Decision => (decision(1), long(1000))
            .prop_map(|(row, reason)| Decision { reason, ..row }.into())
            .boxed(),
        RowType::NoteRevision => (note_revision(1), 0..=16_u128, long(64 * 1024), long(1000))
            .prop_map(|(row, bases, body, anchor)| {
                let base = (0..bases).map(RevisionId::from_u128).collect();
                let hlc = row.hlc.max(Hlc::ZERO.tick(1));
                NoteRevision { base, body, anchor, hlc, ..row }.into()
            })
            .boxed(),
        RowType::ReviewVoid | RowType::NoteLife => row(row_type, 1),
    };
    // The generated fields may exceed the limits; `limit` removes the rest.
    let extra = prop_oneof![Just(Extra::default()), edge_extra(), full_extra()];
    (base, extra)
        .prop_map(|(mut row, mut extra)| {
            extra.limit();
            *row.extra_mut() = extra;
            row
        })
        .boxed()
}

/// Generates the maximum number of unknown fields, each of the maximum size.
fn full_extra() -> impl Strategy<Value = Extra> {
    (0..3_usize).prop_map(|from| {
        let field = |n: usize| {
            let name = format!("{:02}", n * 3 + from);
            let value = "v".repeat(Extra::MAX_FIELD_BYTES - name.len() - 5);
            (name, json!(value))
        };
        Extra((0..Extra::MAX_FIELDS).map(field).collect())
    })
}

/// Generates texts whose order differs between UTF-8, UTF-16, collations and C strings.
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
/// Generates stamps including the edge values.
pub fn hlc() -> impl Strategy<Value = Hlc> {
    select(vec![0, 1, 2, 1 << 16, i64::MAX]).prop_map(|n| Hlc::from_raw(n).unwrap_or_default())
}
/// Generates ids including the edge values.
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
    prop_oneof![
        5 => 0..4_i64,
        2 => select(vec![i64::MIN, -1, 1_790_000_000_000, i64::MAX - 1, i64::MAX]),
        1 => any::<i64>()
    ]
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
