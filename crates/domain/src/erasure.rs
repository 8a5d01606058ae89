//! Deleted accounts stay deleted: their ids are recorded outside the database, so that the restore of an older backup, a
//! recovery to an earlier time or a failover brings no account back.
//!
//! Not here: the file of the record (`carrel-server`).

use std::{collections::BTreeSet, io};

use carrel_model::UserId;
use carrel_people::accounts;
use carrel_store::Reason;

use crate::{
    DomainResult,
    store::{Store, StoreError},
};

/// A deleted account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Erased {
    pub id: UserId,
    pub deleted_ms: i64,
}

/// A record of deleted accounts outside the database. It contains no personal data: ids are random. Blocking.
pub trait ErasureLedger: Send + Sync {
    /// Returns all records.
    fn read(&self) -> io::Result<Vec<Erased>>;
    /// Adds records, and returns when they are on the disk.
    fn add(&self, erased: &[Erased]) -> io::Result<()>;
}

/// What `Store::apply_erasures` did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Accounts that were deleted again.
    pub deleted: usize,
    /// Deletions that the record lacked.
    pub recorded: usize,
}

impl Store {
    /// Deletes the accounts that the ledger names and the database has not recorded as deleted, and adds to the ledger
    /// what only the database has recorded.
    ///
    /// # Errors
    /// If the ledger or the database cannot be read or written. A server does not start then.
    pub async fn apply_erasures(&self, now_ms: i64) -> DomainResult<Applied> {
        let Some(ledger) = self.erasure_ledger() else { return Ok(Applied::default()) };
        let reader = ledger.clone();
        let listed = blocking(move || reader.read()).await?;
        let known = self.read("deleted_accounts", |tx| tx.deleted_accounts()).await?;
        let ids: BTreeSet<UserId> = known.iter().map(|(id, _)| *id).collect();
        let mut applied = Applied::default();
        for erased in listed.iter().filter(|erased| !ids.contains(&erased.id)) {
            let id = erased.id;
            let write = self.write_people("delete_again", move |tx, ended| {
                accounts::delete_again(tx, ended, id, now_ms)
            });
            applied.deleted += usize::from(write.await?);
        }
        let listed: BTreeSet<UserId> = listed.iter().map(|erased| erased.id).collect();
        let missing: Vec<Erased> = known
            .into_iter()
            .filter(|(id, _)| !listed.contains(id))
            .map(|(id, deleted_ms)| Erased { id, deleted_ms })
            .collect();
        applied.recorded = missing.len();
        if !missing.is_empty() {
            blocking(move || ledger.add(&missing)).await?;
        }
        Ok(applied)
    }

    /// Records a deletion that was committed. If this fails, the next `apply_erasures` records it.
    pub(crate) async fn record_erasure(&self, erased: Erased) {
        let Some(ledger) = self.erasure_ledger() else { return };
        if let Err(e) = blocking(move || ledger.add(&[erased])).await {
            tracing::error!(error = %e, "a deleted account could not be recorded outside the database; retrying within an hour");
        }
    }
}

async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(f).await.map_err(io::Error::other).flatten();
    done.map_err(|e| {
        let message = format!("the record of deleted accounts: {e}");
        StoreError::Unavailable(Reason { message, hint: "check the setting erasure_dir" })
    })
}
