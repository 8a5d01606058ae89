//! Starts of the sentences of a narration that the learner corrected by tapping along. A register for each recording.
//!
//! Not here: estimated times, which a package contains.

use std::collections::BTreeMap;

use carrel_model::{
    BlobHash,
    lattice::{Kv, TIMING},
};
use serde_json::Value;

use crate::{Error, Learning, Result, store::checked};

/// Largest number of sentences of a recording.
const MAX_SENTENCES: usize = 1_000;

impl Learning {
    /// Returns the starts of the sentences in milliseconds, by recording.
    pub async fn sentence_starts(&self) -> Result<BTreeMap<BlobHash, Vec<u64>>> {
        let rows =
            |conn: &rusqlite::Connection| checked::query::<Kv>(conn, "WHERE ns = ?1", [TIMING]);
        let rows = self.store.read(rows).await?;
        // A value of a later release that cannot be read counts as not set.
        let starts = rows.into_iter().filter_map(|row| {
            let starts: Vec<u64> = serde_json::from_str(&row.value).ok()?;
            Some((row.key.parse::<BlobHash>().ok()?, starts))
                .filter(|(_, starts)| are_valid(starts))
        });
        Ok(starts.collect())
    }

    /// Stores the starts of the sentences of a recording, in milliseconds, ascending. Without starts, those of the
    /// package are used again.
    ///
    /// # Errors
    ///
    /// `Error::Invalid` if the starts are not ascending or too many.
    pub async fn set_sentence_starts(&self, recording: BlobHash, starts: Vec<u64>) -> Result<()> {
        if !starts.is_empty() && !are_valid(&starts) {
            return Err(Error::Invalid(format!(
                "the starts of {} sentences are not ascending or more than {MAX_SENTENCES}; \
                 hint: tap once for each sentence",
                starts.len()
            )));
        }
        let value = if starts.is_empty() { Value::Null } else { serde_json::to_value(&starts)? };
        self.store
            .write("set_sentence_starts", move |tx| {
                tx.set_register(TIMING, &recording.to_string(), &value).map(drop)
            })
            .await
    }
}

fn are_valid(starts: &[u64]) -> bool {
    !starts.is_empty() && starts.len() <= MAX_SENTENCES && starts.is_sorted_by(|a, b| a < b)
}
