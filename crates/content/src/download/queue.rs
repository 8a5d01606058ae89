//! The download queue in `content.db`: requested targets, their progress, ready versions.

use std::collections::HashMap;

use carrel_model::{BlobHash, Slug, content::ManifestBlob};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    Result,
    blobs::{MediaKind, mark_for_deletion},
    kind::Kind,
    library::{Library, OpenManifest},
    sql::hash_at,
    target::{DownloadTarget, Phase, Reason, State},
};

const STATE: &str =
    "d.phase, d.reason, d.bytes_done, d.bytes_total, d.checked_ms, d.pinned, v.hash AS ready_hash";

fn state_of(r: &Row<'_>) -> rusqlite::Result<State> {
    let checked: i64 = r.get("checked_ms")?;
    Ok(State {
        phase: Phase::parse(&r.get::<_, String>("phase")?),
        reason: Reason::parse(&r.get::<_, String>("reason")?),
        bytes_done: r.get::<_, i64>("bytes_done")?.unsigned_abs(),
        bytes_total: r.get::<_, i64>("bytes_total")?.unsigned_abs(),
        checked_ms: (checked > 0).then_some(checked),
        ready_version: r.get::<_, Option<_>>("ready_hash")?.map(BlobHash),
        pinned: r.get("pinned")?,
        ..State::default()
    })
}

/// Returns the state of a target; `None` if it was not requested.
pub fn get(library: &Library, target: &DownloadTarget) -> Result<Option<State>> {
    library.content_db().read_blocking(|conn| {
        Ok(conn
            .prepare_cached(&format!(
                "SELECT {STATE} FROM download d LEFT JOIN version v ON v.version = d.ready
                 WHERE d.account = ?1 AND d.kind = ?2 AND d.id = ?3 AND d.scope = ?4"
            ))?
            .query_row(key_of(library, target), state_of)
            .optional()?)
    })
}

/// Returns the states of whole courses or stories, by id.
pub fn all(library: &Library, kind: Kind) -> Result<HashMap<String, State>> {
    library.content_db().read_blocking(|conn| {
        Ok(conn
            .prepare_cached(&format!(
                "SELECT d.id, {STATE} FROM download d LEFT JOIN version v ON v.version = d.ready
                 WHERE d.account = ?1 AND d.kind = ?2 AND d.scope = ''"
            ))?
            .query_map([library.account(), kind.as_str()], |r| Ok((r.get("id")?, state_of(r)?)))?
            .collect::<rusqlite::Result<_>>()?)
    })
}

/// Returns all targets of this account and their states.
pub fn all_targets(library: &Library) -> Result<Vec<(DownloadTarget, State)>> {
    library.content_db().read_blocking(|conn| {
        let rows = conn
            .prepare_cached(&format!(
                "SELECT d.kind, d.id, d.scope, {STATE} FROM download d LEFT JOIN version v ON v.version = d.ready
                 WHERE d.account = ?1"
            ))?
            .query_map([library.account()], |r| {
                Ok(((r.get("kind")?, r.get("id")?, r.get("scope")?), state_of(r)?))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(rows.into_iter().filter_map(|(names, state)| Some((target_of(names)?, state))).collect())
    })
}

/// Returns the states of requested lessons of a course, by the lesson's item id.
pub fn lessons(library: &Library, course: &Slug) -> Result<HashMap<String, State>> {
    library.content_db().read_blocking(|conn| {
        Ok(conn
            .prepare_cached(&format!(
                "SELECT d.scope, {STATE} FROM download d LEFT JOIN version v ON v.version = d.ready
                 WHERE d.account = ?1 AND d.kind = 'course' AND d.id = ?2 AND d.scope <> ''"
            ))?
            .query_map([library.account(), course.as_str()], |r| {
                Ok((r.get("scope")?, state_of(r)?))
            })?
            .collect::<rusqlite::Result<_>>()?)
    })
}

/// Returns the key of the row of a target.
pub(super) fn key_of<'a>(library: &'a Library, target: &'a DownloadTarget) -> [&'a str; 4] {
    [library.account(), target.kind.as_str(), target.id.as_str(), &target.scope]
}

/// Queues a target; a ready version stays ready until a new one is complete. `pinned`: requested by
/// the learner, and therefore never evicted. A pinned download stays pinned.
pub fn request(library: &Library, target: &DownloadTarget, pinned: bool) -> Result<()> {
    let now = library.clock().now_ms();
    let [account, kind, id, scope] = key_of(library, target);
    library.storage().require_index()?;
    library.content_db().write_blocking("queue.request", |tx| {
        tx.prepare_cached(
            "INSERT INTO download (account, kind, id, scope, phase, reason, bytes_done, bytes_total, wanted, ready, pinned,
                                   requested_ms, used_ms, checked_ms)
             VALUES (?1, ?2, ?3, ?4, 'queued', '', 0, 0, NULL, NULL, ?5, ?6, ?6, 0)
             ON CONFLICT (account, kind, id, scope) DO UPDATE SET
               phase = 'queued', reason = '', pinned = max(pinned, excluded.pinned)",
        )?
        .execute(params![account, kind, id, scope, pinned, now])?;
        library.storage().write_record(tx, key_of(library, target), None)
    })
}

