//! Exports of reports as CSV, and of the data of one person as JSON. One run at a time writes an export piece by piece, under a lease: the memory that it needs
//! does not depend on the number of learners. If its process ends, another run starts when the lease has expired. Only the
//! person who asked reads the file, and only as long as that person may read the report.

use std::sync::Arc;

use carrel_analytics::{CsvTable, Exported, LearnerFigures, Period, Span};
use carrel_model::{ErrorCode, Slug, UserId};
use carrel_people::permissions::{Caller, Rank};
use carrel_roster::ClassId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    DomainError, DomainResult,
    analytics::{ReportRefusal, Scope, group_figures},
    clock::Clock,
    devices::learner_devices,
    person_export,
    store::{
        Store, StoreError,
        tx::{AuditRow, Details, ExportRow, ExportState, Tx},
    },
};

/// Time for which an export is kept.
pub const EXPORT_MS: i64 = 7 * 24 * 3_600_000;
/// Duration of a lease that is not extended. Each piece extends it.
const LEASE_MS: i64 = 60_000;
/// Number of runs after which an export has failed.
const MAX_ATTEMPTS: u32 = 3;
/// Learners of a piece.
const PAGE: u32 = 500;

/// What an export contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportSpec {
    kind: String,
    class: Option<ClassId>,
    course: Option<Slug>,
    period: Period,
    /// The person whose data it contains, instead of a report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person: Option<UserId>,
}

/// Kind of the export of a person's data.
const PERSON: &str = "person";

impl ExportSpec {
    /// # Errors
    /// `Invalid` if the kind is unknown, or needs a class or course that is not named.
    pub fn new(
        kind: &str,
        class: Option<ClassId>,
        course: Option<Slug>,
        period: Period,
    ) -> DomainResult<Self> {
        let refused = |text| Err(ReportRefusal::Invalid(text).into());
        let Some(known) = Exported::of_name(kind) else {
            return refused(
                "kind: must be class, course, questions, trends, engagement or devices",
            );
        };
        match known {
            Exported::Class | Exported::Devices if class.is_none() => {
                return refused("class: is required for this kind");
            }
            Exported::Course | Exported::Questions if course.is_none() => {
                return refused("course: is required for this kind");
            }
            Exported::Course | Exported::Questions => {}
            _ if course.is_some() => return refused("course: has no meaning for this kind"),
            _ => {}
        }
        Ok(Self { kind: known.name().to_owned(), class, course, period, person: None })
    }
    /// All data that the server has about a person.
    pub fn of_person(person: UserId) -> Self {
        Self {
            kind: PERSON.to_owned(),
            class: None,
            course: None,
            period: Period::default(),
            person: Some(person),
        }
    }
    /// Returns the media type of the file.
    pub fn media_type(&self) -> &'static str {
        if self.person.is_some() { "application/json" } else { "text/csv; charset=utf-8" }
    }
    pub fn kind(&self) -> &str {
        &self.kind
    }
    /// Returns a name for the file, such as `class-30d-2026-11-20.csv`.
    pub fn file_name(&self, date: &str) -> String {
        if self.person.is_some() {
            return format!("{}-{date}.json", self.kind);
        }
        format!("{}-{}-{date}.csv", self.kind, self.period.name())
    }
    fn exported(&self) -> DomainResult<Exported> {
        let kind = Exported::of_name(&self.kind);
        kind.ok_or_else(|| StoreError::unreadable("export", "kind").into())
    }
    fn names_learners(&self) -> DomainResult<bool> {
        Ok(self.person.is_some() || self.exported()?.names_learners())
    }
    fn authorize(&self, tx: &dyn Tx, caller: Caller) -> DomainResult<()> {
        match self.person {
            Some(person) => person_export::authorize(tx, caller, person),
            None => self.scope()?.authorize(tx, caller),
        }
    }
    fn scope(&self) -> DomainResult<Scope> {
        let has_names = self.exported()?.names_learners();
        Ok(Scope { class: self.class, course: self.course.clone(), has_names })
    }
    fn of_row(row: &ExportRow) -> DomainResult<Self> {
        let spec = serde_json::from_str(&row.spec);
        spec.map_err(|e| StoreError::unreadable("export", e).into())
    }
}

