//! Local entries of the catalogue: imported content, and downloaded content that the server does not
//! list any more. They are listed while they are on this device.

use std::{collections::BTreeSet, sync::Arc};

use carrel_model::{
    BlobHash, Slug,
    content::ManifestContent,
    wire::{CourseSummary, StorySummary},
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    Result,
    kind::Kind,
    library::{Library, OpenManifest, catalogue, catalogue::texts},
};

impl Library {
    /// Returns the manifest of the ready version.
    pub fn ready_manifest(&self, kind: Kind, id: &Slug) -> Result<Option<Arc<OpenManifest>>> {
        Ok(self.local_manifest(kind, id)?.map(|(manifest, _)| manifest))
    }

    /// Returns when the server was last known to list this version as the newest (UTC, ms); 0 if unknown.
    pub fn newest_as_of(&self, kind: Kind, id: &Slug, version: BlobHash) -> Result<i64> {
        let listed: Option<(String, i64)> = self.inner.lists.read_blocking(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT summary ->> 'version', as_of_ms FROM listed JOIN listed_state USING (kind)
                     WHERE kind = ?1 AND id = ?2 AND only_here = 0 AND digest <> x''",
                )?
                .query_row([kind.as_str(), id.as_str()], |r| Ok((r.get(0)?, r.get(1)?)))
                .optional()?)
        })?;
        if let Some((named, as_of_ms)) = listed
            && named == version.to_hex()
        {
            return Ok(as_of_ms);
        }
        self.inner.content.read_blocking(|conn| {
            // For an import, the time stated in the file; otherwise the time of the download request.
            Ok(conn
                .prepare_cached(
                    "SELECT coalesce(
                       (SELECT as_of_ms FROM carried WHERE account = ?1 AND kind = ?2 AND id = ?3 AND version = ?4),
                       (SELECT d.requested_ms FROM download d JOIN version v ON v.version = d.ready
                        WHERE d.account = ?1 AND d.kind = ?2 AND d.id = ?3 AND d.scope = '' AND v.hash = ?4),
                       0)",
                )?
                .query_row(params![self.inner.account, kind.as_str(), id.as_str(), version.0], |r| r.get(0))?)
        })
    }

    /// Returns whether the ready version is signed with a key that the user accepted for imports.
    pub fn has_accepted_key(&self, kind: Kind, id: &Slug) -> Result<bool> {
        Ok(match self.ready_manifest(kind, id)? {
            Some(ready) => self.is_accepted(&ready.signed.key)?,
            None => false,
        })
    }

    /// Returns the address and the name of the server that an imported version is from; `None` if it
    /// was not imported.
    pub fn imported_from(&self, manifest: &OpenManifest) -> Result<Option<(String, String)>> {
        let (kind, id) = (kind_of(manifest), manifest.manifest.id());
        self.inner.content.read_blocking(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT server, server_name FROM carried WHERE account = ?1 AND kind = ?2 AND id = ?3 AND version = ?4",
                )?
                .query_row(params![self.inner.account, kind.as_str(), id.as_str(), manifest.version.0], |r| {
                    Ok((r.get("server")?, r.get("server_name")?))
                })
                .optional()?)
        })
    }

    /// Adds an imported course or story to the list, and causes the next refresh to replace the list.
    pub fn add_to_list(&self, manifest: &OpenManifest) -> Result<()> {
        let kind = kind_of(manifest);
        let summary = summary(manifest)?;
        self.inner.lists.write_blocking("local_entries.add_to_list", |tx| {
            insert_or_update(tx, kind, manifest.manifest.id(), &summary)?;
            tx.execute("UPDATE listed_state SET digest = x'' WHERE kind = ?1", [kind.as_str()])?;
            Ok(())
        })
    }

    /// Removes a local entry from the list, after its download was removed.
    pub fn remove_from_list(&self, kind: Kind, id: &Slug) -> Result<()> {
        self.inner.lists.write_blocking("local_entries.remove_from_list", |conn| {
            conn.prepare_cached(
                "DELETE FROM listed WHERE kind = ?1 AND id = ?2 AND only_here = 1",
            )?
            .execute([kind.as_str(), id.as_str()])?;
            Ok(())
        })?;
        self.inner.content.write_blocking("local_entries.remove_from_list", |conn| {
            conn.prepare_cached(
                "DELETE FROM carried WHERE account = ?1 AND kind = ?2 AND id = ?3",
            )?
            .execute([&self.inner.account, kind.as_str(), id.as_str()])?;
            Ok(())
        })
    }

    /// Returns the ids of those courses or stories on this device that the server does not offer any more. Imported ones
    /// do not count, nor does any before the server's list is known.
    pub fn withdrawn(&self, kind: Kind) -> Result<BTreeSet<String>> {
        let sql = "SELECT id FROM listed JOIN listed_state USING (kind) WHERE kind = ?1 AND only_here = 1";
        let found = self.inner.lists.read_blocking(|conn| texts(conn, sql, [kind.as_str()]))?;
        let sql = "SELECT id FROM carried WHERE account = ?1 AND kind = ?2";
        let key = [self.inner.account.as_str(), kind.as_str()];
        let imported = self.inner.content.read_blocking(|conn| texts(conn, sql, key))?;
        Ok(found.into_iter().filter(|id| !imported.contains(id)).collect())
    }

    /// Adds all ready courses or stories that are not listed. Returns whether the list has entries.
    pub(super) fn add_local_to_list(&self, kind: Kind) -> Result<bool> {
        let sql = "SELECT id FROM download
            WHERE account = ?1 AND kind = ?2 AND scope = '' AND ready IS NOT NULL ORDER BY id";
        let key = [self.inner.account.as_str(), kind.as_str()];
        let ready = self.inner.content.read_blocking(|conn| texts(conn, sql, key))?;
        let listed = |conn: &Connection, id: &str| -> Result<bool> {
            Ok(conn
                .prepare_cached("SELECT 1 FROM listed WHERE kind = ?1 AND id = ?2")?
                .exists([kind.as_str(), id])?)
        };
        for id in ready.iter().filter_map(|id| Slug::new(id.as_str()).ok()) {
            if self.inner.lists.read_blocking(|conn| listed(conn, id.as_str()))? {
                continue;
            }
            // Unreadable manifests are left out.
            let Ok(Some(manifest)) = self.ready_manifest(kind, &id) else { continue };
            let summary = summary(&manifest)?;
            self.inner.lists.write_blocking("local_entries.add_local_to_list", |tx| {
                insert_or_update(tx, kind, &id, &summary)
            })?;
        }
        self.inner.lists.read_blocking(|conn| {
            Ok(conn
                .prepare_cached("SELECT 1 FROM listed WHERE kind = ?1 LIMIT 1")?
                .exists([kind.as_str()])?)
        })
    }

    /// Pins the signing key that the server sent at sign-in, unless a key is pinned already.
    pub fn pin_key(&self, key: &str) -> Result<()> {
        self.inner.content.write_blocking("local_entries.pin_key", |conn| {
            conn.execute(
                "INSERT OR IGNORE INTO signing_key (server, key) VALUES (?1, ?2)",
                [&self.inner.base_url, key],
            )?;
            Ok(())
        })?;
        self.record_keys();
        Ok(())
    }
}