/// Condition: the row with this key.
const ROW: &str = "d.account = ?1 AND d.kind = ?2 AND d.id = ?3 AND d.scope = ?4";
/// Condition: queued, running, or waiting for a condition other than an action of the learner. Tasks
/// change only such rows, so that they do not override the learner.
const AUTOMATIC: &str = "(d.phase IN ('queued', 'running') OR d.phase = 'paused' AND d.reason <> 'user' AND d.reason NOT LIKE 'cable%')";

/// Records that the task of a download has stopped or is waiting. Changes nothing if the learner
/// paused or removed the download in the meantime.
pub fn set_stopped(
    library: &Library,
    target: &DownloadTarget,
    phase: Phase,
    reason: Reason,
) -> Result<()> {
    let [account, kind, id, scope] = key_of(library, target);
    library.content_db().write_blocking("queue.set_stopped", |conn| {
        conn.prepare_cached(&format!(
            "UPDATE download AS d SET phase = ?5, reason = ?6 WHERE {ROW} AND {AUTOMATIC}"
        ))?
        .execute([account, kind, id, scope, phase.as_str(), reason.as_str()])?;
        Ok(())
    })
}

/// Sets the phase as requested by the learner, regardless of the current phase.
pub fn set_phase(
    library: &Library,
    target: &DownloadTarget,
    phase: Phase,
    reason: Reason,
) -> Result<()> {
    let [account, kind, id, scope] = key_of(library, target);
    library.content_db().write_blocking("queue.set_phase", |conn| {
        conn.prepare_cached(
            "UPDATE download SET phase = ?5, reason = ?6 WHERE account = ?1 AND kind = ?2 AND id = ?3 AND scope = ?4",
        )?
        .execute([account, kind, id, scope, phase.as_str(), reason.as_str()])?;
        Ok(())
    })
}

/// Records the version to be fetched and the blobs it needs, so that they are not evicted. Returns
/// the row number of the version.
///
/// Records nothing and returns `None` if the learner paused or removed the download or started an
/// import in the meantime.
pub fn set_wanted(
    library: &Library,
    target: &DownloadTarget,
    manifest: &OpenManifest,
    blobs: &[ManifestBlob],
) -> Result<Option<i64>> {
    let [account, kind, id, scope] = key_of(library, target);
    library.content_db().write_blocking("queue.set_wanted", |tx| {
        let may_run = tx
            .prepare_cached(&format!("SELECT 1 FROM download d WHERE {ROW} AND {AUTOMATIC}"))?
            .exists([account, kind, id, scope])?;
        if !may_run {
            return Ok(None);
        }
        let version = version(tx, target, manifest, blobs)?;
        let total: u64 = blobs.iter().map(|b| b.size).sum();
        tx.prepare_cached(
            "UPDATE download SET phase = 'running', reason = '', wanted = ?5, bytes_total = ?6
             WHERE account = ?1 AND kind = ?2 AND id = ?3 AND scope = ?4",
        )?
        .execute(params![account, kind, id, scope, version, signed(total)])?;
        Ok(Some(version))
    })
}

