//! Rosters: the lists of people and classes that schools have.
//!
//! A file is read to records (`table` for CSV, `oneroster` for bundles), the reconciler compares them with the stored
//! people (`Directory`) and passes the differences on as entries, and `apply` changes the stored people
//! (`PeopleStore`). `export` writes a list that this crate reads back without a difference. Files are read as streams:
//! memory grows by about 150 bytes for each person of a file. Each module uses only those before it: `email`, `problem`,
//! `error`, `records`, `cells`, `table`, `columns`, `people_file`, `oneroster`, `directory`, `entry`, `reconcile`, `apply`,
//! `export`, `import`.
//!
//! Not here: SQL and transactions (the server), passwords, HTTP.

mod apply;
mod cells;
mod columns;
mod directory;
mod email;
mod entry;
mod error;
mod export;
mod import;
mod oneroster;
mod people_file;
mod problem;
mod reconcile;
mod records;
mod table;

pub use apply::{ApplyError, Change, PeopleStore, apply};
pub use directory::{Class, ClassId, ClassState, Counts, Directory, Membership, Person};
pub use email::{email_address, email_key};
pub use entry::{
    Action, ClassRef, Entry, FieldChange, Guard, NewClass, NewPerson, PersonField, PersonRef,
    UNDO_MS, Why,
};
pub use error::{BoxError, Error};
pub use export::{csv_line, export_classes, export_people};
pub use import::{Format, import, utc_day};
pub use problem::{FileError, Place, Problem, Reason, Severity};
pub use reconcile::{Approval, Held, HeldBy, Options, Sink, Summary, Verdict};
pub use records::{MemberRole, State, role_name, state_name};
pub use table::{Encoding, MAX_CELL, MAX_COLUMNS};

pub(crate) use error::Result;
