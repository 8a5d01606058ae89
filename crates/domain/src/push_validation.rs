//! Validation of pushed items before they reach the store: each is parsed and checked separately, and rows with the
//! same key are merged.
//!
//! Not here: merging with stored rows, and change numbers (`change_log`).

use std::{collections::BTreeMap, fmt::Display};

use carrel_model::{
    Hlc,
    lattice::{DAY_MS, Join, Row, RowType, Validate, study_day},
    strict,
    wire::{PushResult, RefusalReason, ResultCode},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{change_log::Refusal, clock::MAX_AHEAD_MS};

/// The same for the time at which an item was finished, which orders no rows. Clocks that are wrong by some days are
/// common, but a row further ahead would count for a day far in the future.
pub const MAX_WALL_AHEAD_MS: i64 = 31 * DAY_MS;
/// How many days the study day of a row may be after the server's UTC day: in the zones ahead of UTC it is the next
/// day.
const MAX_DAYS_AHEAD: i32 = 1;

/// The result of each item, and the rows to merge: one for each key, sorted by key.
pub struct Checked {
    pub results: Vec<PushResult>,
    pub rows: Vec<Row>,
    /// For each item, the index of its row in `rows`.
    row_of: Vec<Option<usize>>,
}

/// Checks each item separately; an invalid item does not block the others.
pub fn check(items: &[Box<RawValue>], now_ms: i64) -> Checked {
    Checked::of(items.iter().map(|item| check_one(item.get(), now_ms)))
}

impl Checked {
    /// Collects the results and merges rows with equal keys.
    pub fn of(items: impl Iterator<Item = Result<Row, Refusal>>) -> Self {
        let mut valid = Vec::with_capacity(items.size_hint().0);
        let mut results = Vec::with_capacity(items.size_hint().0);
        for (index, item) in items.enumerate() {
            let (code, reason) = match item {
                Ok(row) => {
                    valid.push((row.key(), index, row));
                    (ResultCode::Ok, String::new())
                }
                Err(refusal) => refusal,
            };
            results.push(PushResult { index: index as u32, code, reason });
        }
        valid.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let mut row_of = vec![None; results.len()];
        let mut rows: Vec<Row> = Vec::with_capacity(valid.len());
        let mut last = None;
        for (key, index, row) in valid {
            match rows.last_mut().filter(|_| last.as_ref() == Some(&key)) {
                Some(joined) => joined.join(&row),
                None => rows.push(row),
            }
            last = Some(key);
            row_of[index] = Some(rows.len() - 1);
        }
        Self { results, rows, row_of }
    }
    /// Sets the results of the rows that the store refused.
    pub fn refuse(&mut self, refused: Vec<(usize, Refusal)>) {
        if refused.is_empty() {
            return;
        }
        let refused: BTreeMap<usize, Refusal> = refused.into_iter().collect();
        for (result, row_index) in self.results.iter_mut().zip(&self.row_of) {
            if let Some((code, reason)) = row_index.and_then(|p| refused.get(&p)) {
                (result.code, result.reason) = (*code, reason.clone());
            }
        }
    }
    /// Returns the index of an item's row in `rows`.
    pub fn row_of(&self, index: usize) -> Option<usize> {
        self.row_of.get(index).copied().flatten()
    }
}

#[derive(Deserialize)]
struct TypeField {
    #[serde(rename = "type")]
    row_type: String,
}

fn check_one(json: &str, now_ms: i64) -> Result<Row, Refusal> {
    let row = match Row::from_json(json) {
        Ok(row) => row,
        Err(problem) => return Err(parse_refusal(json, &problem)),
    };
    check_row(&row, now_ms).map(|()| row)
}

/// Checks a parsed row, also one that was not pushed.
pub fn check_row(row: &Row, now_ms: i64) -> Result<(), Refusal> {
    if row.is_server_only() {
        return Err((ResultCode::Forbidden, server_only_reason(row.row_type())));
    }
    row.validate().map_err(|e| {
        let reason = RefusalReason::text("field", &[("field", &e.field)], &e);
        (ResultCode::Invalid, reason)
    })?;
    if let Some((field, _)) = texts(row).into_iter().find(|(_, text)| text.contains('\0')) {
        let text = format!("{field}: contains the character U+0000, which no database stores");
        let reason = RefusalReason::text("field", &[("field", &field)], text);
        return Err((ResultCode::Invalid, reason));
    }
    if let Some(ahead) = row.wall_ms().map(|ms| ms.saturating_sub(now_ms))
        && ahead > max_wall_ahead_ms(row)
    {
        return Err(if ahead > DAY_MS { days_ahead(ahead / DAY_MS) } else { seconds_ahead(ahead) });
    }
    let today = study_day(now_ms, 0, 0);
    if let Some(day) = row.study_day().filter(|day| *day > today.saturating_add(MAX_DAYS_AHEAD)) {
        return Err(days_ahead(i64::from(day) - i64::from(today)));
    }
    match row.stamp() {
        Some(stamp) if is_ahead(stamp, now_ms) => Err(seconds_ahead(stamp.ms() - now_ms)),
        _ => Ok(()),
    }
}

/// Returns the free texts of a row with the names of their fields. Unknown fields and the answers of an attempt are
/// stored as JSON, in which control characters are escaped.
fn texts(row: &Row) -> Vec<(&'static str, &str)> {
    match row {
        Row::Progress(r) => r.pos.iter().map(|pos| ("pos", pos.at.as_str())).collect(),
        Row::Answer(r) => vec![("value", r.value.as_str())],
        Row::Kv(r) => {
            vec![("ns", r.ns.as_str()), ("key", r.key.as_str()), ("value", r.value.as_str())]
        }
        Row::NoteRevision(r) => vec![("body", r.body.as_str()), ("anchor", r.anchor.as_str())],
        Row::Review(r) => {
            let card = r.card.iter().map(|card| ("card", card.as_str()));
            card.chain(r.params.iter().map(|params| ("params", params.as_str()))).collect()
        }
        Row::Session(_)
        | Row::Attempt(_)
        | Row::Grade(_)
        | Row::ReviewVoid(_)
        | Row::Decision(_)
        | Row::NoteLife(_) => Vec::new(),
    }
}

/// Returns how far the time of a row may be ahead. Reviews are ordered by their times, and sessions and attempts count
/// for their days, so these times must be right.
fn max_wall_ahead_ms(row: &Row) -> i64 {
    match row {
        Row::Session(_) | Row::Review(_) | Row::Attempt(_) => MAX_AHEAD_MS,
        _ => MAX_WALL_AHEAD_MS,
    }
}
fn days_ahead(days: i64) -> Refusal {
    let text = format!("{days} days after the server's clock");
    (ResultCode::ClockSkew, RefusalReason::text("clock_days", &[("days", &days)], text))
}
fn seconds_ahead(ahead_ms: i64) -> Refusal {
    let seconds = ahead_ms / 1000;
    let text = format!("stamped {seconds} s after the server's clock");
    let params: [(&str, &dyn Display); 1] = [("seconds", &seconds)];
    (ResultCode::ClockSkew, RefusalReason::text("clock_seconds", &params, text))
}

/// Returns why an item is not a valid row: its type is unknown or written only by the server, or its fields are
/// invalid.
fn parse_refusal(json: &str, problem: &serde_json::Error) -> Refusal {
    let Ok(TypeField { row_type }) = strict::from_slice(json.as_bytes()) else {
        let text = format!("not a row: {problem}");
        return (ResultCode::Invalid, RefusalReason::text("malformed", &[], text));
    };
    match RowType::parse(&row_type) {
        None => {
            let row_type = truncated(&row_type);
            let text = format!("unknown row type {row_type:?}");
            let reason = RefusalReason::text("unknown_type", &[("type", &row_type)], text);
            (ResultCode::TooNew, reason)
        }
        Some(t @ (RowType::Grade | RowType::Decision)) => {
            (ResultCode::Forbidden, server_only_reason(t))
        }
        Some(t) => {
            let text = format!("{}: {problem}", t.as_str());
            (ResultCode::Invalid, RefusalReason::text("malformed", &[], text))
        }
    }
}

fn server_only_reason(row_type: RowType) -> String {
    let text = format!("only the server writes rows of type {}", row_type.as_str());
    RefusalReason::text("server_only", &[("type", &row_type.as_str())], text)
}

fn is_ahead(stamp: Hlc, now_ms: i64) -> bool {
    stamp.ms() > now_ms.saturating_add(MAX_AHEAD_MS)
}

fn truncated(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use carrel_model::{
        CardKey, EventId, ItemId,
        lattice::{Extra, Review, ReviewKind},
    };

    use super::*;

    #[test]
    fn a_text_with_nul_is_refused_alone() {
        let now = 1_790_000_000_000;
        let (id, stamp) = ("00000000-0000-0000-0000-000000000007", Hlc::new(now, 0));
        let nul = "a\\u0000b";
        let items = [
            format!(
                r#"{{"type":"kv","ns":"setting","key":"k","value":"{nul}","hlc":"{stamp}","device":"{id}"}}"#
            ),
            format!(
                r#"{{"type":"kv","ns":"setting","key":"{nul}","value":"1","hlc":"{stamp}","device":"{id}"}}"#
            ),
            format!(
                r#"{{"type":"kv","ns":"setting","key":"k","value":"1","hlc":"{stamp}","device":"{id}"}}"#
            ),
            format!(
                r#"{{"type":"answer","attempt":"{id}","question":"q","seq":1,"value":"{nul}"}}"#
            ),
            format!(
                r#"{{"type":"note_revision","rev":"{id}","note":"{id}","base":[],"hlc":"{stamp}","item":"c/l/s","body":"{nul}","anchor":""}}"#
            ),
            format!(
                r#"{{"type":"progress","kind":"section","item":"c/l/s","percent":1,"pos":{{"hlc":"{stamp}","device":"{id}","at":"{nul}"}}}}"#
            ),
            // In JSON the character is escaped.
            r#"{"type":"progress","kind":"section","item":"c/l/s","percent":1,"later":"\u0000"}"#
                .to_owned(),
        ];
        let items: Vec<_> =
            items.iter().map(|item| serde_json::from_str::<Box<RawValue>>(item).unwrap()).collect();
        let checked = check(&items, now);
        let codes: Vec<ResultCode> = checked.results.iter().map(|r| r.code).collect();
        let (ok, bad) = (ResultCode::Ok, ResultCode::Invalid);
        assert_eq!(codes, [bad, bad, ok, bad, bad, bad, ok], "{:?}", checked.results);
        assert!(checked.results[0].reason.contains("U+0000"), "{:?}", checked.results[0]);
    }

    #[test]
    fn each_item_is_checked_separately() {
        let now = 1_790_000_000_000;
        let stamp = |ms: i64| Hlc::new(ms, 0).to_string();
        let kv = |hlc: String| {
            format!(
                r#"{{"type":"kv","ns":"setting","key":"k","value":"1","hlc":"{hlc}","device":"00000000-0000-0000-0000-000000000001"}}"#
            )
        };
        let id = "00000000-0000-0000-0000-000000000007";
        let session = |at: i64, day: &str| {
            format!(
                r#"{{"type":"session","id":"{id}","item":"a/b/c","device":"{id}","startedMs":{at},"day":"{day}","activeMs":5}}"#
            )
        };
        let review = |at: i64| {
            format!(
                r#"{{"type":"review","id":"{id}","word":"a/w","rating":3,"atMs":{at},"durationMs":5}}"#
            )
        };
        let review_on = |at: i64, day: i32| {
            format!(
                r#"{{"type":"review","id":"{id}","word":"a/w","rating":3,"atMs":{at},"durationMs":5,"day":{day},"offMin":0,"kind":"review","card":"en//w","params":""}}"#
            )
        };
        let attempt = |at: i64, day: &str| {
            format!(
                r#"{{"type":"attempt","id":"{id}","quiz":"a/q","quizHash":"{}","startedMs":{at},"day":{day},"offMin":0}}"#,
                "0".repeat(64)
            )
        };
        let finished = |at: i64| {
            format!(
                r#"{{"type":"progress","kind":"section","item":"a/b/c","percent":5,"doneMs":{at}}}"#
            )
        };
        let table: Vec<(String, ResultCode, &str)> = vec![
            (r#"{"type":"progress","kind":"section","item":"a/b/c","percent":5}"#.into(), ResultCode::Ok, ""),
            (r#"{"type":"progress","kind":"section","item":"a/b/c","percent":10001}"#.into(), ResultCode::Invalid, "percent"),
            (r#"{"type":"progress","kind":"section","item":"../c","percent":1}"#.into(), ResultCode::Invalid, "item"),
            (r#"{"type":"progress","kind":"chapter","item":"a","percent":1}"#.into(), ResultCode::Invalid, "chapter"),
            (r#"{"type":"progress","item":"a"}"#.into(), ResultCode::Invalid, "kind"),
            (r#"{"type":"hologram","x":1}"#.into(), ResultCode::TooNew, "hologram"),
            (r#"{"x":1}"#.into(), ResultCode::Invalid, "type"),
            (r#"{"type":7}"#.into(), ResultCode::Invalid, "not a row"),
            ("[]".into(), ResultCode::Invalid, "not a row"),
            ("null".into(), ResultCode::Invalid, "not a row"),
            (r#"{"type":"grade","attempt":"00000000-0000-0000-0000-000000000001","rev":1,"points":1,"maxPoints":1,"gradedMs":1790000000000}"#.into(), ResultCode::Forbidden, "grade"),
            (r#"{"type":"decision"}"#.into(), ResultCode::Forbidden, "decision"),
            (kv(stamp(now)), ResultCode::Ok, ""),
            (kv(stamp(now + MAX_AHEAD_MS)), ResultCode::Ok, ""),
            (kv(stamp(now + MAX_AHEAD_MS + 1)), ResultCode::ClockSkew, "clock"),
            (kv("0".repeat(16)), ResultCode::Invalid, "hlc"),
            (kv("zz".into()), ResultCode::Invalid, "16 hex"),
            (kv("+00000000000000a".into()), ResultCode::Invalid, "16 hex"),
            (kv("000000000000000A".into()), ResultCode::Invalid, "16 hex"),
            (kv("7fffffffffffffff".into()), ResultCode::ClockSkew, "clock"),
            (session(now, "2026-09-21"), ResultCode::Ok, ""),
            (session(now + MAX_AHEAD_MS, "2026-09-22"), ResultCode::Ok, ""),
            (session(now + MAX_AHEAD_MS + 1, "2026-09-21"), ResultCode::ClockSkew, "300 s"),
            (session(now + 2 * DAY_MS, "2026-09-23"), ResultCode::ClockSkew, "2 days"),
            (attempt(now, "20718"), ResultCode::Ok, ""),
            (attempt(now, "20719"), ResultCode::Invalid, "day"),
            (attempt(now + MAX_AHEAD_MS + 1, "20717"), ResultCode::ClockSkew, "300 s"),
            (finished(now + MAX_WALL_AHEAD_MS), ResultCode::Ok, ""),
            (finished(now + MAX_WALL_AHEAD_MS + 1), ResultCode::ClockSkew, "31 days"),
            (review_on(now, 20_718), ResultCode::Ok, ""),
            (review_on(now, 20_719), ResultCode::Invalid, "day"),
            (review_on(now + MAX_AHEAD_MS + 1, 20_717), ResultCode::ClockSkew, "300 s"),
            (session(4_090_000_000_000, "2099-08-09"), ResultCode::ClockSkew, "clock"),
            (session(now, "2099-02-31"), ResultCode::Invalid, "day"),
            (session(now, "2026-09-31"), ResultCode::Invalid, "day"),
            (session(now, "2099-02-28"), ResultCode::Invalid, "day"),
            (review(now), ResultCode::Ok, ""),
            (review(4_090_000_000_000), ResultCode::ClockSkew, "clock"),
            (r#"["progress"]"#.into(), ResultCode::Invalid, "not a row"),
            (r#"["progress",{"kind":"section","item":"a/b/c","percent":5}]"#.into(), ResultCode::Invalid, "not a row"),
            (
                format!(r#"{{"type":"progress","kind":"section","item":"a/b/c","pos":["{}","00000000-0000-0000-0000-000000000001","p3"]}}"#, stamp(now)),
                ResultCode::Invalid,
                "object",
            ),
            (format!("{}1{}", "[".repeat(100), "]".repeat(100)), ResultCode::Invalid, "not a row"),
        ];
        let items: Vec<Box<RawValue>> =
            table.iter().map(|(json, ..)| RawValue::from_string(json.clone()).unwrap()).collect();
        let checked = check(&items, now);
        assert_eq!(checked.results.len(), table.len());
        for ((json, code, reason), result) in table.iter().zip(&checked.results) {
            assert_eq!(result.code, *code, "{json}: {}", result.reason);
            assert!(result.reason.contains(reason), "{json}: {}", result.reason);
        }
        // One row for each key: the sessions have the same key, and so have the other rows of each type.
        assert_eq!(checked.rows.len(), 5);
    }

    #[test]
    fn a_study_day_after_tomorrow_is_a_wrong_clock() {
        // Two minutes before midnight, UTC.
        let now = 20_717 * DAY_MS - 120_000;
        let row = |at_ms: i64, day: i32| {
            Row::Review(Review {
                id: EventId::from_u128(1),
                word: ItemId::new("a/w").unwrap(),
                rating: 3,
                at_ms,
                duration_ms: 0,
                day: Some(day),
                off_min: Some(840),
                kind: Some(ReviewKind::Review),
                card: Some(CardKey::of_word("en", None, "w")),
                params: Some(String::new()),
                extra: Extra::default(),
            })
        };
        assert_eq!(check_row(&row(now, 20_717), now), Ok(()), "tomorrow in a zone ahead of UTC");
        // Valid as a row, and not five minutes ahead.
        let refused = check_row(&row(now + 180_000, 20_718), now).unwrap_err();
        assert_eq!(refused.0, ResultCode::ClockSkew, "{refused:?}");
        assert!(refused.1.contains("2 days"), "{refused:?}");
    }
}
