//! What is on this device and the server's list does not name, or not yet: carried courses, and those that were taken out of the library
//! after they were downloaded. They are listed as long as they are here.

use std::sync::Arc;

use carrel_model::{
    BlobHash, Slug,
    content::ManifestContent,
    wire::{CourseSummary, StorySummary},
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    Result,
    kind::Kind,
    library::{Library, OpenManifest, catalogue},
};

impl Library {
    /// The manifest whose bytes are all on this device.
    pub fn ready_manifest(&self, kind: Kind, id: &Slug) -> Result<Option<Arc<OpenManifest>>> {
        Ok(self.manifest_here(kind, id)?.map(|(manifest, _)| manifest))
    }

    /// When the server was last known to name this version the newest (UTC, ms); 0 if that is not known.
    pub fn named_as_of(&self, kind: Kind, id: &Slug, version: BlobHash) -> Result<i64> {
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
            // By whoever sent it; else not before it was asked for here.
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

    /// True if what is ready here is signed with a key that a person agreed to, and not with the server's own.
    pub fn is_from_elsewhere(&self, kind: Kind, id: &Slug) -> Result<bool> {
        Ok(match self.ready_manifest(kind, id)? {
            Some(ready) => self.is_accepted(&ready.signed.key)?,
            None => false,
        })
    }

    /// The address and the name of the library that this came from, if it came by cable.
    pub fn came_from(&self, manifest: &OpenManifest) -> Result<Option<(String, String)>> {
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

    /// Puts what was just taken in into the list. What the server said of it before is asked for again when there is a network.
    pub fn relist(&self, manifest: &OpenManifest) -> Result<()> {
        let kind = kind_of(manifest);
        let summary = summary(manifest)?;
        self.inner.lists.write_blocking("here.relist", |tx| {
            list(tx, kind, manifest.manifest.id(), &summary)?;
            tx.execute("UPDATE listed_state SET digest = x'' WHERE kind = ?1", [kind.as_str()])?;
            Ok(())
        })
    }

    /// It was taken off this device: what only was here is not listed any more.
    pub fn unlist(&self, kind: Kind, id: &Slug) -> Result<()> {
        self.inner.lists.write_blocking("here.unlist", |conn| {
            conn.prepare_cached(
                "DELETE FROM listed WHERE kind = ?1 AND id = ?2 AND only_here = 1",
            )?
            .execute([kind.as_str(), id.as_str()])?;
            Ok(())
        })?;
        self.inner.content.write_blocking("here.unlist", |conn| {
            conn.prepare_cached(
                "DELETE FROM carried WHERE account = ?1 AND kind = ?2 AND id = ?3",
            )?
            .execute([&self.inner.account, kind.as_str(), id.as_str()])?;
            Ok(())
        })
    }

    /// Lists everything that is ready here and not listed. True if anything is listed then.
    pub(super) fn list_what_is_here(&self, kind: Kind) -> Result<bool> {
        let ready: Vec<String> = self.inner.content.read_blocking(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT id FROM download WHERE account = ?1 AND kind = ?2 AND scope = '' AND ready IS NOT NULL ORDER BY id",
                )?
                .query_map([&self.inner.account, kind.as_str()], |r| r.get(0))?
                .collect::<rusqlite::Result<_>>()?)
        })?;
        let listed = |conn: &Connection, id: &str| -> Result<bool> {
            Ok(conn
                .prepare_cached("SELECT 1 FROM listed WHERE kind = ?1 AND id = ?2")?
                .exists([kind.as_str(), id])?)
        };
        for id in ready.iter().filter_map(|id| Slug::new(id.as_str()).ok()) {
            if self.inner.lists.read_blocking(|conn| listed(conn, id.as_str()))? {
                continue;
            }
            // One that cannot be read any more does not hide the others.
            let Ok(Some(manifest)) = self.ready_manifest(kind, &id) else { continue };
            let summary = summary(&manifest)?;
            self.inner.lists.write_blocking("here.list", |tx| list(tx, kind, &id, &summary))?;
        }
        self.inner.lists.read_blocking(|conn| {
            Ok(conn
                .prepare_cached("SELECT 1 FROM listed WHERE kind = ?1 LIMIT 1")?
                .exists([kind.as_str()])?)
        })
    }

    /// The key that a server names itself, over the line that a learner just signed in on: the one that its manifests must have. One
    /// that is known already stays.
    pub fn pin(&self, key: &str) -> Result<()> {
        self.inner.content.write_blocking("here.pin", |conn| {
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

/// As the server would list it.
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

/// In the place it has, or at the end. What the server lists stays the server's, in this version.
fn list(conn: &Connection, kind: Kind, id: &Slug, summary: &str) -> Result<()> {
    let known: Option<(i64, bool)> = conn
        .prepare_cached("SELECT position, only_here FROM listed WHERE kind = ?1 AND id = ?2")?
        .query_row([kind.as_str(), id.as_str()], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()?;
    let (position, only_here) = match known {
        Some(known) => known,
        None => (
            conn.prepare_cached(
                "SELECT coalesce(max(position), -1) + 1 FROM listed WHERE kind = ?1",
            )?
            .query_row([kind.as_str()], |r| r.get(0))?,
            true,
        ),
    };
    catalogue::insert(conn, kind, position, summary, only_here)
}