fn kind_of(manifest: &OpenManifest) -> Kind {
    match manifest.manifest.content {
        ManifestContent::Course { .. } => Kind::Course,
        ManifestContent::Story { .. } => Kind::Story,
    }
}

/// Returns the summary as JSON, as in the server's list.
fn summary(open: &OpenManifest) -> Result<String> {
    let version = open.version;
    Ok(match &open.manifest.content {
        ManifestContent::Course { meta, .. } => {
            serde_json::to_string(&CourseSummary { meta: meta.clone(), version })?
        }
        ManifestContent::Story { meta, .. } => {
            serde_json::to_string(&StorySummary { meta: meta.clone(), version })?
        }
    })
}

/// Updates an entry without changing its position or its mark as local, or appends a local entry.
fn insert_or_update(conn: &Connection, kind: Kind, id: &Slug, summary: &str) -> Result<()> {
    let known: Option<(i64, bool)> = conn
        .prepare_cached("SELECT position, only_here FROM listed WHERE kind = ?1 AND id = ?2")?
        .query_row([kind.as_str(), id.as_str()], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()?;
    let (position, is_local) = match known {
        Some(known) => known,
        None => (
            conn.prepare_cached(
                "SELECT coalesce(max(position), -1) + 1 FROM listed WHERE kind = ?1",
            )?
            .query_row([kind.as_str()], |r| r.get(0))?,
            true,
        ),
    };
    catalogue::insert(conn, kind, position, summary, is_local)
}
