//! Usage figures for the Storage screen. Most sums are read from `tally` and `version`, which are kept
//! up to date. Blobs shared by several courses count once in the sums, and fully in the figures of
//! each course.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rusqlite::params;

use crate::{
    Result,
    blobs::MediaKind,
    kind::Kind,
    storage::{Limits, Measured, Shortage, Storage},
    target::{DownloadTarget, Phase},
};

/// Blobs of one kind; shared ones are counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindFigures {
    /// Media kind.
    pub kind: MediaKind,
    /// Number of blobs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Usage of this device's content, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// Used, reserved and free space.
    pub measured: Measured,
    /// The limits.
    pub limits: Limits,
    /// The budget, from the limits and the size of the disk.
    pub budget: u64,
    /// Blobs by media kind.
    pub by_kind: Vec<KindFigures>,
    /// Blobs that downloads of this account need.
    pub mine: u64,
    /// Blobs that only downloads of other accounts need.
    pub others: u64,
    /// Blobs that no download needs; they are evicted when space is short.
    pub cache: u64,
    /// Partial files.
    pub unfinished: u64,
    /// `content.db` without small bodies, and `records/`.
    pub index: u64,
    /// The current shortage of space, if any.
    pub shortage: Option<Shortage>,
    /// The read-only store of this machine, which is in none of the other figures.
    pub shared: Option<SharedFigures>,
}

/// Usage of the content folder of a machine by a user who may only read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFigures {
    /// The folder.
    pub folder: PathBuf,
    /// Bytes of all its blobs.
    pub bytes: u64,
}

/// Usage of one download of this account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CourseFigures {
    /// The target of the download.
    pub target: DownloadTarget,
    /// Phase of the download.
    pub phase: Phase,
    /// Whether the download is pinned, and therefore never evicted.
    pub pinned: bool,
    /// Bytes that are stored; equal to `total` for a ready download.
    pub bytes: u64,
    /// Bytes of the whole version; 0 while unknown.
    pub total: u64,
    /// Bytes by kind, in the order of `MediaKind::ALL`, of the version being fetched or ready.
    pub by_kind: [u64; 5],
    /// Time of the last use (UTC, ms).
    pub used_ms: i64,
}

/// Effect of removing a download, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// Bytes that only this download needs, which are freed.
    pub freed: u64,
    /// Bytes that another version needs, which are kept.
    pub shared: u64,
}