/// An export, for the person who asked for it.
#[derive(Debug, Clone)]
pub struct Export {
    pub spec: ExportSpec,
    pub row: ExportRow,
}

/// Finds an export of the caller that has not expired.
fn of_caller(tx: &dyn Tx, caller: Caller, id: Uuid, now_ms: i64) -> DomainResult<Export> {
    let row = tx.export(id)?.filter(|row| {
        Some(row.user) == caller.id && row.created_ms.saturating_add(EXPORT_MS) > now_ms
    });
    let row = row.ok_or(ReportRefusal::NoExport)?;
    Ok(Export { spec: ExportSpec::of_row(&row)?, row })
}

fn running(tx: &dyn Tx, id: Uuid, worker: &str) -> DomainResult<ExportRow> {
    let row = tx.export(id)?.ok_or(ReportRefusal::Ended)?;
    if row.state != ExportState::Running || row.worker != worker {
        return Err(ReportRefusal::Ended.into());
    }
    Ok(row)
}

fn ended(row: ExportRow, state: ExportState, error: String) -> ExportRow {
    ExportRow { state, progress: 100, worker: String::new(), lease_until_ms: 0, error, ..row }
}

/// A part of an export.
struct Piece {
    text: String,
    is_last: bool,
    /// Lines up to the end of this piece.
    lines: u64,
    /// In percent.
    progress: u8,
}

/// Where the next part of an export begins.
enum Source {
    Report {
        scope: Scope,
        span: Span,
        table: Box<CsvTable>,
        after: Option<UserId>,
        seen: u64,
        all: u64,
    },
    Person {
        person: UserId,
        after: Option<u64>,
        lines: u64,
    },
}

impl Source {
    /// Reads the next part.
    fn next(
        &mut self,
        tx: &dyn Tx,
        zone: &carrel_analytics::Zone,
        caller: Caller,
        now_ms: i64,
    ) -> DomainResult<Piece> {
        match self {
            Self::Report { scope, span, table, after, seen, all } => {
                let page = write_page(tx, zone, caller, (scope, *span), table, *after)?;
                (*after, *seen) = (page.last, *seen + page.seen);
                let progress = u8::try_from(*seen * 100 / *all).unwrap_or(99).min(99);
                Ok(Piece {
                    text: page.text,
                    is_last: after.is_none(),
                    lines: table.lines,
                    progress,
                })
            }
            Self::Person { person, after, lines } => {
                person_export::authorize(tx, caller, *person)?;
                let piece = person_export::piece(tx, *person, *after, now_ms)?;
                (*after, *lines) = (piece.last, *lines + piece.lines);
                // The number of rows that follow is not known.
                Ok(Piece {
                    text: piece.text,
                    is_last: after.is_none(),
                    lines: *lines,
                    progress: 50,
                })
            }
        }
    }
}

/// Lines of a report.
struct Page {
    text: String,
    /// `None`: it is the last one.
    last: Option<UserId>,
    seen: u64,
}

/// Writes the lines of the next learners.
fn write_page(
    tx: &dyn Tx,
    zone: &carrel_analytics::Zone,
    caller: Caller,
    (scope, span): (&Scope, Span),
    table: &mut CsvTable,
    after: Option<UserId>,
) -> DomainResult<Page> {
    scope.authorize(tx, caller)?;
    let users = scope.learners(tx, caller, after, PAGE)?;
    let details = scope.course.as_ref().map_or(Details::Nothing, Details::Of);
    let figures = group_figures(tx, zone, &users, span, details, usize::MAX)?.of;
    let mut names = tx.names_of(&users)?;
    names.sort_by_key(|who| who.id);
    let mut text = if after.is_none() { table.header() } else { String::new() };
    let nothing = LearnerFigures::default();
    for (who, devices) in names.iter().zip(learner_devices(tx, &names, span.now_ms)?) {
        table.add(&mut text, who, figures.get(&who.id).unwrap_or(&nothing), &devices);
    }
    let is_last = users.len() < PAGE as usize;
    if is_last {
        table.finish(&mut text);
    }
    let last = users.last().copied().filter(|_| !is_last);
    Ok(Page { text, last, seen: users.len() as u64 })
}

