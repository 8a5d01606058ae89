//! What becomes of each pushed item before the store sees it: parsed by itself, checked, folded.
//!
//! Not here: the joins and change numbers (`store`).

use carrel_model::{
    Hlc,
    lattice::{Row, RowType, Validate, fold},
    wire::{PushResult, ResultCode},
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A stamp may be this far ahead of the server's clock.
pub const MAX_AHEAD_MS: i64 = 5 * 60_000;

/// The verdict on each item, and the rows to join: one for each key, in key order.
pub struct Checked {
    pub results: Vec<PushResult>,
    pub rows: Vec<Row>,
}

/// Checks every item by itself; a bad one stands in the way of none.
pub fn check(items: &[Box<RawValue>], now_ms: i64) -> Checked {
    let mut good = Vec::with_capacity(items.len());
    let results = items
        .iter()
        .enumerate()
        .map(|(index, item)| {
            let (code, reason) = match check_one(item.get(), now_ms) {
                Ok(row) => {
                    good.push(row);
                    (ResultCode::Ok, String::new())
                }
                Err(refusal) => refusal,
            };
            PushResult { index: index as u32, code, reason }
        })
        .collect();
    Checked { results, rows: fold(good).into_values().collect() }
}

#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    row_type: String,
}

fn check_one(json: &str, now_ms: i64) -> Result<Row, (ResultCode, String)> {
    let row = match Row::from_json(json) {
        Ok(row) => row,
        Err(problem) => return Err(unread(json, &problem)),
    };
    check_row(&row, now_ms).map(|()| row)
}

/// The same rules for a row that came another way.
pub fn check_row(row: &Row, now_ms: i64) -> Result<(), (ResultCode, String)> {
    if row.is_server_only() {
        return Err((ResultCode::Forbidden, only_the_server(row.row_type())));
    }
    row.validate().map_err(|e| (ResultCode::Invalid, e.to_string()))?;
    match row.stamp() {
        Some(stamp) if is_ahead(stamp, now_ms) => Err((
            ResultCode::ClockSkew,
            format!("stamped {} s after the server's clock", (stamp.ms() - now_ms) / 1000),
        )),
        _ => Ok(()),
    }
}

/// Says why an item is no row: one of a newer version, the server's own, or wrong.
fn unread(json: &str, problem: &serde_json::Error) -> (ResultCode, String) {
    let Ok(Typed { row_type }) = serde_json::from_str(json) else {
        return (ResultCode::Invalid, format!("not a row: {problem}"));
    };
    match RowType::parse(&row_type) {
        None => {
            (ResultCode::TooNew, format!("no row of type {:?} is known here", short(&row_type)))
        }
        Some(t @ (RowType::Grade | RowType::Decision)) => {
            (ResultCode::Forbidden, only_the_server(t))
        }
        Some(t) => (ResultCode::Invalid, format!("{}: {problem}", t.as_str())),
    }
}

fn only_the_server(row_type: RowType) -> String {
    format!("only the server writes rows of type {}", row_type.as_str())
}

fn is_ahead(stamp: Hlc, now_ms: i64) -> bool {
    stamp.ms() > now_ms.saturating_add(MAX_AHEAD_MS)
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_gets_its_own_verdict() {
        let now = 1_790_000_000_000;
        let stamp = |ms: i64| Hlc::new(ms, 0).to_string();
        let kv = |hlc: String| {
            format!(
                r#"{{"type":"kv","ns":"setting","key":"k","value":"1","hlc":"{hlc}","device":"00000000-0000-0000-0000-000000000001"}}"#
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
        assert_eq!(checked.rows.len(), 2);
    }
}
