//! The data of one person as JSON: everything that the server has about the person, by section (`carrel_store::personal`).
//!
//! Not here: leases, pieces and the file of an export (`exports`).

use carrel_model::UserId;
use carrel_people::{
    PeopleError,
    permissions::{Caller, Permission, Subject, require},
};
use carrel_store::personal;
use serde_json::json;

use crate::{
    DomainResult,
    store::{
        StoreError,
        tx::{PersonKey, Tx},
    },
};

/// Rows of a piece.
const PAGE: u32 = 2_000;
/// Size of the rows of a piece, in bytes.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Explains the file to the person.
const ABOUT: &str = "All data that this Carrel server has about one person. `rows` is the work, as the person's devices \
    have it (docs/API.md, Sync); every other section is a table of the server. Times are in milliseconds since 1970 \
    (UTC). Not contained: passwords, codes and tokens, which the server only has as hashes; figures that are computed \
    from the rows; lists of people that the school imported, which are deleted after 30 days; backups.";

/// Permits the person, and those who may manage the account.
///
/// # Errors
/// `Forbidden`; `NoPerson` if there is no account.
pub(crate) fn authorize(tx: &dyn Tx, caller: Caller, person: UserId) -> DomainResult<()> {
    if caller.id != Some(person) {
        require(tx, caller, Permission::ManageAccounts, Subject::Person(person))?;
    }
    match tx.person(PersonKey::Id(person))? {
        Some(_) => Ok(()),
        None => Err(PeopleError::NoPerson(person).into()),
    }
}

/// A piece of the file.
pub(crate) struct PersonPiece {
    pub text: String,
    /// Change number of the last row; `None`: it is the last piece.
    pub last: Option<u64>,
    /// Rows in the piece.
    pub lines: u64,
}

/// Returns the piece that follows the row with the change number `after`; the first one if `None`.
pub(crate) fn piece(
    tx: &dyn Tx,
    person: UserId,
    after: Option<u64>,
    now_ms: i64,
) -> DomainResult<PersonPiece> {
    let internal = |e: serde_json::Error| StoreError::Internal(e.to_string().into());
    let mut text = String::new();
    let mut lines = 0;
    if after.is_none() {
        text = format!("{{\n\"about\": {},\n\"exportedMs\": {now_ms}", json!(ABOUT));
        for section in personal::sections() {
            let rows = tx.section_rows(section, person)?;
            lines += rows.len() as u64;
            let rows = rows.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
            text += &format!(",\n\"{}\": [{}]", section.name, rows.map_err(internal)?.join(",\n"));
        }
        text += ",\n\"rows\": [";
    }
    let (rows, has_more) = tx.rows_since(person, after.unwrap_or(0), PAGE, PAGE_BYTES)?;
    for (n, (_, row)) in rows.iter().enumerate() {
        // The first row of a later piece follows one of the piece before.
        if n > 0 || after.is_some() {
            text += ",\n";
        }
        text += &serde_json::to_string(row).map_err(internal)?;
    }
    lines += rows.len() as u64;
    if !has_more {
        text += "]\n}\n";
    }
    let last = rows.last().map(|(usn, _)| *usn).filter(|_| has_more);
    Ok(PersonPiece { text, last, lines })
}
