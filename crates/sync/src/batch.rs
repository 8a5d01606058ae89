//! Builds a push request from the outbox, and applies the reply to the outbox in one transaction.

use carrel_learning::store::{
    Tx, outbox,
    outbox::{Broken, Waiting},
    state,
};
use carrel_model::{
    BatchId, Hlc,
    lattice::{NoteLife, Position, Row, RowKey, TIME_MS, study_day},
    wire::{MAX_PUSH_BYTES, MAX_PUSH_ITEMS, PushReply, PushRequest, ResultCode},
};
use carrel_system::{Clock, IdGen};
use rusqlite::Connection;

use crate::{Result, clock, machine::Pushed};

/// Maximum size of the fields around the items, in bytes.
const ENVELOPE_BYTES: usize = 1024;
/// A smaller clock offset counts as 0.
pub(super) const MIN_CLOCK_OFFSET_MS: i64 = 30_000;
/// How far ahead of its clock the server accepts a stamp.
pub(super) const MAX_AHEAD_MS: i64 = 5 * 60_000;
/// How many times a row gets a new stamp before it is quarantined.
const MAX_SKEWS: u32 = 3;

/// A batch in flight: the rows as they were sent.
pub(super) struct Batch {
    sent: Vec<Waiting>,
    request: PushRequest,
    /// The pull cursor when the batch was built.
    pulled: u64,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }
    pub(super) fn keys(&self) -> impl Iterator<Item = &RowKey> {
        self.sent.iter().map(|w| &w.key)
    }
    pub(super) fn first(&self) -> Option<(RowKey, i64)> {
        self.sent.first().map(|w| (w.key.clone(), w.rev))
    }
    /// Returns the local revision after which the next batch starts, if that may be sent before the reply to this one
    /// arrives. Only full batches under a known epoch are pipelined: a smaller batch is the last one, or its size was
    /// reduced by the machine.
    pub(super) fn next_after(&self) -> Option<i64> {
        let full = self.sent.len() == MAX_PUSH_ITEMS && !self.request.epoch.is_empty();
        self.sent.last().filter(|_| full).map(|w| w.rev)
    }
    pub(super) fn request(&self) -> &PushRequest {
        &self.request
    }
}

/// Returns the next batch of rows changed after the local revision `after_rev` (`None` if there are none), and the keys
/// without a row that can be sent.
pub(super) fn next(
    conn: &Connection,
    limit: usize,
    after_rev: i64,
    device_id: carrel_model::DeviceId,
    clock: &dyn Clock,
    ids: &dyn IdGen,
) -> Result<(Option<Batch>, Vec<Broken>)> {
    let found = outbox::batch(conn, after_rev, limit, MAX_PUSH_BYTES - ENVELOPE_BYTES)?;
    if found.rows.is_empty() {
        return Ok((None, found.broken));
    }
    let state = state::load(conn)?;
    let now_ms = clock.now_ms();
    let mut sent = Vec::with_capacity(found.rows.len());
    let mut items = Vec::with_capacity(found.rows.len());
    for (waiting, json) in found.rows {
        sent.push(waiting);
        items.push(json);
    }
    let hlc_now = state.hlc.observe(Hlc::new(now_ms.saturating_add(state.clock_offset_ms), 0));
    let batch_id = BatchId(ids.uuid_v7(now_ms));
    let request = PushRequest { device_id, epoch: state.epoch, batch_id, hlc_now, items };
    Ok((Some(Batch { sent, request, pulled: state.pulled }), found.broken))
}

