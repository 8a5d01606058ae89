//! The rows of a learner: all of them for a file, and those of a file joined with what is here.

use carrel_learning::store::{Tx, checked, state};
use carrel_model::lattice::{Row, RowType};

/// The name space in which a device tells the learner's other devices its key.
pub(super) const DEVICE_KEY: &str = "device_key";

/// The result of importing a work file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedWork {
    pub rows: u64,
    /// Rows that changed anything: they wait for the server.
    pub changed: u64,
    /// Rows that this release cannot read: kept for a later one.
    pub unread: u64,
}

/// Reads one snapshot, in the order of kinds and keys.
pub(crate) fn all_rows(conn: &rusqlite::Connection) -> carrel_learning::Result<Vec<Row>> {
    let mut all = Vec::new();
    for row_type in RowType::ALL {
        all.extend(checked::all(conn, *row_type)?);
    }
    Ok(all)
}

/// Joins the rows of a work file in one transaction. What cannot be read here is kept for a later release, as from the server. `claimed`:
/// they were made without an account.
pub fn join_rows(
    tx: &mut Tx<'_>,
    rows: &[String],
    claimed: bool,
) -> carrel_learning::Result<ImportedWork> {
    let mut imported = ImportedWork { rows: rows.len() as u64, changed: 0, unread: 0 };
    for text in rows {
        let row = match Row::from_json(text) {
            Ok(mut row) => {
                if row.extra_mut().limit() {
                    state::keep_foreign(tx, text)?;
                }
                row
            }
            Err(_) => {
                state::keep_foreign(tx, text)?;
                imported.unread += 1;
                continue;
            }
        };
        // Settings of the account without a server are not the learner's choice for their own account.
        let is_device_setting = matches!(&row, Row::Kv(kv) if ["setting", "device", DEVICE_KEY].contains(&kv.ns.as_str()));
        if row.is_server_only() || (claimed && is_device_setting) {
            continue;
        }
        match tx.carry(row) {
            Ok(has_changed) => imported.changed += u64::from(has_changed),
            Err(carrel_learning::Error::Invalid(_)) => {
                state::keep_foreign(tx, text)?;
                imported.unread += 1;
            }
            Err(e) => return Err(e),
        }
    }
    Ok(imported)
}