impl Store {
    /// Stores an export that is to be written. Returns its id.
    ///
    /// # Errors
    /// `Forbidden`, `NoClass`, `NotFound`.
    pub async fn add_export(
        &self,
        caller: Caller,
        spec: ExportSpec,
        now_ms: i64,
    ) -> DomainResult<Uuid> {
        self.write("add_export", move |tx| {
            spec.authorize(tx, caller)?;
            let Some(user) = caller.id else { return Err(ReportRefusal::NoExport.into()) };
            let text = serde_json::to_string(&spec)
                .map_err(|e| StoreError::Internal(e.to_string().into()))?;
            let id = carrel_store::new_id();
            tx.put_export(&ExportRow {
                id,
                user,
                spec: text,
                names_learners: spec.names_learners()?,
                created_ms: now_ms,
                state: ExportState::Waiting,
                progress: 0,
                attempts: 0,
                worker: String::new(),
                lease_until_ms: 0,
                pieces: 0,
                lines: 0,
                error: String::new(),
            })?;
            Ok(id)
        })
        .await
    }

    /// Returns an export of the caller.
    ///
    /// # Errors
    /// `NoExport`, also if it is another person's.
    pub async fn export_of(&self, caller: Caller, id: Uuid, now_ms: i64) -> DomainResult<Export> {
        self.read("export_of", move |tx| of_caller(tx, caller, id, now_ms)).await
    }

    /// Cancels an export and deletes its file.
    ///
    /// # Errors
    /// `NoExport`.
    pub async fn cancel_export(
        &self,
        caller: Caller,
        id: Uuid,
        now_ms: i64,
    ) -> DomainResult<Export> {
        self.write("cancel_export", move |tx| {
            let Export { spec, row } = of_caller(tx, caller, id, now_ms)?;
            tx.delete_export_pieces(id)?;
            let row = ended(row, ExportState::Cancelled, String::new());
            let row = ExportRow { pieces: 0, lines: 0, ..row };
            tx.put_export(&row)?;
            Ok(Export { spec, row })
        })
        .await
    }

    /// Returns a finished export whose pieces the caller reads, and writes that to the audit log.
    ///
    /// # Errors
    /// `NoExport`, `NotFinished`; `Forbidden` for somebody who may not read the report any more.
    pub async fn open_export(&self, caller: Caller, id: Uuid, now_ms: i64) -> DomainResult<Export> {
        self.write("open_export", move |tx| {
            let Export { spec, row } = of_caller(tx, caller, id, now_ms)?;
            if row.state != ExportState::Finished {
                return Err(ReportRefusal::NotFinished.into());
            }
            spec.authorize(tx, caller)?;
            let detail = serde_json::json!({
                "kind": spec.kind, "course": spec.course, "period": spec.period, "lines": row.lines,
            });
            tx.add_audit(&AuditRow {
                at_ms: now_ms,
                actor: caller.id,
                action: if spec.person.is_some() { "person.export" } else { "report.export" }
                    .to_owned(),
                subject: spec.person.or(spec.class.map(|class| UserId(class.0))),
                detail: detail.to_string(),
            })?;
            Ok(Export { spec, row })
        })
        .await
    }

    /// Returns a piece of an export, by its number from 0 on.
    pub async fn export_piece(&self, id: Uuid, number: u32) -> DomainResult<String> {
        let piece = self.read("export_piece", move |tx| tx.export_piece(id, number)).await?;
        piece.ok_or_else(|| ReportRefusal::NoExport.into())
    }

    /// Writes the exports whose runs were interrupted. Returns their number.
    pub async fn run_exports(&self, clock: &Arc<dyn Clock>) -> DomainResult<usize> {
        let now_ms = clock.now_ms();
        let ids = self.read("exports_to_run", move |tx| tx.exports_to_run(now_ms)).await?;
        for id in &ids {
            self.run_export(*id, clock).await?;
        }
        Ok(ids.len())
    }