/// Applies a reply. `offset_ms` is the server's clock minus the local one, if it was fetched.
pub(super) fn settle(
    tx: &mut Tx<'_>,
    batch: &BatchOutcome,
    offset_ms: Option<i64>,
) -> Result<Pushed> {
    let mut done = Pushed { sent: batch.sent.len(), ..Pushed::default() };
    let known = tx.state().epoch.clone();
    // Change numbers are comparable only within one epoch, and a pull during the push may have stored a new epoch.
    let is_older = batch.epoch == batch.reply.epoch && batch.reply.usn < batch.pulled;
    // A new epoch, or an older state of the same database: the server may not have rows it acknowledged earlier, so
    // nothing is acknowledged.
    if !known.is_empty() && (known != batch.reply.epoch || is_older) {
        change_epoch(tx, &batch.reply.epoch)?;
        done.other_epoch = true;
        done.left = outbox::counts(tx.conn())?.0;
        return Ok(done);
    }
    tx.state().epoch.clone_from(&batch.reply.epoch);
    if let Some(offset_ms) = offset_ms {
        correct_clock(tx, offset_ms);
    }
    let at_ms = tx.now_ms();
    // Latest end of the next session that is corrected: corrected sessions must not overlap.
    let mut free_until_ms = tx.wall_ms().saturating_add(tx.state().clock_offset_ms);
    // Only the last rows of a large batch get receipts; the others would be pruned at once.
    let receipts_from = batch.sent.len().saturating_sub(outbox::RECEIPTS);
    for (i, (sent, result)) in batch.sent.iter().zip(&batch.reply.results).enumerate() {
        let is_settled = match result.code {
            ResultCode::Ok => {
                let is_settled = outbox::acknowledge(tx, &sent.key, sent.rev)?;
                if is_settled && i >= receipts_from {
                    outbox::store_receipt(tx, &sent.key, at_ms)?;
                }
                done.accepted += usize::from(is_settled);
                is_settled
            }
            ResultCode::Invalid => {
                outbox::refuse(tx, &sent.key, sent.rev, "invalid", &result.reason)?
            }
            ResultCode::Forbidden => {
                outbox::refuse(tx, &sent.key, sent.rev, "forbidden", &result.reason)?
            }
            ResultCode::TooNew => {
                outbox::refuse(tx, &sent.key, sent.rev, "too_new", &result.reason)?
            }
            ResultCode::ClockSkew => restamp(tx, sent, &result.reason, &mut free_until_ms)?,
        };
        done.settled += usize::from(is_settled);
    }
    outbox::prune_receipts(tx)?;
    if let Some(usn) = batch.next_cursor(tx.state().pulled) {
        tx.state().pulled = usn;
    }
    done.news = Some(batch.reply.usn).filter(|usn| *usn > tx.state().pulled);
    tx.state().last_ok_ms = Some(at_ms);
    done.left = outbox::counts(tx.conn())?.0;
    Ok(done)
}

/// A batch with the server's reply.
#[derive(Clone)]
pub(super) struct BatchOutcome {
    sent: Vec<Waiting>,
    /// The epoch in the request.
    epoch: String,
    pulled: u64,
    reply: PushReply,
}

impl BatchOutcome {
    pub(super) fn new(batch: Batch, reply: PushReply) -> Self {
        let Batch { sent, request, pulled } = batch;
        Self { sent, epoch: request.epoch, pulled, reply }
    }
    pub(super) fn keys(&self) -> impl Iterator<Item = &RowKey> {
        self.sent.iter().map(|w| &w.key)
    }
    /// Returns true if all rows were accepted under the known epoch, and the change number needs no handling.
    pub(super) fn is_all_accepted(&self) -> bool {
        self.reply.epoch == self.epoch
            && self.reply.usn >= self.pulled
            && self.reply.results.iter().all(|r| r.code == ResultCode::Ok)
    }
    /// Returns the cursor after this batch, if the only rows after `pulled` are those of this batch, which need not be
    /// pulled.
    fn next_cursor(&self, pulled: u64) -> Option<u64> {
        let grown =
            self.reply.usn.checked_sub(self.reply.own_since.filter(|own| *own == pulled)?)?;
        // Each row raises the change number by at most one.
        (grown <= self.sent.len() as u64).then_some(self.reply.usn)
    }
    pub(super) fn has_clock_skew(&self) -> bool {
        self.reply.results.iter().any(|r| r.code == ResultCode::ClockSkew)
    }
}

/// Stores a new epoch of the server's database: everything is pulled from the start and sent again, which is safe
/// because joins are idempotent. Grades and decisions are deleted, because those of the server may differ; they are
/// pulled again.
pub(super) fn change_epoch(tx: &mut Tx<'_>, epoch: &str) -> Result<()> {
    tracing::info!(
        sync.epoch = epoch,
        "the epoch of the server's database changed: pulling and pushing everything"
    );
    tx.state().epoch = epoch.to_owned();
    tx.state().pulled = 0;
    tx.delete_server_rows()?;
    tx.mark_all_dirty()
}

/// Returns true if a fetched offset differs from the known one by more than the inaccuracy of the measurement.
pub(super) fn is_other_clock(known_ms: i64, fetched_ms: i64) -> bool {
    known_ms.saturating_sub(fetched_ms).unsigned_abs() >= MIN_CLOCK_OFFSET_MS.unsigned_abs()
}

