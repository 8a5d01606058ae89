//! What became of each thing the learner did: saved here, on its way, accepted, refused. Nothing that was refused is ever dropped.

use carrel_learning::store::{checked, outbox};
use carrel_model::lattice::{Row, RowKey, RowType};
use rusqlite::Connection;
use serde_json::json;

use crate::{Error, Result, Sync};

/// The most that are listed of what waits and of what was accepted.
const LISTED: usize = 500;
const ACCEPTED: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptState {
    SavedHere,
    /// On its way now.
    Sent,
    Accepted,
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Stable: the row's type and key.
    pub id: String,
    pub key: RowKey,
    /// As it is on this device now.
    pub row: Option<Row>,
    pub state: ReceiptState,
    /// When it was saved, accepted or refused.
    pub at_ms: i64,
    /// For refused ones: `invalid`, `forbidden`, `too_new`, `clock_skew`; else empty.
    pub code: String,
    /// The server's words; else empty.
    pub reason: String,
}

/// Each list newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipts {
    pub waiting: Vec<Receipt>,
    pub refused: Vec<Receipt>,
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
    pub async fn receipts(&self) -> Result<Receipts> {
        let in_flight = self.in_flight();
        self.store()
            .read(move |conn| {
                let waiting = outbox::waiting(conn, LISTED)?.into_iter().map(|w| {
                    let sent = in_flight.contains(&w.key);
                    let state = if sent { ReceiptState::Sent } else { ReceiptState::SavedHere };
                    receipt(conn, w.key, state, w.first_ms)
                });
                let accepted = outbox::accepted(conn, ACCEPTED)?
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

    /// Sends a refused row again. `Error::NotFound` if it is not among the refused.
    pub async fn retry_refused(&self, id: &str) -> Result<()> {
        let missing = Error::NotFound(format!("a refused row {id:?}"));
        let key = key_of(id).ok_or(missing)?;
        self.store()
            .write("retry_refused", move |tx| {
                if !outbox::refused(tx.conn())?.iter().any(|r| r.key == key) {
                    return Err(Error::NotFound(format!("a refused row {:?}", id_of(&key))));
                }
                tx.requeue(&key)
            })
            .await
    }

    /// Everything that was refused, with the reasons, to be handed to a teacher.
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
