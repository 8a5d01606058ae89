//! What a learner does: progress, time, attempts, words, settings, enrolment. Everything is a row in `user.db`, saved before the call
//! returns, and everything shown is derived from rows.
//!
//! Not here: course and story content (`library`), sending (`sync`), titles and scores of quizzes (whoever has the content).

mod attempts;
mod devices;
mod error;
mod overview;
mod progress;
mod registers;
pub mod store;
mod time;
mod words;

use std::sync::Arc;

pub use attempts::AttemptRecord;
use carrel_system::IdGen;
pub use error::{Error, Result};
pub use overview::{Overview, RootTime};
pub use progress::{ProgressRecord, Step};
pub use registers::Enrolment;
use rusqlite::Connection;
use store::{Store, checked};
use time::Stretch;
use tokio::sync::Mutex;
pub use words::Word;

/// The doors to one learner's work.
pub struct Learning {
    store: Arc<Store>,
    ids: Arc<dyn IdGen>,
    /// What is being studied now.
    stretch: Mutex<Stretch>,
}

impl Learning {
    pub fn new(store: Arc<Store>, ids: Arc<dyn IdGen>) -> Self {
        Self { store, ids, stretch: Mutex::new(Stretch::default()) }
    }
}

/// Rows under a course or story: the item itself and everything below it (`/` is followed by `0` in the order of bytes).
const UNDER: &str = "(item = ?1 OR (item > ?1 || '/' AND item < ?1 || '0'))";

/// The rows of one kind under a root.
fn under<T: carrel_model::lattice::RowKind>(conn: &Connection, root: &str) -> Result<Vec<T>> {
    checked::query(conn, &format!("WHERE {UNDER}"), [root])
}