impl Storage {
    /// Returns the usage of all content on this device, and that of `account`.
    pub fn figures(&self, account: &str) -> Result<Figures> {
        let mut figures = self.inner.db.read_blocking(|conn| {
            let measured = self.measure_at(conn)?;
            let limits = self.limits_at(conn)?;
            let by_kind = conn
                .prepare_cached("SELECT kind, blobs, bytes FROM tally ORDER BY kind")?
                .query_map([], |r| {
                    Ok(KindFigures {
                        kind: MediaKind::of_number(r.get(0)?),
                        blobs: unsigned(r, 1)?,
                        bytes: unsigned(r, 2)?,
                    })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            // In hash order, by which both `blob` and `need_hash` are sorted.
            let (mine, needed, inline) = conn
                .prepare_cached(
                    "SELECT coalesce(sum(size) FILTER (WHERE EXISTS (
                              SELECT 1 FROM need n JOIN download d ON d.ready = n.version OR d.wanted = n.version
                              WHERE n.hash = b.hash AND d.account = ?1)), 0),
                            coalesce(sum(size) FILTER (WHERE EXISTS (SELECT 1 FROM need n WHERE n.hash = b.hash)), 0),
                            coalesce(sum(size) FILTER (WHERE inline = 1), 0)
                     FROM blob b",
                )?
                .query_row([account], |r| Ok((unsigned(r, 0)?, unsigned(r, 1)?, unsigned(r, 2)?)))?;
            let unfinished = conn
                .prepare_cached("SELECT coalesce(sum(bytes), 0) FROM part")?
                .query_row([], |r| unsigned(r, 0))?;
            let all: u64 = by_kind.iter().map(|k| k.bytes).sum();
            Ok(Figures {
                measured,
                limits,
                budget: limits.budget(measured),
                by_kind,
                mine,
                others: needed.saturating_sub(mine),
                cache: all.saturating_sub(needed),
                unfinished,
                index: inline,
                shortage: None,
                shared: None,
            })
        })?;
        let files: u64 = ["content.db", "content.db-wal", "content.db-shm"]
            .iter()
            .map(|name| fs::metadata(self.inner.dir.join(name)).map_or(0, |m| m.len()))
            .sum();
        let records = folder_bytes(&self.inner.dir.join(crate::records::RECORDS));
        figures.index = files.saturating_sub(figures.index) + records;
        figures.shortage = self.shortage();
        figures.shared = self.inner.blobs.shared_store().map(|(folder, bytes)| SharedFigures {
            folder: folder.to_owned(),
            bytes: bytes.unwrap_or_else(|| folder_bytes(&folder.join("blobs"))),
        });
        Ok(figures)
    }

    /// Returns one page of the account's downloads, largest first, and the number of its downloads.
    pub fn courses(
        &self,
        account: &str,
        offset: u32,
        limit: u32,
    ) -> Result<(Vec<CourseFigures>, u64)> {
        self.inner.db.read_blocking(|conn| {
            let total = conn
                .prepare_cached("SELECT count(*) FROM download WHERE account = ?1")?
                .query_row([account], |r| unsigned(r, 0))?;
            let rows = conn
                .prepare_cached(
                    "SELECT d.kind, d.id, d.scope, d.phase, d.pinned, d.used_ms,
                            CASE WHEN d.phase = 'ready' THEN v.bytes ELSE d.bytes_done END AS here,
                            coalesce(v.bytes, d.bytes_total) AS total,
                            coalesce(v.text_bytes, 0), coalesce(v.picture_bytes, 0), coalesce(v.audio_bytes, 0),
                            coalesce(v.video_bytes, 0), coalesce(v.other_bytes, 0)
                     FROM download d LEFT JOIN version v ON v.version = coalesce(d.wanted, d.ready)
                     WHERE d.account = ?1 ORDER BY here DESC, d.kind, d.id, d.scope LIMIT ?2 OFFSET ?3",
                )?
                .query_map(params![account, limit, offset], |r| {
                    let id = carrel_model::Slug::new(r.get::<_, String>(1)?);
                    let mut by_kind = [0; 5];
                    for (n, bytes) in by_kind.iter_mut().enumerate() {
                        *bytes = unsigned(r, 8 + n)?;
                    }
                    Ok(id.ok().map(|id| CourseFigures {
                        target: DownloadTarget { kind: Kind::of_str(&r.get::<_, String>(0).unwrap_or_default()), id, scope: r.get(2).unwrap_or_default() },
                        phase: Phase::parse(&r.get::<_, String>(3).unwrap_or_default()),
                        pinned: r.get(4).unwrap_or_default(),
                        used_ms: r.get(5).unwrap_or_default(),
                        bytes: unsigned(r, 6).unwrap_or_default(),
                        total: unsigned(r, 7).unwrap_or_default(),
                        by_kind,
                    }))
                })?
                .filter_map(Result::transpose)
                .collect::<rusqlite::Result<Vec<_>>>()?;
            Ok((rows, total))
        })
    }

    /// Returns the effect of removing one download.
    pub fn removal(&self, account: &str, target: &DownloadTarget) -> Result<Removal> {
        self.inner.db.read_blocking(|conn| {
            Ok(conn
                .prepare_cached(
                    "WITH mine AS (
                       SELECT coalesce(ready, -1) AS a, coalesce(wanted, -1) AS b FROM download
                       WHERE account = ?1 AND kind = ?2 AND id = ?3 AND scope = ?4),
                     gone AS (
                       SELECT version FROM mine JOIN version v ON v.version IN (mine.a, mine.b)
                       WHERE NOT EXISTS (
                         SELECT 1 FROM download d WHERE (d.ready = v.version OR d.wanted = v.version)
                           AND NOT (d.account = ?1 AND d.kind = ?2 AND d.id = ?3 AND d.scope = ?4))),
                     hashes AS (SELECT DISTINCT n.hash FROM mine JOIN need n ON n.version IN (mine.a, mine.b))
                     SELECT
                       coalesce(sum(b.size) FILTER (WHERE NOT other), 0), coalesce(sum(b.size) FILTER (WHERE other), 0)
                     FROM (
                       SELECT b.size, EXISTS (
                         SELECT 1 FROM need m WHERE m.hash = h.hash AND m.version NOT IN (SELECT version FROM gone)) AS other
                       FROM hashes h JOIN blob b ON b.hash = h.hash) b",
                )?
                .query_row(params![account, target.kind.as_str(), target.id.as_str(), target.scope], |r| {
                    Ok(Removal { freed: unsigned(r, 0)?, shared: unsigned(r, 1)? })
                })?)
        })
    }
}

/// Returns the sum of the lengths of all files in a folder and its subfolders.
pub fn folder_bytes(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|e| match e.metadata() {
            Ok(m) if m.is_dir() => folder_bytes(&e.path()),
            Ok(m) => m.len(),
            Err(_) => 0,
        })
        .sum()
}

fn unsigned(r: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(r.get::<_, i64>(column)?).unwrap_or(0))
}
