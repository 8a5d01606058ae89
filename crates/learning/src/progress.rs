//! Progress through sections, stories and media, and the last position in each.

use std::collections::BTreeSet;

use carrel_model::{
    ItemId,
    lattice::{ItemKind, Position, Progress, Row, RowKey, RowType},
};
use carrel_sqlite::rows::NEVER;
use rusqlite::Connection;

use crate::{
    Learning, Result,
    store::{checked, outbox},
    under,
};

/// A progress update. Only the fields that are set are written; `percent` never decreases except through `restart`.
#[derive(Debug, Clone)]
pub struct Step {
    /// Kind of the item: section, story or media.
    pub kind: ItemKind,
    /// The item that was studied.
    pub item: ItemId,
    /// 0 to 10,000 (hundredths of a percent).
    pub percent: Option<u16>,
    /// Sets the time of completion to now, and `percent` to 10,000.
    pub done: bool,
    /// Position within the item, in a format defined by the view of the item; at most 200 bytes.
    pub pos: Option<String>,
    /// Starts a new generation at 0 percent; the time of completion is kept.
    pub restart: bool,
}

impl Step {
    /// Creates an empty update.
    pub fn at(kind: ItemKind, item: ItemId) -> Self {
        Self { kind, item, percent: None, done: false, pos: None, restart: false }
    }
}

/// A progress row with its sync state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressRecord {
    /// The row as stored; without progress if no row exists.
    pub row: Progress,
    /// The row is in the outbox.
    pub waiting: bool,
}

fn key(kind: ItemKind, item: &ItemId) -> RowKey {
    RowKey::of(RowType::Progress, &[kind.as_str(), item.as_str()])
}

impl Learning {
    /// Stores an update durably. Returns `Error::Invalid` for a percentage over 10,000 or a position that is too long.
    pub async fn record(&self, step: Step) -> Result<ProgressRecord> {
        self.store
            .write("record_progress", move |tx| {
                let key = key(step.kind, &step.item);
                let mut row = Progress::none(step.kind, step.item.clone());
                if let Some(Row::Progress(now)) = tx.get(&key)? {
                    (row.generation, row.percent) = (now.generation, now.percent);
                }
                if step.restart {
                    (row.generation, row.percent) = (row.generation.saturating_add(1), 0);
                }
                if let Some(percent) = step.percent {
                    row.percent = if percent > 10_000 { percent } else { row.percent.max(percent) };
                }
                if step.done {
                    row.done_ms = Some(tx.now_ms());
                    row.percent = 10_000;
                }
                if let Some(at) = &step.pos {
                    row.pos = Some(Position { hlc: tx.hlc(), device: tx.device(), at: at.clone() });
                }
                tx.join(row)?;
                let waiting = outbox::is_waiting(tx.conn(), &key)?;
                match tx.get(&key)? {
                    Some(Row::Progress(row)) => Ok(ProgressRecord { row, waiting }),
                    // An empty update creates no row.
                    _ => Ok(ProgressRecord {
                        row: Progress::none(step.kind, step.item.clone()),
                        waiting,
                    }),
                }
            })
            .await
    }

    /// Returns the progress of one item; `None` if no row exists.
    pub async fn progress(&self, kind: ItemKind, item: &ItemId) -> Result<Option<ProgressRecord>> {
        let key = key(kind, item);
        self.store
            .read(move |conn| {
                let waiting = outbox::is_waiting(conn, &key)?;
                let row = checked::get(conn, &key)?;
                Ok(row
                    .and_then(|r| Progress::try_from(r).ok())
                    .map(|row| ProgressRecord { row, waiting }))
            })
            .await
    }

    /// Returns all progress below a course or story.
    pub async fn progress_under(&self, root: &str) -> Result<Vec<ProgressRecord>> {
        let root = root.to_owned();
        self.store
            .read(move |conn| {
                let waiting = outbox::waiting_of_type(conn, RowType::Progress)?;
                let found: Vec<Progress> = under(conn, &root)?;
                Ok(with_waiting(found, &waiting))
            })
            .await
    }

    /// Returns the finished sections of a course.
    pub async fn done_sections(&self, root: &str) -> Result<BTreeSet<ItemId>> {
        let root = root.to_owned();
        self.store.read(move |conn| done(conn, &root)).await
    }

    /// Returns all finished items of one kind, over all courses, in one query.
    pub async fn done_items(&self, kind: ItemKind) -> Result<BTreeSet<ItemId>> {
        self.store
            .read(move |conn| {
                let mut stmt = conn.prepare_cached(
                    "SELECT item FROM progress WHERE kind = ?1 AND done_ms <> ?2",
                )?;
                let mut found = stmt.query((kind.as_str(), NEVER))?;
                let mut items = BTreeSet::new();
                while let Some(r) = found.next()? {
                    // A damaged id is skipped.
                    items.extend(ItemId::new(r.get_ref("item")?.as_str().unwrap_or_default()).ok());
                }
                Ok(items)
            })
            .await
    }

    /// Returns the sections and stories with the most recent positions on all devices, newest first, for "Continue".
    pub async fn latest(&self, limit: usize) -> Result<Vec<ProgressRecord>> {
        self.store
            .read(move |conn| {
                let waiting = outbox::waiting_of_type(conn, RowType::Progress)?;
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                let clause = "WHERE pos_hlc > 0 AND kind <> 'media' \
                     ORDER BY pos_hlc DESC, pos_device DESC, item LIMIT ?1";
                Ok(with_waiting(checked::query(conn, clause, [limit])?, &waiting))
            })
            .await
    }

    /// Returns the keys in the outbox of one row type, as in `RowKey::key`.
    pub async fn waiting(&self, row_type: RowType) -> Result<BTreeSet<String>> {
        self.store.read(move |conn| outbox::waiting_of_type(conn, row_type)).await
    }
}

fn done(conn: &Connection, root: &str) -> Result<BTreeSet<ItemId>> {
    let found: Vec<Progress> = under(conn, root)?;
    Ok(found
        .into_iter()
        .filter(|p| p.kind == ItemKind::Section && p.done_ms.is_some())
        .map(|p| p.item)
        .collect())
}

fn with_waiting(found: Vec<Progress>, waiting: &BTreeSet<String>) -> Vec<ProgressRecord> {
    let record = |row: Progress| {
        let waiting = waiting.contains(&key(row.kind, &row.item).key);
        ProgressRecord { row, waiting }
    };
    found.into_iter().map(record).collect()
}
