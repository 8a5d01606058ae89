//! A transaction on `user.db`: joins rows, updates the outbox, collects changes.

use std::{cell::Cell, collections::BTreeSet};

use carrel_model::{
    AttemptId, DeviceId, Hlc, Slug,
    lattice::{
        Attempt, CARD, EXERCISE, Kv, PARAMS, PROGRAM, REVIEW, Row, RowKey, RowKind, RowType,
        TIME_MS, TIMING, Validate, WORD,
    },
};
use carrel_sqlite::{
    Change,
    rows::{self, Owner},
};
use rusqlite::{Connection, OptionalExtension};
use serde_json::Value;

use crate::{
    Error, Result,
    store::{
        Options, card_changes, checked,
        checked::Found,
        journal::{Entry, Operation},
        outbox,
        outbox::Measured,
        state,
        state::State,
        study_day::{Moment, day_start_min},
    },
};

/// How far an imported stamp may be ahead of the local clock.
const MAX_DRIFT_MS: i64 = 24 * 3_600_000;
/// 2025-01-01. A clock before this time was never set.
const MIN_CLOCK_MS: i64 = 1_735_689_600_000;

/// Transaction passed to the closure of `Store::write`.
pub struct Tx<'c> {
    conn: &'c Connection,
    options: &'c Options,
    now_ms: i64,
    before: State,
    state: State,
    /// The last stamp returned by `hlc`.
    issued: Option<Hlc>,
    changes: BTreeSet<Change>,
    /// Local changes, for the journal.
    recorded: Vec<Entry>,
    /// An unreadable row was removed from its table.
    moved_unreadable: Cell<bool>,
}

/// Effects of transactions, applied after their commit.
#[derive(Default)]
pub(super) struct Effects {
    pub changes: BTreeSet<Change>,
    pub recorded: Vec<Entry>,
}

impl Effects {
    pub fn extend(&mut self, other: Self) {
        self.changes.extend(other.changes);
        self.recorded.extend(other.recorded);
    }
}

impl<'c> Tx<'c> {
    pub(super) fn new(conn: &'c Connection, options: &'c Options) -> Result<Self> {
        let state = state::load(conn)?;
        let now_ms = options.clock.now_ms();
        Ok(Self {
            conn,
            options,
            now_ms,
            before: state.clone(),
            state,
            issued: None,
            changes: BTreeSet::new(),
            recorded: Vec::new(),
            moved_unreadable: Cell::new(false),
        })
    }
    /// Saves the sync state and returns the effects.
    pub(super) fn finish(mut self) -> Result<Effects> {
        if self.moved_unreadable.get() {
            // The server may have a valid copy: everything is pulled again.
            self.state.pulled = 0;
        }
        if self.state != self.before {
            state::save(self.conn, &self.state)?;
        }
        Ok(Effects { changes: self.changes, recorded: self.recorded })
    }

