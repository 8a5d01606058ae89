//! By cable: courses and work as files, for machines that have no network (docs/CABLE.md).
//!
//! | File | What it is |
//! |---|---|
//! | `send` | downloaded courses into one file; a learner's rows into another |
//! | `receive` | a file looked at; courses and rows taken in |
//! | `trust` | whose signature is believed, and when a person is asked |
//! | `journey` | one thing at a time: how far it came, and how it is stopped |
//! | `places` | where files may be: sticks, the folder for downloads |
//! | `upload` | files that the window uploads |
//! | `device_key` | the key that this device signs work with |
//!
//! Not here: the shape of the files (`carrel_cable`); how rows merge (`store`); what is on this device (`download`, `cache`).

mod device_key;
mod journey;
mod places;
mod receive;
mod refusal;
mod send;
pub mod trust;
mod upload;

pub use carrel_cable::{Fault, fingerprint};
pub use journey::{Cable, Travelled};
pub use places::{Place, PlaceKind, Waiting, files_in, places};
pub use receive::{
    CourseFound, CoursesFound, Found, Here, Imported, WorkFound, WorkTaken, join_rows,
};
pub use refusal::Refusal;
pub use send::Sent;
pub(crate) use send::all_rows;
pub use upload::Uploads;

/// How the names of files end.
pub const EXTENSION: &str = "carrel";
