//! Downloads whose version is imported from a file.

use rusqlite::params;

use crate::{
    Result,
    download::{DownloadTarget, queue},
    library::{Library, OpenManifest},
};

/// Value of the column `reason` during an import. Not a `Reason`, because it is used only in the
/// database. Reset at the next start.
///
/// For a download that was requested earlier, its phase and reason are appended
/// (`cable:paused:user`), and are restored if the import fails.
const IMPORTING: &str = "cable";

/// Origin of an imported version.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Address of the server that published the version.
    pub server: &'a str,
    /// Name of that server.
    pub server_name: &'a str,
    /// When the server last listed this version as the newest, according to the exporting device (UTC,
    /// ms); 0 if unknown.
    pub as_of_ms: i64,
}

/// Registers a version before its import, so that its blobs are not evicted. A ready version stays
/// ready. Returns the row number of the imported version.
pub fn begin(library: &Library, target: &DownloadTarget, manifest: &OpenManifest) -> Result<i64> {
    let now = library.clock().now_ms();
    let blobs = &manifest.manifest.blobs;
    let total = i64::try_from(manifest.manifest.total_bytes()).unwrap_or(i64::MAX);
    let [account, kind, id, scope] = queue::key_of(library, target);
    library.storage().require_index()?;
    library.content_db().write_blocking("imported.begin", |tx| {
        let version = queue::version(tx, target, manifest, blobs)?;
        tx.prepare_cached(
            "INSERT INTO download (account, kind, id, scope, phase, reason, bytes_done, bytes_total, wanted, ready, pinned,
                                   requested_ms, used_ms, checked_ms)
             VALUES (?1, ?2, ?3, ?4, 'paused', ?5, 0, ?6, ?7, NULL, 1, ?8, ?8, 0)
             ON CONFLICT (account, kind, id, scope) DO UPDATE SET
               wanted = excluded.wanted, pinned = 1, bytes_total = excluded.bytes_total,
               phase = CASE WHEN ready IS NULL THEN 'paused' ELSE 'ready' END,
               reason = CASE WHEN reason LIKE ?5 || '%' THEN reason
                             WHEN phase = 'ready' THEN ?5
                             ELSE ?5 || ':' || phase || ':' || reason END",
        )?
        .execute(params![account, kind, id, scope, IMPORTING, total, version, now])?;
        Ok(version)
    })
}

/// Makes the imported version ready and records its origin, in one transaction. Returns `false` if
/// the download requests another version by now.
pub fn finish(
    library: &Library,
    target: &DownloadTarget,
    version: i64,
    manifest: &OpenManifest,
    origin: Origin<'_>,
) -> Result<bool> {
    let now = library.clock().now_ms();
    let [account, kind, id, scope] = queue::key_of(library, target);
    library.storage().write_pack(version)?;
    library.content_db().write_blocking("imported.finish", |tx| {
        if !queue::is_wanted(tx, [account, kind, id, scope], version)? {
            return Ok(false);
        }
        let switched = tx
            .prepare_cached(
                "UPDATE download SET phase = 'ready', reason = '', wanted = NULL, ready = wanted, bytes_done = bytes_total, checked_ms = ?6
                 WHERE account = ?1 AND kind = ?2 AND id = ?3 AND scope = ?4 AND wanted = ?5",
            )?
            .execute(params![account, kind, id, scope, version, now])?;
        if switched == 1 {
            tx.prepare_cached(
                "INSERT OR REPLACE INTO carried (account, kind, id, version, server, server_name, as_of_ms, taken_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                account,
                kind,
                id,
                manifest.version.0,
                origin.server,
                origin.server_name,
                origin.as_of_ms,
                now
            ])?;
            library.storage().write_record(tx, [account, kind, id, scope], Some(version))?;
        }
        Ok(switched == 1)
    })
}

/// Cancels an import: an earlier phase and reason are restored, a ready version stays ready, and any
/// other row is deleted. Verified blobs stay stored until they are evicted.
pub fn cancel(library: &Library, target: &DownloadTarget) -> Result<()> {
    restore_rows(
        library,
        "AND kind = ?3 AND id = ?4 AND scope = ?5",
        &[target.kind.as_str(), target.id.as_str(), &target.scope],
    )
}

/// Cancels imports that were interrupted by the end of the process.
pub fn cancel_interrupted(library: &Library) -> Result<()> {
    if library.storage().is_degraded() {
        return Ok(());
    }
    restore_rows(library, "", &[])
}

fn restore_rows(library: &Library, only: &str, values: &[&str]) -> Result<()> {
    let mut all = vec![library.account(), IMPORTING];
    all.extend(values);
    library.content_db().write_blocking("imported.restore_rows", |tx| {
        for sql in [
            // `wanted` stays set, so that the imported blobs are not evicted; the download replaces
            // it.
            format!(
                "UPDATE download SET
                   phase = substr(reason, length(?2) + 2, instr(substr(reason, length(?2) + 2), ':') - 1),
                   reason = substr(reason, length(?2) + 2 + instr(substr(reason, length(?2) + 2), ':'))
                 WHERE account = ?1 AND reason LIKE ?2 || ':%' {only}"
            ),
            format!("DELETE FROM download WHERE account = ?1 AND reason = ?2 {only} AND ready IS NULL"),
            format!(
                "UPDATE download SET wanted = NULL, phase = 'ready', reason = '',
                   bytes_total = coalesce((SELECT bytes FROM version WHERE version = ready), bytes_total)
                 WHERE account = ?1 AND reason = ?2 {only}"
            ),
        ] {
            tx.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(&all))?;
        }
        Ok(())
    })
}
