//! Applies pulled rows and stores the cursor, in one transaction.

use carrel_learning::store::{Tx, state};
use carrel_model::{lattice::Row, wire::PullReply};

use crate::{Error, Result, batch::change_epoch, machine::Pulled};

/// Applies the reply to a pull of the rows after `since`, requested under `epoch`.
pub(super) fn apply(tx: &mut Tx<'_>, since: u64, epoch: &str, reply: &PullReply) -> Result<Pulled> {
    let known = tx.state().epoch.clone();
    if known != epoch || tx.state().pulled != since {
        // A push during the pull stored a new epoch or another cursor: the reply is outdated.
        let usn = tx.state().pulled;
        return Ok(Pulled { more: true, usn, epoch: known, other_epoch: false });
    }
    if !known.is_empty() && known != reply.epoch {
        change_epoch(tx, &reply.epoch)?;
        let epoch = reply.epoch.clone();
        return Ok(Pulled { more: true, usn: 0, epoch, other_epoch: true });
    }
    let mut changed_rows = 0_usize;
    for pulled in &reply.rows {
        let text = pulled.row.get();
        match Row::from_json(text) {
            Ok(mut row) => {
                // Only known fields are applied; the complete row is kept for a later release.
                if row.extra_mut().limit() {
                    keep(tx, text, "unknown fields over the limits")?;
                }
                match tx.apply_remote(row) {
                    Ok(changed) => changed_rows += usize::from(changed),
                    Err(Error::Invalid(why)) => keep(tx, text, &why)?,
                    Err(e) => return Err(e),
                }
            }
            // The row type or a value is unknown to this release.
            Err(why) => keep(tx, text, &why.to_string())?,
        }
    }
    let now_ms = tx.now_ms();
    let state = tx.state();
    state.epoch.clone_from(&reply.epoch);
    state.pulled = reply.next;
    state.last_ok_ms = Some(now_ms);
    tracing::debug!(
        sync.rows = reply.rows.len(),
        sync.changed = changed_rows,
        sync.next = reply.next,
        "pulled"
    );
    let epoch = reply.epoch.clone();
    Ok(Pulled { more: reply.more, usn: reply.next, epoch, other_epoch: false })
}

fn keep(tx: &Tx<'_>, text: &str, why: &str) -> Result<()> {
    tracing::warn!(error = why, "stored an unreadable pulled row for a later release");
    state::store_foreign(tx, text)
}