/// Finds or inserts the row of a version, with the blobs it needs; returns its number.
pub(super) fn version(
    tx: &Connection,
    target: &DownloadTarget,
    manifest: &OpenManifest,
    blobs: &[ManifestBlob],
) -> Result<i64> {
    let (hash, signer) = (manifest.version.0, &manifest.signed.key);
    let known = tx
        .prepare_cached(
            "SELECT version FROM version WHERE hash = ?1 AND scope = ?2 AND signer = ?3",
        )?
        .query_row(params![hash, target.scope, signer], |r| r.get(0))
        .optional()?;
    if let Some(version) = known {
        add_needs(tx, version, blobs)?;
        return Ok(version);
    }
    let mut by_kind = [0_u64; MediaKind::ALL.len()];
    for blob in blobs {
        by_kind[MediaKind::of_type(&blob.media_type) as usize] += blob.size;
    }
    let [text, picture, audio, video, other] = by_kind.map(signed);
    tx.prepare_cached(
        "INSERT INTO version (hash, scope, signer, kind, id, files, bytes, text_bytes, picture_bytes, audio_bytes, video_bytes,
                              other_bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        hash,
        target.scope,
        signer,
        target.kind.as_str(),
        target.id.as_str(),
        blobs.len() as i64,
        signed(by_kind.iter().sum()),
        text,
        picture,
        audio,
        video,
        other
    ])?;
    let version = tx.last_insert_rowid();
    tx.prepare_cached("INSERT INTO manifest (version, signed) VALUES (?1, ?2)")?
        .execute(params![version, serde_json::to_string(&manifest.signed)?])?;
    insert_needs(tx, version, blobs)?;
    Ok(version)
}

/// Adds needed blobs to a version and updates its sums. The blobs of a lesson are known only after its
/// texts are stored.
fn add_needs(tx: &Connection, version: i64, blobs: &[ManifestBlob]) -> Result<()> {
    let known: i64 = tx
        .prepare_cached("SELECT files FROM version WHERE version = ?1")?
        .query_row([version], |r| r.get(0))?;
    if known >= blobs.len() as i64 {
        return Ok(());
    }
    insert_needs(tx, version, blobs)?;
    tx.prepare_cached(
        "UPDATE version SET (files, bytes, text_bytes, picture_bytes, audio_bytes, video_bytes, other_bytes) = (
           SELECT count(*), sum(size), sum(iif(kind = 0, size, 0)), sum(iif(kind = 1, size, 0)), sum(iif(kind = 2, size, 0)),
                  sum(iif(kind = 3, size, 0)), sum(iif(kind = 4, size, 0))
           FROM need WHERE version = ?1)
         WHERE version = ?1",
    )?
    .execute([version])?;
    Ok(())
}

fn insert_needs(tx: &Connection, version: i64, blobs: &[ManifestBlob]) -> Result<()> {
    let mut insert = tx.prepare_cached(
        "INSERT OR IGNORE INTO need (version, hash, size, kind) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for blob in blobs {
        let kind = MediaKind::of_type(&blob.media_type).number();
        insert.execute(params![version, blob.hash.0, signed(blob.size), kind])?;
    }
    // The media type of the manifest replaces the one detected from the first bytes.
    tx.prepare_cached(
        "UPDATE blob SET kind = n.kind FROM need n WHERE n.version = ?1 AND blob.hash = n.hash AND blob.kind <> n.kind",
    )?
    .execute([version])?;
    Ok(())
}

/// Stores the number of bytes on this device.
pub fn set_done(library: &Library, target: &DownloadTarget, done: u64) -> Result<()> {
    let [account, kind, id, scope] = key_of(library, target);
    library.content_db().write_blocking("queue.set_done", |conn| {
        conn.prepare_cached(
            "UPDATE download SET bytes_done = ?5 WHERE account = ?1 AND kind = ?2 AND id = ?3 AND scope = ?4",
        )?
        .execute(params![account, kind, id, scope, signed(done)])?;
        Ok(())
    })
}

/// Makes the fetched version ready. `checked_ms` becomes the oldest verification time of its blobs.
/// Blobs needed only by the previous version are marked to be evicted first. Returns `false` if the
/// download requests another version by now.
pub fn set_ready(
    library: &Library,
    target: &DownloadTarget,
    version: i64,
    now_ms: i64,
) -> Result<bool> {
    let [account, kind, id, scope] = key_of(library, target);
    library.storage().write_pack(version)?;
    library.content_db().write_blocking("queue.set_ready", |tx| {
        if !is_wanted(tx, [account, kind, id, scope], version)? {
            return Ok(false);
        }
        // Written before the commit: if the process is killed in between, the row is restored from
        // the record at the next start.
        library.storage().write_record(tx, [account, kind, id, scope], Some(version))?;
        let switched = tx
            .prepare_cached(
                "UPDATE download SET phase = 'ready', reason = '', wanted = NULL, ready = wanted, bytes_done = bytes_total, checked_ms = coalesce((
                   SELECT min(b.proved_ms) FROM need n JOIN blob b ON b.hash = n.hash WHERE n.version = ?5), ?6)
                 WHERE account = ?1 AND kind = ?2 AND id = ?3 AND scope = ?4 AND wanted = ?5",
            )?
            .execute(params![account, kind, id, scope, version, now_ms])?;
        Ok(switched == 1)
    })
}