/// Stores the offset to the server's clock, and corrects the waiting rows that were written with another one: stamps
/// only if the clock had a correction, because a clock without one may have been right when they were written.
pub(super) fn apply_clock(tx: &mut Tx<'_>, offset_ms: i64) -> Result<()> {
    let known_ms = tx.state().clock_offset_ms;
    if is_other_clock(known_ms, offset_ms) {
        if known_ms == 0 {
            correct_clock(tx, offset_ms);
        } else {
            change_clock(tx, offset_ms)?;
        }
    }
    clock::correct_times(tx)
}

/// Sets another offset to the server's clock, and moves the stamps that were written with the previous one and not sent
/// yet by the difference: if the server's clock was wrong and is right now, those stamps are wrong by its error. If the
/// local clock jumped instead, as its monotonic clock shows, the stamps from before the jump are right.
fn change_clock(tx: &mut Tx<'_>, offset_ms: i64) -> Result<()> {
    let previous_ms = tx.state().clock_offset_ms;
    correct_clock(tx, offset_ms);
    let moved_ms = tx.state().clock_offset_ms.saturating_sub(previous_ms);
    let (wall_ms, mono_ms, run) = (tx.wall_ms(), tx.mono_ms(), tx.state().run);
    let now_ms = wall_ms.saturating_add(tx.state().clock_offset_ms);
    let mut count = 0_u32;
    for (key, at) in outbox::measured(tx.conn(), &outbox::STAMPED)? {
        let wall_passed_ms = wall_ms.saturating_sub(at.wall_ms);
        let jumped_ms = wall_passed_ms.saturating_sub(mono_ms.saturating_sub(at.mono_ms));
        // After a restart the cause is unknown: the local clock is wrong more often than the server's.
        let may_have_jumped =
            at.run != run || !is_other_clock(jumped_ms, moved_ms.saturating_neg());
        let Some(mut row) = tx.get(&key)? else { continue };
        let stamped = match &row {
            Row::Kv(r) => Some((r.hlc, r.device)),
            Row::Progress(r) => r.pos.as_ref().map(|pos| (pos.hlc, pos.device)),
            _ => None,
        };
        let Some((stamp, _)) = stamped.filter(|(_, device)| *device == tx.device()) else {
            continue;
        };
        // Stamps of before the correction, and of other replicas, are outside this range.
        let first_ms = at.wall_ms.saturating_add(previous_ms).saturating_sub(MAX_AHEAD_MS);
        let last_ms = wall_ms.saturating_add(previous_ms).saturating_add(MAX_AHEAD_MS);
        let is_right = may_have_jumped && stamp.ms() <= now_ms;
        if is_right || !(first_ms..=last_ms).contains(&stamp.ms()) {
            continue;
        }
        let moved = stamp.moved_by(moved_ms, now_ms);
        row.set_stamp(moved);
        replace_stamp(tx, &row, stamp)?;
        tx.mark_dirty(&key)?;
        tx.state().hlc = tx.state().hlc.observe(moved);
        count += 1;
    }
    tracing::info!(
        sync.offset_ms = tx.state().clock_offset_ms,
        sync.offset_before_ms = previous_ms,
        sync.rows = count,
        "the difference to the server's clock changed"
    );
    Ok(())
}

/// Replaces a row by one with another stamp. If the new stamp is earlier, the server may have an older version of the
/// row with a later stamp that this device has already pulled. Everything is pulled again, so that this device gets the
/// version that all others have.
fn replace_stamp(tx: &mut Tx<'_>, row: &Row, previous: Hlc) -> Result<()> {
    if row.stamp().is_some_and(|stamp| stamp < previous) {
        tx.state().pulled = 0;
    }
    tx.replace(row)
}

/// Sets the offset that is added to the local clock for new stamps.
fn correct_clock(tx: &mut Tx<'_>, offset_ms: i64) {
    let offset_ms =
        if offset_ms.unsigned_abs() < MIN_CLOCK_OFFSET_MS.unsigned_abs() { 0 } else { offset_ms };
    let now = Hlc::new(tx.wall_ms().saturating_add(offset_ms), 0);
    let state = tx.state();
    state.clock_offset_ms = offset_ms;
    // Reset a hybrid logical clock that is ahead because the local clock was. Stamps of other devices are never that
    // far ahead: the server rejects such rows.
    if state.hlc.ms() > now.ms().saturating_add(MAX_AHEAD_MS) {
        state.hlc = now;
    }
}