    /// Writes an export, unless it has ended or another run has its lease.
    pub async fn run_export(&self, id: Uuid, clock: &Arc<dyn Clock>) -> DomainResult<()> {
        // One at a time, because pages are computed by the database for which devices wait, too.
        let _slot = self.export_slot().await;
        let worker = carrel_store::new_id().simple().to_string();
        let Some(row) = self.lease_export(id, &worker, clock.now_ms()).await? else {
            return Ok(());
        };
        let error = match self.write_export(row, &worker, clock).await {
            Ok(()) => return Ok(()),
            // Cancelled, or deleted, or another run has the lease.
            Err(DomainError::Report(ReportRefusal::Ended)) => return Ok(()),
            // Another run tries again.
            Err(e) if e.code() == ErrorCode::Unavailable => return Err(e),
            Err(e) => e,
        };
        tracing::error!(error = %error, export.id = %id, "failed to write an export");
        let write = self.write("fail_export", move |tx| {
            let Ok(row) = running(tx, id, &worker) else { return Ok(()) };
            let text = match &error {
                DomainError::Store(_) => "the server failed to write the export".to_owned(),
                error => error.to_string(),
            };
            tx.delete_export_pieces(id)?;
            tx.put_export(&ended(ExportRow { pieces: 0, ..row }, ExportState::Failed, text))
        });
        Ok(write.await?)
    }

    async fn lease_export(
        &self,
        id: Uuid,
        worker: &str,
        now_ms: i64,
    ) -> DomainResult<Option<ExportRow>> {
        let worker = worker.to_owned();
        let write = self.write("lease_export", move |tx| {
            let Some(row) = tx.export(id)? else { return Ok::<_, StoreError>(None) };
            if row.state.is_ended() || row.lease_until_ms > now_ms {
                return Ok(None);
            }
            // What an interrupted run has written.
            tx.delete_export_pieces(id)?;
            if row.attempts >= MAX_ATTEMPTS {
                let text = format!("the server was stopped in each of {MAX_ATTEMPTS} runs");
                tx.put_export(&ended(row, ExportState::Failed, text))?;
                return Ok(None);
            }
            let row = ExportRow {
                state: ExportState::Running,
                progress: 0,
                attempts: row.attempts + 1,
                worker,
                lease_until_ms: now_ms.saturating_add(LEASE_MS),
                pieces: 0,
                lines: 0,
                ..row
            };
            tx.put_export(&row)?;
            Ok(Some(row))
        });
        Ok(write.await?)
    }

    async fn write_export(
        &self,
        row: ExportRow,
        worker: &str,
        clock: &Arc<dyn Clock>,
    ) -> DomainResult<()> {
        let (spec, zone) = (ExportSpec::of_row(&row)?, self.zone());
        // The rules use the present rank of the account, at most this one.
        let caller = Caller { id: Some(row.user), rank: Rank::Operator };
        let mut source = match spec.person {
            Some(person) => Source::Person { person, after: None, lines: 0 },
            None => {
                let span = Span::up_to(clock.now_ms(), spec.period, &zone);
                let table =
                    CsvTable::new(spec.exported()?, spec.course.clone(), span, zone.clone());
                let all = self.read("count_accounts", |tx| tx.count_accounts()).await?.max(1);
                let (scope, table) = (spec.scope()?, Box::new(table));
                Source::Report { scope, span, table, after: None, seen: 0, all }
            }
        };
        let (mut number, id) = (0, row.id);
        loop {
            let (zone, now_ms) = (zone.clone(), clock.now_ms());
            let read = self.read("export_page", move |tx| {
                let piece = source.next(tx, &zone, caller, now_ms)?;
                Ok::<_, DomainError>((source, piece))
            });
            let piece;
            (source, piece) = read.await?;
            let (worker, now_ms, is_last) = (worker.to_owned(), clock.now_ms(), piece.is_last);
            let write = self.write("put_export_piece", move |tx| {
                let row = running(tx, id, &worker)?;
                tx.put_export_piece(id, number, &piece.text)?;
                let row = ExportRow {
                    progress: piece.progress,
                    lease_until_ms: now_ms.saturating_add(LEASE_MS),
                    pieces: number + 1,
                    lines: piece.lines,
                    ..row
                };
                let end = |row| ended(row, ExportState::Finished, String::new());
                tx.put_export(&if is_last { end(row) } else { row })?;
                Ok::<_, DomainError>(())
            });
            write.await?;
            number += 1;
            if is_last {
                return Ok(());
            }
        }
    }
}