/// Returns whether the download is fetching this version.
pub(super) fn is_wanted(tx: &Connection, key: [&str; 4], version: i64) -> Result<bool> {
    let [account, kind, id, scope] = key;
    Ok(tx
        .prepare_cached(
            "SELECT 1 FROM download WHERE account = ?1 AND kind = ?2 AND id = ?3 AND scope = ?4 AND wanted = ?5",
        )?
        .exists(params![account, kind, id, scope, version])?)
}

/// Stores when all bytes were verified (UTC, ms).
pub fn set_checked(library: &Library, target: &DownloadTarget, now_ms: i64) -> Result<()> {
    let [account, kind, id, scope] = key_of(library, target);
    library.content_db().write_blocking("queue.set_checked", |conn| {
        conn.prepare_cached(
            "UPDATE download SET checked_ms = ?5 WHERE account = ?1 AND kind = ?2 AND id = ?3 AND scope = ?4",
        )?
        .execute(params![account, kind, id, scope, now_ms])?;
        Ok(())
    })
}

/// Removes a download. The rows of blobs that no other version needs are deleted in the same
/// transaction; their files are deleted afterwards, or at the next start.
pub fn remove(library: &Library, target: &DownloadTarget) -> Result<()> {
    library.storage().require_index()?;
    let [account, kind, id, scope] = key_of(library, target);
    let unneeded = library.content_db().write_blocking("queue.remove", |tx| {
        let blobs = tx
            .prepare_cached(
                "SELECT DISTINCT n.hash FROM download d JOIN need n ON n.version IN (d.wanted, d.ready)
                 WHERE d.account = ?1 AND d.kind = ?2 AND d.id = ?3 AND d.scope = ?4",
            )?
            .query_map([account, kind, id, scope], |r| hash_at(r, 0))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        tx.prepare_cached("DELETE FROM download WHERE account = ?1 AND kind = ?2 AND id = ?3 AND scope = ?4")?
            .execute([account, kind, id, scope])?;
        let mut needed = tx.prepare_cached("SELECT 1 FROM need WHERE hash = ?1")?;
        let mut unneeded = Vec::with_capacity(blobs.len());
        for hash in blobs {
            if !needed.exists([hash.0])? {
                mark_for_deletion(tx, hash)?;
                unneeded.push(hash);
            }
        }
        library.storage().remove_record([account, kind, id, scope]);
        Ok(unneeded)
    })?;
    for hash in &unneeded {
        library.blobs().discard_part(*hash)?;
    }
    library.blobs().remove_from_memory(unneeded);
    library.blobs().delete_marked()?;
    library.storage().remove_records()
}

/// Returns the downloads that resume without an action of the learner, oldest first, and whether each
/// was requested by the learner, as opposed to an automatic update: no version is ready.
pub fn waiting(library: &Library) -> Result<Vec<(DownloadTarget, bool)>> {
    library.content_db().read_blocking(|conn| {
        let rows = conn
            .prepare_cached(
                "SELECT kind, id, scope, ready IS NULL FROM download
                 WHERE account = ?1 AND (phase IN ('queued', 'running') OR (phase = 'paused' AND reason <> 'user' AND reason NOT LIKE 'cable%'))
                 ORDER BY requested_ms",
            )?
            .query_map([library.account()], |r| Ok(((r.get(0)?, r.get(1)?, r.get(2)?), r.get(3)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(rows
            .into_iter()
            .filter_map(|(names, is_requested)| Some((target_of(names)?, is_requested)))
            .collect())
    })
}

/// Returns all ready targets and their versions.
pub fn ready(library: &Library) -> Result<Vec<(DownloadTarget, BlobHash)>> {
    library.content_db().read_blocking(|conn| {
        let rows = conn
            .prepare_cached(
                "SELECT d.kind, d.id, d.scope, v.hash FROM download d JOIN version v ON v.version = d.ready
                 WHERE d.account = ?1 AND d.phase = 'ready'",
            )?
            .query_map([library.account()], |r| {
                let names = (r.get(0)?, r.get(1)?, r.get(2)?);
                Ok((names, hash_at(r, 3)?))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(rows.into_iter().filter_map(|(names, hash)| Some((target_of(names)?, hash))).collect())
    })
}

fn target_of((kind, id, scope): (String, String, String)) -> Option<DownloadTarget> {
    Some(DownloadTarget { kind: Kind::of_str(&kind), id: Slug::new(id).ok()?, scope })
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
