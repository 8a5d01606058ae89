//! Totals for the Progress screen, computed from the rows on this device.
//!
//! Not here: the figures (`carrel_overview`).

use carrel_overview::{Overview, StudyRows, Today};
use carrel_sqlite::rows::NEVER;
use rusqlite::Connection;

use crate::{
    Learning, Result,
    store::{checked, study_day},
};

impl Learning {
    /// Computes the overview up to the present study day.
    pub async fn overview(&self) -> Result<Overview> {
        let clock = self.store.clock().clone();
        let overview = move |conn: &Connection| {
            let now = study_day::now(conn, clock.as_ref())?;
            let day_start_min = study_day::day_start_min(conn)?;
            let today = Today { day: now.day, off_min: now.off_min, day_start_min };
            Ok(Overview::of(&study_rows(conn)?, today))
        };
        self.store.read(overview).await
    }
}

fn study_rows(conn: &Connection) -> Result<StudyRows> {
    let count = |sql: &str| -> Result<u32> {
        Ok(conn.prepare_cached(sql)?.query_row([NEVER], |r| r.get(0))?)
    };
    Ok(StudyRows {
        sessions: checked::query(conn, "", [])?,
        stories: checked::query(conn, "WHERE kind = 'story'", [])?,
        sections_done: count(
            "SELECT count(*) FROM progress WHERE kind = 'section' AND done_ms <> ?1",
        )?,
        quizzes_taken: count("SELECT count(DISTINCT quiz) FROM attempt WHERE submitted_ms <> ?1")?,
    })
}
