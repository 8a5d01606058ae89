//! What is deleted when.

use super::{DomainResult, attempts::OPEN_MS};
use crate::store::{Store, StoreError, tx::Tx};

/// Rows that are deleted with each sign-in or refresh, so that no call takes long.
pub(super) const PURGED_PER_CALL: u32 = 20;

/// Deletes sign-ins whose tokens have all expired, and what was noted for attempts to which no answer is added any more; `most` none:
/// all of them. Returns how many rows.
pub(super) fn purge(tx: &dyn Tx, now_ms: i64, most: Option<u32>) -> Result<u64, StoreError> {
    let sign_ins = tx.delete_expired_sign_ins(now_ms, most)?;
    // The attempt has its grade: without this row no further answer counts.
    Ok(sign_ins + tx.delete_open_grades(now_ms.saturating_sub(OPEN_MS), most)?)
}

impl Store {
    /// Deletes everything that is past its time, in transactions of at most `batch` rows. Returns how many rows.
    pub async fn purge_all(&self, now_ms: i64, batch: u32) -> DomainResult<u64> {
        let mut all = 0;
        loop {
            let deleted = self.write("purge", move |tx| purge(tx, now_ms, Some(batch))).await?;
            all += deleted;
            if deleted == 0 {
                return Ok(all);
            }
        }
    }
}
