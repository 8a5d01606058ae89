//! Sync state of the learner's rows for display: saved locally, being sent, accepted, refused. Refused rows are never
//! deleted.

use carrel_learning::store::{checked, outbox};
use carrel_model::lattice::{Row, RowKey, RowType};
use rusqlite::Connection;
use serde_json::json;

use crate::{Error, Result, Sync};

/// Maximum number of waiting rows in the list.
const MAX_WAITING: usize = 500;
/// Maximum number of accepted rows in the list.
const MAX_ACCEPTED: usize = 100;

/// Sync state of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptState {
    /// In the outbox.
    SavedHere,
    /// In a batch in flight.
    Sent,
    /// Accepted by the server.
    Accepted,
    /// Refused by the server, or unreadable on this device.
    Refused,
}

/// Sync state of one row, with the row itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Stable id, built from the row's type and key.
    pub id: String,
    /// The row's type and key.
    pub key: RowKey,
    /// The row as stored on this device; `None` if it is missing or unreadable.
    pub row: Option<Row>,
    /// Sync state of the row.
    pub state: ReceiptState,
    /// Time of the first unsent change, of the acceptance or of the refusal, in UTC milliseconds.
    pub at_ms: i64,
    /// Of a refused row: `invalid`, `forbidden`, `too_new`, `clock_skew`, or `damaged` if this device cannot read it;
    /// else empty.
    pub code: String,
    /// Of a refused row: the server's message, or why this device cannot read it; else empty.
    pub reason: String,
}

/// Receipts by state, each list newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipts {
    /// Rows in the outbox, at most 500.
    pub waiting: Vec<Receipt>,
    /// All refused rows.
    pub refused: Vec<Receipt>,
    /// Recently accepted rows, at most 100.
    pub accepted: Vec<Receipt>,
}

fn id_of(key: &RowKey) -> String {
    format!("{}:{}", key.row_type.as_str(), key.key)
}

fn key_of(id: &str) -> Option<RowKey> {
    let (row_type, key) = id.split_once(':')?;
    Some(RowKey { row_type: RowType::parse(row_type)?, key: key.to_owned() })
}

fn receipt(conn: &Connection, key: RowKey, state: ReceiptState, at_ms: i64) -> Result<Receipt> {
    let row = checked::get(conn, &key)?;
    Ok(Receipt {
        id: id_of(&key),
        key,
        row,
        state,
        at_ms,
        code: String::new(),
        reason: String::new(),
    })
}

fn refused(conn: &Connection) -> Result<Vec<Receipt>> {
    let found = outbox::refused(conn)?.into_iter().map(|r| {
        let receipt = receipt(conn, r.key, ReceiptState::Refused, r.at_ms)?;
        Ok(Receipt { code: r.code, reason: r.reason, ..receipt })
    });
    found.collect()
}

impl Sync {
    /// Returns the receipts for display.
    pub async fn receipts(&self) -> Result<Receipts> {
        let in_flight = self.in_flight();
        self.store()
            .read(move |conn| {
                let waiting = outbox::waiting(conn, MAX_WAITING)?.into_iter().map(|w| {
                    let sent = in_flight.contains(&w.key);
                    let state = if sent { ReceiptState::Sent } else { ReceiptState::SavedHere };
                    receipt(conn, w.key, state, w.first_ms)
                });
                let accepted = outbox::accepted(conn, MAX_ACCEPTED)?
                    .into_iter()
                    .map(|a| receipt(conn, a.key, ReceiptState::Accepted, a.at_ms));
                Ok(Receipts {
                    waiting: waiting.collect::<Result<_>>()?,
                    refused: refused(conn)?,
                    accepted: accepted.collect::<Result<_>>()?,
                })
            })
            .await
    }

    /// Puts a refused row back into the outbox. Returns `Error::NotFound` if the row is not refused.
    pub async fn retry_refused(&self, id: &str) -> Result<()> {
        let missing = Error::NotFound(format!("refused row {id:?}"));
        let key = key_of(id).ok_or(missing)?;
        self.store()
            .write("retry_refused", move |tx| {
                if !outbox::refused(tx.conn())?.iter().any(|r| r.key == key) {
                    return Err(Error::NotFound(format!("refused row {:?}", id_of(&key))));
                }
                tx.requeue(&key)
            })
            .await
    }

    /// Returns all refused rows with the reasons as JSON, for support.
    pub async fn export_refused(&self) -> Result<serde_json::Value> {
        let now_ms = self.store().clock().now_ms();
        let rows = self.store().read(refused).await?;
        let rows: Vec<_> = rows
            .into_iter()
            .map(|r| json!({ "id": r.id, "code": r.code, "reason": r.reason, "refusedMs": r.at_ms, "row": r.row }))
            .collect();
        Ok(json!({ "exportedMs": now_ms, "refused": rows }))
    }
}
