//! Which courses were complete once. Sections that an update adds afterwards are new to the learner.

use carrel_model::{
    Slug,
    lattice::{RowKey, RowType},
};

use crate::{Learning, Result};

/// Namespace of the registers: the key is the id of the course, the value `true`.
pub const COMPLETED: &str = "completed";

impl Learning {
    /// Stores that a course is complete. Does nothing if this is stored already.
    pub async fn mark_completed(&self, course: &Slug) -> Result<()> {
        if self.was_completed(course).await? {
            return Ok(());
        }
        let course = course.to_string();
        self.store
            .write("mark_completed", move |tx| {
                tx.set_register(COMPLETED, &course, &true.into())?;
                Ok(())
            })
            .await
    }

    /// Returns true if the course was complete once, on any device of the learner.
    pub async fn was_completed(&self, course: &Slug) -> Result<bool> {
        let key = RowKey { row_type: RowType::Kv, key: format!("{COMPLETED}\u{1f}{course}") };
        self.store.read(move |conn| Ok(crate::store::checked::get(conn, &key)?.is_some())).await
    }
}