    /// Returns the connection, for reads within the transaction.
    pub fn conn(&self) -> &'c Connection {
        self.conn
    }
    /// Returns the id of this device.
    pub fn device(&self) -> DeviceId {
        self.options.device
    }
    /// Returns the wall clock at the start of the transaction (UTC, ms), clamped to the range that rows allow, so that
    /// a device with a clock at 1970 can save.
    pub fn now_ms(&self) -> i64 {
        self.now_ms.clamp(*TIME_MS.start(), *TIME_MS.end())
    }
    /// Returns the wall clock unclamped (UTC, ms).
    pub fn wall_ms(&self) -> i64 {
        self.now_ms
    }
    /// Returns the moment of an event now: the corrected time, the study day and the zone.
    pub fn moment(&mut self) -> Result<Moment> {
        let at_ms = self.now_ms.saturating_add(self.state.clock_offset_ms);
        self.moment_at(at_ms)
    }
    /// Returns the moment of an event at a corrected time, in the present zone and with the present start of the day.
    pub fn moment_at(&mut self, at_ms: i64) -> Result<Moment> {
        let clock = self.options.clock.as_ref();
        Ok(Moment::new(at_ms, clock, self.day_start_min()?))
    }
    /// Returns the minutes after midnight at which the learner's study day starts.
    pub fn day_start_min(&mut self) -> Result<i32> {
        day_start_min(self.conn)
    }
    /// Returns the monotonic clock, in ms.
    pub fn mono_ms(&self) -> i64 {
        self.options.clock.monotonic_ms()
    }
    /// Returns the next stamp: greater than all that this device wrote or received, and corrected by the known offset
    /// to the server's clock.
    pub fn hlc(&mut self) -> Hlc {
        self.state.hlc =
            self.state.hlc.tick(self.now_ms.saturating_add(self.state.clock_offset_ms));
        self.issued = Some(self.state.hlc);
        self.state.hlc
    }
    /// Returns the sync state. Changes to it are saved with the transaction.
    pub fn state(&mut self) -> &mut State {
        &mut self.state
    }
    /// Returns the row with this key. An unreadable row is moved from its table to `foreign_row`, and read as missing.
    pub fn get(&self, key: &RowKey) -> Result<Option<Row>> {
        match checked::find(self.conn, key)? {
            Found::Row(row) => Ok(Some(row)),
            Found::Missing => Ok(None),
            Found::Damaged(problem) => {
                tracing::error!(
                    row.kind = key.row_type.as_str(),
                    row.key = %key.key,
                    error = problem,
                    "moved an unreadable row to foreign_row"
                );
                checked::move_unreadable_row(self.conn, key, self.now_ms)?;
                self.moved_unreadable.set(true);
                Ok(None)
            }
        }
    }
    /// Returns the row of this kind with this key.
    pub fn find<T: RowKind>(&self, parts: &[impl AsRef<str>]) -> Result<Option<T>> {
        let row = self.get(&RowKey::of(T::TYPE, parts))?;
        Ok(row.and_then(|r| T::try_from(r).ok()))
    }

    /// Joins a local change. If it changes the row, its key is put into the outbox with a new local revision. Returns
    /// true if the row changed, or `Error::Invalid` for an invalid row.
    pub fn join(&mut self, row: impl Into<Row>) -> Result<bool> {
        let row = row.into();
        row.validate().map_err(|e| Error::Invalid(format!("{}: {e}", row.row_type().as_str())))?;
        self.reset_implausible_register(&row)?;
        let joined = self.put_joined(&row)?;
        if !joined.changed {
            return Ok(false);
        }
        self.mark(&row.key(), joined.added)?;
        self.recorded.push(Entry { operation: Operation::Join, row });
        Ok(true)
    }

    /// Joins a row from the server; the outbox is unchanged. Returns true if the stored row changed.
    pub fn apply_remote(&mut self, row: impl Into<Row>) -> Result<bool> {
        let row = row.into();
        row.validate().map_err(|e| Error::Invalid(format!("{}: {e}", row.row_type().as_str())))?;
        if let Some(stamp) = row.stamp() {
            self.state.hlc = self.state.hlc.observe(stamp);
        }
        self.put(&row)
    }

    /// Joins a row from a file. If this changes the stored row, its key is put into the outbox, because the server may
    /// not have the row. Returns true if the stored row changed.
    ///
    /// Its stamp was not checked by a server, and one from far in the future would always win: such a stamp is replaced
    /// by the least one, which wins only if there is no other value.
    pub fn import(&mut self, row: impl Into<Row>) -> Result<bool> {
        let mut row = row.into();
        if row.stamp().is_some_and(|stamp| stamp.ms() > self.latest_stamp_ms()) {
            row.set_stamp(Hlc::LEAST);
        }
        let key = row.key();
        let entry = Entry { operation: Operation::Join, row: row.clone() };
        let changed = self.apply_remote(row)?;
        if changed {
            self.mark_dirty(&key)?;
            self.recorded.push(entry);
        }
        Ok(changed)
    }

    /// Returns the latest time allowed in an imported stamp.
    fn latest_stamp_ms(&self) -> i64 {
        let now_ms = self.now_ms.saturating_add(self.state.clock_offset_ms);
        if now_ms < MIN_CLOCK_MS {
            // The local clock was never set, so stamps cannot be compared with it.
            return Hlc::MAX_PLAUSIBLE_MS;
        }
        let seen = if self.state.hlc.is_plausible() { self.state.hlc.ms() } else { 0 };
        now_ms.max(seen).saturating_add(MAX_DRIFT_MS).min(Hlc::MAX_PLAUSIBLE_MS)
    }

    /// Sets the stamp of the stored register to the least one if it is later than one just issued by `hlc`. An issued
    /// stamp is later than all plausible ones observed, so the stored one is implausible, and no write would win
    /// against it.
    fn reset_implausible_register(&mut self, row: &Row) -> Result<()> {
        let Some(stamp) = row.stamp().filter(|stamp| self.issued == Some(*stamp)) else {
            return Ok(());
        };
        let Some(mut stored) = self.get(&row.key())? else { return Ok(()) };
        if stored.stamp().is_some_and(|stored_stamp| stored_stamp > stamp)
            && stored.set_stamp(Hlc::LEAST)
        {
            tracing::warn!(
                row.kind = row.row_type().as_str(),
                "a register had an implausible stamp"
            );
            self.replace(&stored)?;
        }
        Ok(())
    }

    /// Puts the key into the outbox with a new local revision. Does nothing without a server.
    pub fn mark_dirty(&mut self, key: &RowKey) -> Result<()> {
        self.mark(key, false)
    }
    fn mark(&mut self, key: &RowKey, is_new: bool) -> Result<()> {
        if !self.options.has_server {
            return Ok(());
        }
        self.state.rev += 1;
        let at = Measured {
            wall_ms: self.now_ms,
            mono_ms: self.mono_ms(),
            run: self.state.run,
            offset_ms: self.state.clock_offset_ms,
            is_new,
        };
        outbox::mark(self.conn, key, self.state.rev, at)?;
        self.changes.extend([Change::Outbox, Change::Receipts]);
        Ok(())
    }

    /// Publishes a change after the commit.
    pub fn changed(&mut self, change: Change) {
        self.changes.insert(change);
    }
    /// Returns the running release.
    pub fn app_version(&self) -> &'c str {
        &self.options.app_version
    }

    /// Replaces a row instead of joining it. Only for a row that no other replica has in its present form, because the
    /// server rejected its stamp or would reject it.
    pub fn replace(&mut self, row: &Row) -> Result<()> {
        let key = row.key();
        let table = rows::TableSpec::of(key.row_type);
        let (first, second) = key.parts();
        let columns: Vec<String> = table
            .keys
            .iter()
            .enumerate()
            .map(|(i, c)| format!("{} = ?{}", c.name, i + 1))
            .collect();
        let sql = format!("DELETE FROM {} WHERE {}", table.table, columns.join(" AND "));
        let mut delete = self.conn.prepare_cached(&sql)?;
        match (table.keys[0].kind, second) {
            (rows::Kind::Uuid, _) => {
                let id: uuid::Uuid =
                    first.parse().map_err(|_| Error::Internal(format!("not an id: {first:?}")))?;
                delete.execute([id.as_bytes().as_slice()])?
            }
            (_, Some(second)) => delete.execute([first, second])?,
            (_, None) => delete.execute([first])?,
        };
        self.put(row)?;
        self.recorded.push(Entry { operation: Operation::Replace, row: row.clone() });
        Ok(())
    }

    fn put(&mut self, row: &Row) -> Result<bool> {
        Ok(self.put_joined(row)?.changed)
    }
    fn put_joined(&mut self, row: &Row) -> Result<rows::Joined> {
        let joined = rows::join(self.conn, Owner::Client, row, 0)?;
        if joined.payload_conflict {
            tracing::warn!(
                row.kind = row.row_type().as_str(),
                "two rows with one id and different payloads: kept the one with the greater hash"
            );
        }
        if joined.changed {
            card_changes::mark_row(self.conn, row, joined.payload_conflict)?;
            self.changes.extend(self.change_of(row)?);
        }
        Ok(joined)
    }

    /// Writes a register with a JSON value, unless it has that value. Returns true if it changed.
    pub fn set_register(&mut self, ns: &str, key: &str, value: &Value) -> Result<bool> {
        self.set_register_text(ns, key, serde_json::to_string(value)?)
    }
    /// The same for a value as compact JSON text, of which each byte is kept.
    pub fn set_register_text(&mut self, ns: &str, key: &str, value: String) -> Result<bool> {
        let before: Option<Kv> = self.find(&[ns, key])?;
        if before.is_some_and(|before| before.value == value) {
            return Ok(false);
        }
        let (hlc, device) = (self.hlc(), self.device());
        let (ns, key) = (ns.to_owned(), key.to_owned());
        self.join(Kv { ns, key, value, hlc, device, extra: Default::default() })
    }

    /// Returns the change to publish for this row.
    fn change_of(&self, row: &Row) -> Result<Option<Change>> {
        Ok(match row {
            Row::Progress(r) => Some(Change::progress_of(&r.item)),
            Row::Session(r) => Some(Change::progress_of(&r.item)),
            Row::Attempt(r) => Some(Change::progress_of(&r.quiz)),
            Row::Answer(r) => self.quiz_change(r.attempt)?,
            Row::Grade(r) => self.quiz_change(r.attempt)?,
            Row::Review(_) | Row::ReviewVoid(_) => Some(Change::Words),
            Row::Kv(r) if r.ns == "setting" || r.ns == TIMING => Some(Change::Settings),
            Row::Kv(r) if r.ns == EXERCISE || r.ns == PROGRAM => {
                r.exercise_item().map(|item| Change::progress_of(&item))
            }
            Row::Kv(r) if [CARD, REVIEW, PARAMS, WORD].contains(&r.ns.as_str()) => {
                Some(Change::Words)
            }
            Row::Kv(r) if r.ns == "enrolment" => {
                Slug::new(r.key.as_str()).ok().map(Change::Enrolment)
            }
            Row::Decision(r) => Some(Change::Enrolment(r.course.clone())),
            Row::NoteRevision(_) | Row::NoteLife(_) => Some(Change::Notes),
            Row::Kv(_) => None,
        })
    }
    fn quiz_change(&self, attempt: AttemptId) -> Result<Option<Change>> {
        let attempt: Option<Attempt> = self.find(&[attempt.to_string()])?;
        Ok(attempt.map(|a| Change::progress_of(&a.quiz)))
    }

    /// Puts a rejected row back into the outbox.
    pub fn requeue(&mut self, key: &RowKey) -> Result<()> {
        self.mark_dirty(key)
    }

    /// Returns how many times the stamp of this row was rejected.
    pub fn skews(&self, key: &RowKey) -> Result<u32> {
        let mut stmt = self
            .conn
            .prepare_cached("SELECT skews FROM outbox WHERE row_type = ?1 AND key = ?2")?;
        Ok(stmt.query_row([key.row_type.as_str(), &key.key], |r| r.get(0)).optional()?.unwrap_or(0))
    }

    /// Deletes the rows that only the server writes. Clients never send them, so rows of another copy of the server's
    /// database would never converge with those of this one.
    pub fn delete_server_rows(&mut self) -> Result<()> {
        for row_type in RowType::ALL.iter().filter(|t| t.is_server_only()) {
            // An unreadable row is also deleted, without a change event.
            for key in checked::keys(self.conn, *row_type)? {
                if let Found::Row(row) = checked::find(self.conn, &key)?
                    && let Some(change) = self.change_of(&row)?
                {
                    self.changes.insert(change);
                }
            }
            let table = rows::TableSpec::of(*row_type).table;
            self.conn.execute(&format!("DELETE FROM {table}"), [])?;
        }
        Ok(())
    }

    /// Puts all rows that learners write into the outbox, for a server that does not have them.
    pub fn mark_all_dirty(&mut self) -> Result<()> {
        for row_type in RowType::ALL {
            if row_type.is_server_only() {
                continue;
            }
            for key in checked::keys(self.conn, *row_type)? {
                self.mark_dirty(&key)?;
            }
        }
        Ok(())
    }
}
