//! One transaction: joins rows, notes what waits, collects what changed.

use std::{cell::Cell, collections::BTreeSet};

use carrel_model::{
    AttemptId, DeviceId, Hlc, Slug,
    lattice::{Attempt, Row, RowKey, RowKind, RowType, TIME_MS, Validate},
};
use carrel_sqlite::{
    Change,
    rows::{self, Owner},
};
use rusqlite::{Connection, OptionalExtension};

use crate::{
    Error, Result,
    store::{
        Options, checked,
        checked::Found,
        journal::{Entry, Operation},
        outbox, state,
        state::State,
    },
};

/// A stamp from a file may be this far ahead of the clock here.
const MAX_DRIFT_MS: i64 = 24 * 3_600_000;
/// 2025-01-01: a clock before it was never set.
const CLOCK_WAS_SET_MS: i64 = 1_735_689_600_000;

/// What a closure in `Store::write` works with.
pub struct Tx<'c> {
    conn: &'c Connection,
    options: &'c Options,
    now_ms: i64,
    before: State,
    state: State,
    /// The last stamp that `hlc` gave out.
    issued: Option<Hlc>,
    changes: BTreeSet<Change>,
    /// Local changes, for the journal.
    recorded: Vec<Entry>,
    /// A row that could not be read was taken out of its table.
    set_aside: Cell<bool>,
}

