//! Deletion of expired rows.

use carrel_roster::UNDO_MS;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::{Store, StoreError, facts, tx::Tx};
use crate::{DomainResult, attempts::OPEN_MS, exports::EXPORT_MS};

/// Maximum number of rows of each kind deleted by a sign-in or refresh, which limits its duration.
pub(crate) const PURGED_PER_CALL: u32 = 20;

/// A preview counts up to this number of rows of each kind, so that it does not read whole tables.
pub const PREVIEWED: u32 = 1_000;

/// The rows of one kind that were deleted because they had expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expired {
    pub kind: String,
    /// Time for which rows are kept, in ms; absent if each row has a time of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_ms: Option<i64>,
    pub deleted: u64,
}

/// Report of the job `purge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetentionReport {
    /// UTC, ms since 1970.
    pub purged_ms: i64,
    /// All kinds of rows that expire.
    pub kinds: Vec<Expired>,
}

/// Deletes the rows of each kind that have expired: at most `limit` of each, or all if `None`.
fn purge_kinds(tx: &dyn Tx, now_ms: i64, limit: Option<u32>) -> Result<Vec<Expired>, StoreError> {
    let before_ms = now_ms.saturating_sub(UNDO_MS);
    let exports_before_ms = now_ms.saturating_sub(EXPORT_MS);
    let sign_ins = tx.delete_expired_sign_ins(now_ms, limit)?;
    // The attempt keeps its grade; without its open grade, no further answers count.
    let open_grades = tx.delete_open_grades(now_ms.saturating_sub(OPEN_MS), limit)?;
    let deleted = [
        ("signIns", None, sign_ins),
        ("openGrades", Some(OPEN_MS), open_grades),
        ("rosterChanges", Some(UNDO_MS), tx.delete_roster_changes(before_ms, limit)?),
        ("rosterReports", Some(UNDO_MS), tx.delete_roster_reports(before_ms, limit)?),
        ("oneTimeCodes", None, tx.delete_expired_codes(now_ms, limit)?),
        ("externalSignIns", None, tx.delete_expired_external(now_ms, limit)?),
        ("mails", Some(UNDO_MS), tx.delete_mails(before_ms, limit)?),
        ("uploads", Some(UNDO_MS), tx.delete_uploads(before_ms, limit)?),
        ("exports", Some(EXPORT_MS), tx.delete_exports(exports_before_ms, limit)?),
    ];
    let kinds = deleted.map(|(kind, kept_ms, deleted)| {
        let kind = kind.to_owned();
        Expired { kind, kept_ms, deleted }
    });
    Ok(kinds.into())
}

/// Deletes expired rows: sign-ins whose tokens have all expired, open grades older than `OPEN_MS`, the reverses and
/// reports of old imports, old uploads, exports and messages, and one-time codes and sign-ins with a provider that have expired. At most
/// `limit` of each kind, or all if `None`. Returns the number of deleted rows.
pub(crate) fn purge(tx: &dyn Tx, now_ms: i64, limit: Option<u32>) -> Result<u64, StoreError> {
    // By a clock that was never set, everything may have expired.
    if !crate::clock::is_plausible(now_ms) {
        return Ok(0);
    }
    Ok(purge_kinds(tx, now_ms, limit)?.iter().map(|kind| kind.deleted).sum())
}

/// Ends the transaction of a preview, so that nothing is deleted.
enum Preview {
    Counted(Vec<Expired>),
    Failed(StoreError),
}

impl From<StoreError> for Preview {
    fn from(e: StoreError) -> Self {
        Self::Failed(e)
    }
}

impl Store {
    /// Returns how many rows of each kind `purge_all` would delete now, up to `PREVIEWED`: deletes them, and rolls that
    /// back.
    pub async fn preview_purge(&self, now_ms: i64) -> DomainResult<Vec<Expired>> {
        let write = self.write("preview_purge", move |tx| {
            let kinds = purge_kinds(tx, now_ms, Some(PREVIEWED))?;
            Err::<std::convert::Infallible, _>(Preview::Counted(kinds))
        });
        match write.await {
            Ok(never) => match never {},
            Err(Preview::Counted(kinds)) => Ok(kinds),
            Err(Preview::Failed(e)) => Err(e.into()),
        }
    }

    /// Deletes all expired rows, in transactions of at most `batch` rows of each kind, and stores a report. Returns the
    /// number of deleted rows.
    pub async fn purge_all(&self, now_ms: i64, batch: u32) -> DomainResult<u64> {
        if !crate::clock::is_plausible(now_ms) {
            return Ok(0);
        }
        let mut report = RetentionReport { purged_ms: now_ms, kinds: Vec::new() };
        loop {
            let purged =
                self.write("purge", move |tx| purge_kinds(tx, now_ms, Some(batch))).await?;
            let deleted: u64 = purged.iter().map(|kind| kind.deleted).sum();
            if report.kinds.is_empty() {
                report.kinds = purged;
            } else {
                for (total, more) in report.kinds.iter_mut().zip(purged) {
                    total.deleted += more.deleted;
                }
            }
            if deleted == 0 {
                break;
            }
        }
        self.put_report(facts::PURGE_REPORT, &report).await?;
        Ok(report.kinds.iter().map(|kind| kind.deleted).sum())
    }
}
