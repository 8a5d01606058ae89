//! Rosters: the operations of `carrel_people::rosters` in transactions.

use std::fs::File;

use carrel_people::permissions::Caller;
use carrel_people::rosters::{self, AppliedRoster, BATCH, Comparison, ImportedBy};
use carrel_roster::{Action, Options, Person, Verdict};

use uuid::Uuid;

use crate::DomainResult;
use crate::{
    events::Event,
    store::{
        Freshness, Store,
        tx::{AuditRow, RosterImportRow},
    },
};

impl Store {
    /// Compares a roster with the stored people. Nothing is stored.
    ///
    /// # Errors
    /// `Roster` if the file cannot be read as a whole.
    pub async fn compare_roster(&self, file: File, options: Options) -> DomainResult<Comparison> {
        Ok(self.read("compare_roster", move |tx| rosters::compare(tx, file, &options)).await?)
    }

    /// Applies the differences of a comparison that its verdict does not hold.
    ///
    /// # Errors
    /// `LastAdministrator`; the batches before stay applied and can be undone.
    pub async fn apply_roster(
        &self,
        comparison: &Comparison,
        verdict: &Verdict,
        by: ImportedBy,
        now_ms: i64,
    ) -> DomainResult<AppliedRoster> {
        let mut batches = comparison.batches(verdict)?;
        let (mut applied, mut held) = (AppliedRoster::default(), 0);
        while let Some(batch) = batches.next_batch(&mut held)? {
            applied = self.apply_actions(batch, &by, applied, now_ms).await?;
        }
        Ok(AppliedRoster { held, ..applied })
    }

    async fn apply_actions(
        &self,
        actions: Vec<Action>,
        by: &ImportedBy,
        applied: AppliedRoster,
        now_ms: i64,
    ) -> DomainResult<AppliedRoster> {
        if actions.is_empty() {
            return Ok(applied);
        }
        let by = by.clone();
        self.write_with_events("apply_roster", move |tx, events| {
            let mut ended = Vec::new();
            let applied = rosters::apply_batch(tx, &mut ended, &actions, &by, applied, now_ms)?;
            events.extend(ended.into_iter().map(Event::from));
            Ok(applied)
        })
        .await
    }

    /// Undoes an import: the reverse of each change, the last one first. It is an import itself, so it can be undone.
    ///
    /// # Errors
    /// `NoImport` if it is unknown, was undone, or is older than 30 days.
    pub async fn undo_roster(
        &self,
        import: i64,
        by: Caller,
        now_ms: i64,
    ) -> DomainResult<AppliedRoster> {
        let reverses =
            self.read("roster_changes", move |tx| rosters::reverses(tx, import, now_ms)).await?;
        let by = ImportedBy { by, name: format!("undo of {import}") };
        let mut applied = AppliedRoster::default();
        for batch in reverses.chunks(BATCH) {
            applied = self.apply_actions(batch.to_vec(), &by, applied, now_ms).await?;
        }
        self.write("set_roster_undone", move |tx| tx.set_roster_undone(import, now_ms)).await?;
        Ok(applied)
    }

    /// Checks that an import can be undone.
    ///
    /// # Errors
    /// `NoImport`, as for `undo_roster`.
    pub async fn check_roster_undo(&self, import: i64, now_ms: i64) -> DomainResult<()> {
        Ok(self.read("check_undo", move |tx| rosters::check_undo(tx, import, now_ms)).await?)
    }

    /// Lists the imports of rosters, the latest first.
    pub async fn roster_imports(&self) -> DomainResult<Vec<RosterImportRow>> {
        Ok(self.read("roster_imports", |tx| tx.roster_imports()).await?)
    }

    /// Returns the latest lines of the audit log, the latest first.
    pub async fn audit(&self, limit: u32) -> DomainResult<Vec<AuditRow>> {
        Ok(self.read_replica("audit", Freshness::Delayed, move |tx| tx.audit(limit)).await?)
    }

    /// Writes all people, or all classes, as CSV.
    pub async fn export_roster(&self, out: File, classes: bool) -> DomainResult<()> {
        Ok(self.read("export_roster", move |tx| rosters::export(tx, out, classes)).await?)
    }

    /// Lists all people by login.
    pub async fn people(&self) -> DomainResult<Vec<Person>> {
        Ok(self.read("people", |tx| rosters::people(tx)).await?)
    }

    /// Stores the report of an import that was started at this time; an empty text while it is running.
    pub async fn put_roster_report(
        &self,
        id: Uuid,
        report: String,
        started_ms: i64,
    ) -> DomainResult<()> {
        let write = self
            .write("put_roster_report", move |tx| tx.put_roster_report(id, &report, started_ms));
        Ok(write.await?)
    }

    /// Returns the report of an import, and the time at which it was started.
    pub async fn roster_report(&self, id: Uuid) -> DomainResult<Option<(String, i64)>> {
        Ok(self.read("roster_report", move |tx| tx.roster_report(id)).await?)
    }
}
