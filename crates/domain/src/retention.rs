//! Deletion of expired rows.

use crate::store::{Store, StoreError, tx::Tx};
use crate::{DomainResult, attempts::OPEN_MS};

/// Maximum number of rows of each kind deleted by a sign-in or refresh, which limits its duration.
pub(crate) const PURGED_PER_CALL: u32 = 20;

/// Deletes sign-ins whose tokens have all expired, open grades older than `OPEN_MS`, the
/// reverses and reports of old imports, old uploads and messages, and one-time codes and sign-ins with a provider that have expired: at
/// most `limit` of each, or
/// all if `None`. Returns the number of deleted rows.
pub(crate) fn purge(tx: &dyn Tx, now_ms: i64, limit: Option<u32>) -> Result<u64, StoreError> {
    // By a clock that was never set, everything may have expired.
    if !crate::clock::is_plausible(now_ms) {
        return Ok(0);
    }
    let sign_ins = tx.delete_expired_sign_ins(now_ms, limit)?;
    // The attempt keeps its grade; without its open grade, no further answers count.
    let grades = tx.delete_open_grades(now_ms.saturating_sub(OPEN_MS), limit)?;
    let changes = tx.delete_roster_changes(now_ms.saturating_sub(carrel_roster::UNDO_MS), limit)?;
    let codes = tx.delete_expired_codes(now_ms, limit)?;
    let reports = tx.delete_roster_reports(now_ms.saturating_sub(carrel_roster::UNDO_MS), limit)?;
    let external = tx.delete_expired_external(now_ms, limit)?;
    let mails = tx.delete_mails(now_ms.saturating_sub(carrel_roster::UNDO_MS), limit)?;
    let uploads = tx.delete_uploads(now_ms.saturating_sub(carrel_roster::UNDO_MS), limit)?;
    Ok(sign_ins + grades + changes + codes + reports + external + mails + uploads)
}

impl Store {
    /// Deletes all expired rows, in transactions of at most `batch` rows of each kind. Returns the number of deleted
    /// rows.
    pub async fn purge_all(&self, now_ms: i64, batch: u32) -> DomainResult<u64> {
        let mut total = 0;
        loop {
            let deleted = self.write("purge", move |tx| purge(tx, now_ms, Some(batch))).await?;
            total += deleted;
            if deleted == 0 {
                return Ok(total);
            }
        }
    }
}
