//! Which blob was made from which: variants of pictures. The bytes are blobs like any other that no manifest names, so they go first when
//! room is needed; a row whose blob is gone is as good as none, and the variant is made again.
//!
//! Not here: how a variant is made (`images`).

use carrel_model::BlobHash;
use rusqlite::{OptionalExtension, params};

use crate::{Result, blobs::BlobStore};

impl BlobStore {
    /// What stands for `source` in the form `form`, if that was made before and is still here; `Some(None)`: `source` itself.
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
        made: Option<BlobHash>,
    ) -> Result<()> {
        let hash = made.map(|hash| hash.0);
        self.db().write_blocking("derived.set_derived", |conn| {
            conn.prepare_cached(
                "INSERT OR REPLACE INTO derived (source, form, hash) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![source.0, form, hash])?;
            Ok(())
        })
    }
}