/// Replaces a stamp or time in the future by one of the server's clock; the row stays in the outbox. It may be replaced
/// because no other replica has it. Returns true if it left the outbox.
fn restamp(tx: &mut Tx<'_>, sent: &Waiting, reason: &str, free_until_ms: &mut i64) -> Result<bool> {
    let Some(row) = tx.get(&sent.key)? else { return Ok(false) };
    let previous = row.stamp();
    let times = tx.skews(&sent.key)? + 1;
    let Some(row) = with_corrected_times(row, tx, free_until_ms).filter(|_| times <= MAX_SKEWS)
    else {
        return outbox::refuse(tx, &sent.key, sent.rev, "clock_skew", reason);
    };
    if is_waiting_at_rev(tx.conn(), &sent.key, sent.rev)? {
        replace_stamp(tx, &row, previous.unwrap_or(Hlc::LEAST))?;
        tx.mark_dirty(&sent.key)?;
        outbox::store_skew_count(tx, &sent.key, times)?;
    }
    Ok(false)
}

fn is_waiting_at_rev(conn: &Connection, key: &RowKey, rev: i64) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE row_type = ?1 AND key = ?2 AND rev = ?3)";
    Ok(conn.prepare_cached(sql)?.query_row((key.row_type.as_str(), &key.key, rev), |r| r.get(0))?)
}

/// Corrects a time that is in the future, and was written by a clock `offset_ms` behind the server's (ahead of it if
/// negative). The result is never in the future.
fn corrected_ms(ms: i64, offset_ms: i64, wall_ms: i64) -> i64 {
    let now_ms = wall_ms.saturating_add(offset_ms).clamp(*TIME_MS.start(), *TIME_MS.end());
    if ms <= now_ms {
        return ms;
    }
    ms.saturating_add(offset_ms).clamp(*TIME_MS.start(), now_ms)
}

/// Returns the row with a corrected stamp or time; `None` if it has none to correct. Times are moved by the offset;
/// those that are then still in the future are set to now.
fn with_corrected_times(row: Row, tx: &mut Tx<'_>, free_until_ms: &mut i64) -> Option<Row> {
    let offset_ms = tx.state().clock_offset_ms;
    Some(match row {
        Row::Session(r) => {
            let latest_ms = free_until_ms.saturating_sub(r.active_ms);
            let mut started_ms = corrected_ms(r.started_ms, offset_ms, tx.wall_ms());
            if started_ms > latest_ms {
                started_ms = latest_ms;
                *free_until_ms = latest_ms;
            }
            r.moved_to(started_ms.clamp(*TIME_MS.start(), *TIME_MS.end())).into()
        }
        Row::Review(mut r) => {
            r.at_ms = corrected_ms(r.at_ms, offset_ms, tx.wall_ms());
            let start_min = tx.day_start_min().ok()?;
            r.day = r.off_min.map(|off| study_day(r.at_ms, off.into(), start_min));
            r.into()
        }
        Row::Attempt(mut r) => {
            let moved = |ms: i64| corrected_ms(ms, offset_ms, tx.wall_ms());
            let (started_ms, submitted_ms) = (moved(r.started_ms), r.submitted_ms.map(moved));
            let submitted_ms = submitted_ms.map(|ms| ms.max(started_ms));
            if (started_ms, submitted_ms) == (r.started_ms, r.submitted_ms) {
                return None;
            }
            if started_ms != r.started_ms {
                let start_min = tx.day_start_min().ok()?;
                r.day = r.off_min.map(|off| study_day(started_ms, off.into(), start_min));
            }
            (r.started_ms, r.submitted_ms) = (started_ms, submitted_ms);
            r.into()
        }
        Row::Progress(mut r) => {
            let done_ms = r.done_ms.map(|ms| corrected_ms(ms, offset_ms, tx.wall_ms()));
            let is_moved = done_ms != r.done_ms;
            let latest_ms = tx.wall_ms().saturating_add(offset_ms).saturating_add(MAX_AHEAD_MS);
            // A valid stamp of a position is kept: a new one would win over a later position of another device.
            let pos = r.pos.take_if(|pos| !is_moved || pos.hlc.ms() > latest_ms);
            if !is_moved && pos.is_none() {
                return None;
            }
            r.done_ms = done_ms;
            if let Some(Position { device, at, .. }) = pos {
                r.pos = Some(Position { hlc: tx.hlc(), device, at });
            }
            r.into()
        }
        Row::Kv(mut r) => {
            r.hlc = tx.hlc();
            r.into()
        }
        Row::NoteRevision(mut r) => {
            r.hlc = tx.hlc();
            r.into()
        }
        Row::NoteLife(r) => NoteLife { deleted: tx.hlc(), ..r }.into(),
        _ => return None,
    })
}
