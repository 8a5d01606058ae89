//! The queue in `content.db`: what is wanted, how far it came, what is ready.

use std::collections::HashMap;

use carrel_model::{
    BlobHash, Slug,
    content::{Manifest, SignedManifest},
};
use rusqlite::{OptionalExtension, Row, params};

use crate::{
    Result,
    library::{Kind, Library, OpenManifest},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    #[default]
    Absent,
    Queued,
    Running,
    Paused,
    Ready,
    Failed,
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }
    fn parse(text: &str) -> Self {
        [Self::Queued, Self::Running, Self::Paused, Self::Ready, Self::Failed]
            .into_iter()
            .find(|p| p.as_str() == text)
            .unwrap_or_default()
    }
}

/// Why a download waits or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reason {
    #[default]
    None,
    Offline,
    DiskFull,
    User,
    Server,
    Corrupt,
    SignIn,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Offline => "offline",
            Self::DiskFull => "disk_full",
            Self::User => "user",
            Self::Server => "server",
            Self::Corrupt => "corrupt",
            Self::SignIn => "sign_in",
        }
    }
    fn parse(text: &str) -> Self {
        [Self::Offline, Self::DiskFull, Self::User, Self::Server, Self::Corrupt, Self::SignIn]
            .into_iter()
            .find(|r| r.as_str() == text)
            .unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    pub phase: Phase,
    pub reason: Reason,
    pub bytes_done: u64,
    pub bytes_total: u64,
    /// When every byte was last proved; `None` if never.
    pub checked_ms: Option<i64>,
    /// The version whose bytes are all here.
    pub ready_version: Option<BlobHash>,
}

fn signed(text: &str) -> Option<SignedManifest> {
    serde_json::from_str(text).ok()
}

fn state_of(r: &Row<'_>) -> rusqlite::Result<State> {
    let ready: String = r.get("ready")?;
    let checked: i64 = r.get("checked_ms")?;
    Ok(State {
        phase: Phase::parse(&r.get::<_, String>("phase")?),
        reason: Reason::parse(&r.get::<_, String>("reason")?),
        bytes_done: r.get::<_, i64>("bytes_done")?.unsigned_abs(),
        bytes_total: r.get::<_, i64>("bytes_total")?.unsigned_abs(),
        checked_ms: (checked > 0).then_some(checked),
        ready_version: signed(&ready).map(|s| s.version()),
    })
}

pub fn get(library: &Library, kind: Kind, id: &Slug) -> Result<Option<State>> {
    library.content_db().with(|conn| {
        Ok(conn
            .prepare_cached(
                "SELECT phase, reason, bytes_done, bytes_total, ready, checked_ms FROM download
                 WHERE account = ?1 AND kind = ?2 AND id = ?3",
            )?
            .query_row([library.account(), kind.as_str(), id.as_str()], state_of)
            .optional()?)
    })
}

pub fn all(library: &Library, kind: Kind) -> Result<HashMap<String, State>> {
    library.content_db().with(|conn| {
        Ok(conn
            .prepare_cached(
                "SELECT id, phase, reason, bytes_done, bytes_total, ready, checked_ms FROM download
                 WHERE account = ?1 AND kind = ?2",
            )?
            .query_map([library.account(), kind.as_str()], |r| Ok((r.get("id")?, state_of(r)?)))?
            .collect::<rusqlite::Result<_>>()?)
    })
}

/// Puts it into the queue; a version that is ready stays ready until the next one is.
pub fn want(library: &Library, kind: Kind, id: &Slug) -> Result<()> {
    let now = library.clock().now_ms();
    library.content_db().with(|conn| {
        conn.prepare_cached(
            "INSERT INTO download (account, kind, id, phase, reason, bytes_done, bytes_total, wanted, ready, requested_ms, checked_ms)
             VALUES (?1, ?2, ?3, 'queued', '', 0, 0, '', '', ?4, 0)
             ON CONFLICT (account, kind, id) DO UPDATE SET phase = 'queued', reason = ''",
        )?
        .execute(params![library.account(), kind.as_str(), id.as_str(), now])?;
        Ok(())
    })
}

pub fn set_phase(
    library: &Library,
    kind: Kind,
    id: &Slug,
    phase: Phase,
    reason: Reason,
) -> Result<()> {
    library.content_db().with(|conn| {
        conn.prepare_cached("UPDATE download SET phase = ?4, reason = ?5 WHERE account = ?1 AND kind = ?2 AND id = ?3")?
            .execute([library.account(), kind.as_str(), id.as_str(), phase.as_str(), reason.as_str()])?;
        Ok(())
    })
}

