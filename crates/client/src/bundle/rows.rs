//! Rows of a learner: reading all of them for an export, and merging those of a work file with the local ones.
//!
//! Not here: the merge rules (`carrel_learning`).

use carrel_learning::store::{Tx, checked, state};
use carrel_model::lattice::{Row, RowType};

/// Namespace of the rows that publish a device's key to the learner's other devices.
pub(super) const DEVICE_KEY: &str = "device_key";

/// The result of importing a work file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedWork {
    /// Number of rows in the file.
    pub rows: u64,
    /// Number of rows that changed local data; these are in the outbox.
    pub changed: u64,
    /// Number of rows that this release cannot read; they are kept for a later release.
    pub unreadable: u64,
}

/// Reads all rows, ordered by type and key.
pub(crate) fn all_rows(conn: &rusqlite::Connection) -> carrel_learning::Result<Vec<Row>> {
    let mut all = Vec::new();
    for row_type in RowType::ALL {
        all.extend(checked::all(conn, *row_type)?);
    }
    Ok(all)
}

/// Returns true for settings, device names and device keys, which are not work.
pub(crate) fn is_device_setting(row: &Row) -> bool {
    matches!(row, Row::Kv(kv) if ["setting", "device", DEVICE_KEY].contains(&kv.ns.as_str()))
}

/// Returns true for the key of a register with the name or the key of a device.
pub(crate) fn is_of_device(key: &str) -> bool {
    key.split_once('\u{1f}').is_some_and(|(ns, _)| ["device", DEVICE_KEY].contains(&ns))
}

/// Merges the rows of a work file. Rows that this release cannot read are kept for a later release, like those from the
/// server. `claimed`: the work was done without an account.
pub fn join_rows(
    tx: &mut Tx<'_>,
    rows: &[String],
    claimed: bool,
) -> carrel_learning::Result<ImportedWork> {
    let mut imported = ImportedWork { rows: rows.len() as u64, changed: 0, unreadable: 0 };
    for text in rows {
        let row = match Row::from_json(text) {
            Ok(mut row) => {
                if row.extra_mut().limit() {
                    state::store_foreign(tx, text)?;
                }
                row
            }
            Err(_) => {
                state::store_foreign(tx, text)?;
                imported.unreadable += 1;
                continue;
            }
        };
        // Those of work without an account do not apply to the learner's account.
        if row.is_server_only() || (claimed && is_device_setting(&row)) {
            continue;
        }
        match tx.import(row) {
            Ok(has_changed) => imported.changed += u64::from(has_changed),
            Err(carrel_learning::Error::Invalid(_)) => {
                state::store_foreign(tx, text)?;
                imported.unreadable += 1;
            }
            Err(e) => return Err(e),
        }
    }
    Ok(imported)
}
