//! Table of image variants created on this device. A variant is a blob that no manifest refers to.
//! If it was evicted, its row is ignored and the variant is created again.
//!
//! Not here: creating variants (`images`).

use carrel_model::BlobHash;
use rusqlite::{OptionalExtension, params};

use crate::{Result, blobs::BlobStore};

impl BlobStore {
    /// Returns the stored variant of `source` for `form`; `Some(None)` if `source` itself is used,
    /// `None` if the variant has to be created.
    pub(crate) fn derived(&self, source: BlobHash, form: &str) -> Result<Option<Option<BlobHash>>> {
        let row: Option<Option<[u8; 32]>> = self.db().read_blocking(|conn| {
            Ok(conn
                .prepare_cached("SELECT hash FROM derived WHERE source = ?1 AND form = ?2")?
                .query_row(params![source.0, form], |r| r.get("hash"))
                .optional()?)
        })?;
        Ok(match row {
            None => None,
            Some(None) => Some(None),
            Some(Some(hash)) => self.has(BlobHash(hash))?.then_some(Some(BlobHash(hash))),
        })
    }

    pub(crate) fn set_derived(
        &self,
        source: BlobHash,
        form: &str,
        created: Option<BlobHash>,
    ) -> Result<()> {
        let hash = created.map(|hash| hash.0);
        self.db().write_blocking("derived.set_derived", |conn| {
            conn.prepare_cached(
                "INSERT OR REPLACE INTO derived (source, form, hash) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![source.0, form, hash])?;
            Ok(())
        })
    }
}