/// Notes which manifest is being fetched and how large it is.
pub fn set_wanted(
    library: &Library,
    kind: Kind,
    id: &Slug,
    manifest: &OpenManifest,
    done: u64,
) -> Result<()> {
    let text = serde_json::to_string(&manifest.signed)?;
    library.content_db().with(|conn| {
        conn.prepare_cached(
            "UPDATE download SET phase = 'running', reason = '', wanted = ?4, bytes_done = ?5, bytes_total = ?6
             WHERE account = ?1 AND kind = ?2 AND id = ?3",
        )?
        .execute(params![
            library.account(),
            kind.as_str(),
            id.as_str(),
            text,
            i64::try_from(done).unwrap_or(i64::MAX),
            i64::try_from(manifest.manifest.total_bytes()).unwrap_or(i64::MAX)
        ])?;
        Ok(())
    })
}

pub fn set_done(library: &Library, kind: Kind, id: &Slug, done: u64) -> Result<()> {
    library.content_db().with(|conn| {
        conn.prepare_cached(
            "UPDATE download SET bytes_done = ?4 WHERE account = ?1 AND kind = ?2 AND id = ?3",
        )?
        .execute(params![
            library.account(),
            kind.as_str(),
            id.as_str(),
            i64::try_from(done).unwrap_or(i64::MAX)
        ])?;
        Ok(())
    })
}

pub fn set_ready(
    library: &Library,
    kind: Kind,
    id: &Slug,
    manifest: &OpenManifest,
    now_ms: i64,
) -> Result<()> {
    let text = serde_json::to_string(&manifest.signed)?;
    let total = i64::try_from(manifest.manifest.total_bytes()).unwrap_or(i64::MAX);
    library.content_db().with(|conn| {
        conn.prepare_cached(
            "UPDATE download SET phase = 'ready', reason = '', wanted = '', ready = ?4, bytes_done = ?5, bytes_total = ?5,
                                 checked_ms = ?6
             WHERE account = ?1 AND kind = ?2 AND id = ?3",
        )?
        .execute(params![library.account(), kind.as_str(), id.as_str(), text, total, now_ms])?;
        Ok(())
    })
}

pub fn set_checked(library: &Library, kind: Kind, id: &Slug, now_ms: i64) -> Result<()> {
    library.content_db().with(|conn| {
        conn.prepare_cached(
            "UPDATE download SET checked_ms = ?4 WHERE account = ?1 AND kind = ?2 AND id = ?3",
        )?
        .execute(params![library.account(), kind.as_str(), id.as_str(), now_ms])?;
        Ok(())
    })
}

pub fn remove(library: &Library, kind: Kind, id: &Slug) -> Result<()> {
    library.content_db().with(|conn| {
        conn.prepare_cached("DELETE FROM download WHERE account = ?1 AND kind = ?2 AND id = ?3")?
            .execute([library.account(), kind.as_str(), id.as_str()])?;
        Ok(())
    })
}

/// What should go on by itself, oldest first.
pub fn waiting(library: &Library) -> Result<Vec<(Kind, Slug)>> {
    library.content_db().with(|conn| {
        let rows = conn
            .prepare_cached(
                "SELECT kind, id FROM download
                 WHERE account = ?1 AND (phase IN ('queued', 'running') OR (phase = 'paused' AND reason <> 'user'))
                 ORDER BY requested_ms",
            )?
            .query_map([library.account()], |r| Ok((r.get::<_, String>("kind")?, r.get::<_, String>("id")?)))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let kind = |k: &str| if k == "story" { Kind::Story } else { Kind::Course };
        Ok(rows.into_iter().filter_map(|(k, id)| Some((kind(&k), Slug::new(id).ok()?))).collect())
    })
}

/// The manifests of one download of this account, or of all downloads of everybody on this device.
pub fn manifests(
    library: &Library,
    only: Option<(Kind, &Slug)>,
    mine: bool,
) -> Result<Vec<Manifest>> {
    library.content_db().with(|conn| {
        let (kind, id) = only.map_or(("", ""), |(k, id)| (k.as_str(), id.as_str()));
        let texts = conn
            .prepare_cached(
                "SELECT ready, wanted FROM download WHERE (?1 = '' OR (kind = ?1 AND id = ?2)) AND (NOT ?3 OR account = ?4)",
            )?
            .query_map(params![kind, id, mine, library.account()], |r| Ok([r.get::<_, String>(0)?, r.get::<_, String>(1)?]))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(texts.iter().flatten().filter_map(|t| serde_json::from_str(&signed(t)?.manifest).ok()).collect())
    })
}