/// What transactions did, for after their commit.
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
            set_aside: Cell::new(false),
        })
    }
    /// Saves the clocks; gives what changed.
    pub(super) fn finish(mut self) -> Result<Effects> {
        if self.set_aside.get() {
            // The server may have a good copy: everything is pulled again.
            self.state.pulled = 0;
        }
        if self.state != self.before {
            state::save(self.conn, &self.state)?;
        }
        Ok(Effects { changes: self.changes, recorded: self.recorded })
    }

    /// For reading within the transaction.
    pub fn conn(&self) -> &'c Connection {
        self.conn
    }
    pub fn device(&self) -> DeviceId {
        self.options.device
    }
    /// The wall clock at the start of the transaction (UTC, ms), kept within what a row may carry: a device whose clock says 1970
    /// still saves its learner's work.
    pub fn now_ms(&self) -> i64 {
        self.now_ms.clamp(*TIME_MS.start(), *TIME_MS.end())
    }
    /// The wall clock as it is.
    pub fn wall_ms(&self) -> i64 {
        self.now_ms
    }
    /// The next hybrid time, greater than all that this device wrote or saw, by the server's clock if ours is known to be off.
    pub fn hlc(&mut self) -> Hlc {
        self.state.hlc =
            self.state.hlc.tick(self.now_ms.saturating_add(self.state.clock_offset_ms));
        self.issued = Some(self.state.hlc);
        self.state.hlc
    }
    /// Where sync stands. Changes to it are saved with the transaction.
    pub fn state(&mut self) -> &mut State {
        &mut self.state
    }
    /// The row with this key. One that is stored but cannot be read is taken out of its table (what was stored is kept in
    /// `foreign_row`), so that the learner can go on.
    pub fn get(&self, key: &RowKey) -> Result<Option<Row>> {
        match checked::find(self.conn, key)? {
            Found::Row(row) => Ok(Some(row)),
            Found::Missing => Ok(None),
            Found::Damaged(problem) => {
                tracing::error!(row.kind = key.row_type.as_str(), row.key = %key.key, error = problem, "a row cannot be read: it is set aside");
                checked::set_aside(self.conn, key, self.now_ms)?;
                self.set_aside.set(true);
                Ok(None)
            }
        }
    }
    /// The row of this kind with this key.
    pub fn find<T: RowKind>(&self, parts: &[impl AsRef<str>]) -> Result<Option<T>> {
        let row = self.get(&RowKey::of(T::TYPE, parts))?;
        Ok(row.and_then(|r| T::try_from(r).ok()))
    }

    /// A change made here: joins the row, and if it says anything new, its key waits for the server with a new local revision.
    /// True if it did. `Error::Invalid` for a row that breaks a rule of the model.
    pub fn join(&mut self, row: impl Into<Row>) -> Result<bool> {
        let row = row.into();
        row.validate().map_err(|e| Error::Invalid(format!("{}: {e}", row.row_type().as_str())))?;
        self.release_register(&row)?;
        if !self.put(&row)? {
            return Ok(false);
        }
        self.mark_dirty(&row.key())?;
        self.recorded.push(Entry { operation: Operation::Join, row });
        Ok(true)
    }

    /// A row from the server: joins it and marks nothing. True if it said anything new.
    pub fn apply_remote(&mut self, row: impl Into<Row>) -> Result<bool> {
        let row = row.into();
        row.validate().map_err(|e| Error::Invalid(format!("{}: {e}", row.row_type().as_str())))?;
        if let Some(stamp) = row.stamp() {
            self.state.hlc = self.state.hlc.observe(stamp);
        }
        self.put(&row)
    }

    /// A row from a file: joined like one from the server, and if it says anything new, it waits, because the server may not have it.
    /// True if it did.
    ///
    /// No server has looked at its stamp: one from far in the future would win for ever, so it gets the least stamp instead. The value
    /// is kept where there is no other.
    pub fn carry(&mut self, row: impl Into<Row>) -> Result<bool> {
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

    /// The latest time that a stamp from outside may have.
    fn latest_stamp_ms(&self) -> i64 {
        let now_ms = self.now_ms.saturating_add(self.state.clock_offset_ms);
        if now_ms < CLOCK_WAS_SET_MS {
            // This clock was never set: it says nothing about others.
            return Hlc::MAX_PLAUSIBLE_MS;
        }
        let seen = if self.state.hlc.is_plausible() { self.state.hlc.ms() } else { 0 };
        now_ms.max(seen).saturating_add(MAX_DRIFT_MS).min(Hlc::MAX_PLAUSIBLE_MS)
    }

    /// A stamp that was issued here is later than all that this clock has followed. If the stored register has a later one all the same,
    /// that one is implausible and no write would ever win against it: it gets the least stamp, so that this write takes effect.
    fn release_register(&mut self, row: &Row) -> Result<()> {
        let Some(stamp) = row.stamp().filter(|stamp| self.issued == Some(*stamp)) else {
            return Ok(());
        };
        let Some(mut stored) = self.get(&row.key())? else { return Ok(()) };
        if stored.stamp().is_some_and(|frozen| frozen > stamp) && stored.set_stamp(Hlc::LEAST) {
            tracing::warn!(
                row.kind = row.row_type().as_str(),
                "a register had an implausible stamp"
            );
            self.replace(&stored)?;
        }
        Ok(())
    }

    /// The key waits from now on, with a new local revision. Nothing waits in an account without a server.
    pub fn mark_dirty(&mut self, key: &RowKey) -> Result<()> {
        if !self.options.has_server {
            return Ok(());
        }
        self.state.rev += 1;
        outbox::mark(self.conn, key, self.state.rev, self.now_ms)?;
        self.changes.extend([Change::Outbox, Change::Receipts]);
        Ok(())
    }

    /// Tells listeners of a change after the commit.
    pub fn changed(&mut self, change: Change) {
        self.changes.insert(change);
    }
    /// The release that runs.
    pub fn app_version(&self) -> &'c str {
        &self.options.app_version
    }

    /// Replaces a row instead of joining it. Only for a row that no other replica should have as it is: one whose stamp the server
    /// refused or would refuse.
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
        let joined = rows::join(self.conn, Owner::Client, row, 0)?;
        if joined.payload_conflict {
            tracing::warn!(
                row.kind = row.row_type().as_str(),
                "one id came with two payloads: the greater hash stays"
            );
        }
        if joined.changed
            && let Some(change) = self.change_of(row)?
        {
            self.changes.insert(change);
        }
        Ok(joined.changed)
    }

    /// What a view must show anew.
    fn change_of(&self, row: &Row) -> Result<Option<Change>> {
        Ok(match row {
            Row::Progress(r) => Some(Change::progress_of(&r.item)),
            Row::Session(r) => Some(Change::progress_of(&r.item)),
            Row::Attempt(r) => Some(Change::progress_of(&r.quiz)),
            Row::Answer(r) => self.quiz_change(r.attempt)?,
            Row::Grade(r) => self.quiz_change(r.attempt)?,
            Row::Review(_) | Row::ReviewVoid(_) => Some(Change::Words),
            Row::Kv(r) if r.ns == "setting" => Some(Change::Settings),
            Row::Kv(r) if r.ns == "enrolment" => {
                Slug::new(r.key.as_str()).ok().map(Change::Enrolment)
            }
            Row::Decision(r) => Some(Change::Enrolment(r.course.clone())),
            Row::Kv(_) | Row::NoteRevision(_) | Row::NoteLife(_) => None,
        })
    }
    fn quiz_change(&self, attempt: AttemptId) -> Result<Option<Change>> {
        let attempt: Option<Attempt> = self.find(&[attempt.to_string()])?;
        Ok(attempt.map(|a| Change::progress_of(&a.quiz)))
    }

    /// Takes a refusal back: the row waits again.
    pub fn requeue(&mut self, key: &RowKey) -> Result<()> {
        self.mark_dirty(key)
    }

    /// How often this key's stamp was already refused.
    pub fn skews(&self, key: &RowKey) -> Result<u32> {
        let mut stmt = self
            .conn
            .prepare_cached("SELECT skews FROM outbox WHERE row_type = ?1 AND key = ?2")?;
        Ok(stmt.query_row([key.row_type.as_str(), &key.key], |r| r.get(0)).optional()?.unwrap_or(0))
    }

    /// Deletes the rows that only the server writes. What another copy of its database decided does not join with what this one decides,
    /// and nobody sends it back: it would differ from the server's for ever.
    pub fn forget_server_rows(&mut self) -> Result<()> {
        for row_type in RowType::ALL.iter().filter(|t| t.is_server_only()) {
            // A row that cannot be read is forgotten as well, and changes no view.
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

    /// Marks every row that a learner makes as waiting: the server is not the one that has them.
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
