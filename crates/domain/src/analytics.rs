//! Reports about groups of learners, and the stored figures from which reports of large groups are summed.
//!
//! A transaction that changes rows records the learner (`mark_dirty`); `refresh_analytics` computes the learner's figures
//! again from the rows and stores them. A report of a small group is computed from the rows. Nothing is ever added to a
//! stored figure, so that rows that arrive late or twice cannot make it wrong.
//!
//! Not here: the figures (`carrel-analytics`), exports (`exports`).

use std::collections::{BTreeMap, BTreeSet};

use carrel_analytics::{
    ClassReport, CourseReport, CourseSum, DevicesReport, EngagementReport, Group, LearnerFigures,
    LearnerName, LearnerRows, Library, Period, ReportHead, Span, TrendsReport, Zone, figures, line,
    refreshed,
};
use carrel_model::{ErrorCode, Slug, UserId, lattice::date_of_day, wire::CourseReply};
use carrel_people::{
    PeopleError,
    permissions::{Caller, Permission, Reach, Subject, present_rank, require},
};
use carrel_roster::{Class, ClassId, MemberRole};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    DomainResult,
    courses::CourseRefusal,
    devices::{add_device_reports, devices_of, published_versions, with_devices},
    people::taught_by,
    store::{
        Kind, Store, StoreError, facts,
        tx::{ClassKey, Details, FiguresChange, Tx},
    },
};

/// A group of up to this number of learners is computed from the rows.
const SMALL_GROUP: usize = 60;
/// A report that sums up more days of learners is only exported.
const MAX_LEARNER_DAYS: usize = 60_000;
/// Learners whose figures are computed and stored together.
const BATCH: u32 = 100;
/// The check of stored figures compares a hundredth of the learners, but at least this number.
const MIN_CHECKED: u64 = 20;
/// Changed if the same rows give other figures than in the release before.
const DEFINITION: u32 = 1;

/// Why a report cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportRefusal {
    #[error("{0} learners are too many for a report of this period")]
    TooMany(usize),
    #[error("{0}")]
    Invalid(&'static str),
    #[error("there is no such export, or it has expired")]
    NoExport,
    #[error("the export has not finished")]
    NotFinished,
    #[error("the export has ended")]
    Ended,
}

impl ReportRefusal {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::TooMany(_) => ErrorCode::TooLarge,
            Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::NoExport => ErrorCode::NotFound,
            Self::NotFinished | Self::Ended => ErrorCode::Conflict,
        }
    }
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooMany(_) => "export the report (POST /api/exports), or choose a shorter period",
            Self::NoExport => "start the export again",
            Self::NotFinished => "read its state until it is `finished`",
            Self::Invalid(_) | Self::Ended => "",
        }
    }
}

/// Report of the job `check-analytics`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalyticsReport {
    /// UTC, ms since 1970.
    pub checked_ms: i64,
    /// Learners whose stored figures were compared with their rows.
    pub checked: u64,
    /// Those whose figures were wrong; they were computed again.
    pub drifted: u64,
}

impl AnalyticsReport {
    /// Returns a line for the log and the list of jobs.
    pub fn summary(&self) -> String {
        format!("{} learners checked, figures of {} were wrong", self.checked, self.drifted)
    }
}

/// The learners of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) class: Option<ClassId>,
    pub(crate) course: Option<Slug>,
    /// The report names learners.
    pub(crate) has_names: bool,
}

impl Scope {
    /// Refuses a caller who may not read the report.
    pub(crate) fn authorize(&self, tx: &dyn Tx, caller: Caller) -> DomainResult<()> {
        match (&self.course, self.class) {
            (_, Some(class)) => {
                require(tx, caller, Permission::ViewLearners, Subject::Class(class))?;
            }
            // An owner reads sums over all learners, and names only of one's own classes.
            (Some(course), None) if !self.has_names => {
                require(tx, caller, Permission::EditCourses, Subject::Course(course.clone()))?;
            }
            (Some(_), None) => {
                if reach(tx, caller)? != Reach::Everyone {
                    return Err(PeopleError::Forbidden.into());
                }
            }
            (None, None) => require(tx, caller, Permission::ViewLearners, Subject::All)?,
        }
        if let Some(class) = self.class {
            class_of(tx, class)?;
        }
        if let Some(course) = &self.course
            && tx.replies(Kind::Course, std::slice::from_ref(course))?.is_empty()
        {
            return Err(CourseRefusal::NotFound(course.clone()).into());
        }
        Ok(())
    }

    /// Returns the next learners by id.
    pub(crate) fn learners(
        &self,
        tx: &dyn Tx,
        caller: Caller,
        after: Option<UserId>,
        limit: u32,
    ) -> DomainResult<Vec<UserId>> {
        let classes = match (self.class, &self.course) {
            (Some(class), _) => vec![class],
            (None, Some(course)) => return Ok(tx.enrolled_after(course, after, limit)?),
            (None, None) if reach(tx, caller)? == Reach::Everyone => {
                return Ok(tx.students_after(after, limit)?);
            }
            (None, None) => match caller.id {
                Some(id) => taught_by(tx, id)?.into_iter().map(|class| class.id).collect(),
                None => Vec::new(),
            },
        };
        let mut students = BTreeSet::new();
        for class in classes {
            let members = tx.members(class)?.into_iter();
            let of_class = members.filter(|member| member.role == MemberRole::Student);
            students.extend(of_class.map(|member| member.person));
        }
        let later = students.into_iter().filter(|id| after.is_none_or(|after| *id > after));
        Ok(later.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect())
    }

    /// Returns all learners of a report of this number of days.
    fn all_learners(&self, tx: &dyn Tx, caller: Caller, days: i32) -> DomainResult<Vec<UserId>> {
        let days = usize::try_from(days).unwrap_or(1).max(1);
        let max = (MAX_LEARNER_DAYS / days).max(SMALL_GROUP);
        let limit = u32::try_from(max + 1).unwrap_or(u32::MAX);
        let users = self.learners(tx, caller, None, limit)?;
        if users.len() > max {
            return Err(ReportRefusal::TooMany(users.len()).into());
        }
        Ok(users)
    }
}

fn reach(tx: &dyn Tx, caller: Caller) -> Result<Reach, StoreError> {
    let rank = present_rank(tx, caller)?;
    Ok(rank.map_or(Reach::Nobody, |rank| Permission::ViewLearners.reach(rank)))
}

fn class_of(tx: &dyn Tx, id: ClassId) -> DomainResult<Class> {
    tx.class(ClassKey::Id(id))?.ok_or_else(|| PeopleError::NoClass(id).into())
}

/// Returns what is published of the courses and quizzes in the rows.
fn library<'r>(
    tx: &dyn Tx,
    rows: impl Iterator<Item = &'r LearnerRows> + Clone,
) -> Result<Library, StoreError> {
    let roots: BTreeSet<Slug> = rows.clone().flat_map(LearnerRows::roots).collect();
    let roots: Vec<Slug> = roots.into_iter().collect();
    let mut library = Library::default();
    for (course, reply) in tx.replies(Kind::Course, &roots)? {
        let reply: CourseReply =
            serde_json::from_str(&reply).map_err(|e| StoreError::unreadable("publication", e))?;
        library.courses.insert(course, reply.outline);
    }
    let quizzes: BTreeSet<_> = rows
        .flat_map(|rows| &rows.attempts)
        .filter(|attempt| attempt.answers.is_some())
        .map(|attempt| (attempt.quiz_hash, attempt.quiz.clone()))
        .collect();
    for (hash, item) in quizzes {
        // A quiz that cannot be read was logged when its attempts were graded.
        let body = tx.quiz(hash, &item)?.and_then(|body| serde_json::from_str(&body).ok());
        if let Some(body) = body {
            library.quizzes.insert((hash, item), body);
        }
    }
    Ok(library)
}

/// Computes figures from rows. Returns them with the change numbers of the learners.
fn fresh_figures(
    tx: &dyn Tx,
    users: &[UserId],
    zone: &Zone,
) -> Result<BTreeMap<UserId, (u64, LearnerFigures)>, StoreError> {
    let rows = tx.learner_rows(users)?;
    let library = library(tx, rows.values())?;
    let of = |rows: &LearnerRows| (rows.usn, figures(rows, &library, zone));
    Ok(rows.iter().map(|(user, rows)| (*user, of(rows))).collect())
}

/// Figures of a group.
pub(crate) struct GroupFigures {
    pub(crate) of: BTreeMap<UserId, LearnerFigures>,
    /// They contain all rows that had arrived at this time; 0: they were never computed for some learners.
    as_of: i64,
}

/// Returns the figures of learners, of days from `from` on: those of a small group, and those of up to `max_computed`
/// learners whose stored figures lack rows, are computed from the rows.
pub(crate) fn group_figures(
    tx: &dyn Tx,
    zone: &Zone,
    users: &[UserId],
    span: Span,
    details: Details<'_>,
    max_computed: usize,
) -> Result<GroupFigures, StoreError> {
    let dirty = tx.dirty_among(users)?;
    let computed: Vec<UserId> = if users.len() <= SMALL_GROUP {
        users.to_vec()
    } else if dirty.len() <= max_computed {
        dirty.keys().copied().collect()
    } else {
        Vec::new()
    };
    let mut of = tx.stored_figures(users, span.from, details)?;
    for (user, (_, fresh)) in fresh_figures(tx, &computed, zone)? {
        let since_ms = dirty.get(&user).copied().unwrap_or(0);
        let stored = of.entry(user).or_default();
        let mut merged = refreshed(stored, &fresh, since_ms, zone);
        merged.days = merged.days.split_off(&span.from);
        *stored = merged;
    }
    let lacking = if computed.is_empty() { dirty.values().min().copied() } else { None };
    let as_of = lacking.unwrap_or(span.now_ms);
    Ok(GroupFigures { of, as_of })
}

/// Everything that a report is made of.
struct Gathered {
    span: Span,
    users: Vec<UserId>,
    figures: GroupFigures,
    group: Group,
    head: ReportHead,
}

fn gather(
    tx: &dyn Tx,
    zone: &Zone,
    caller: Caller,
    scope: &Scope,
    span: Span,
) -> DomainResult<Gathered> {
    scope.authorize(tx, caller)?;
    let users = scope.all_learners(tx, caller, span.period.days())?;
    let details = scope.course.as_ref().map_or(Details::Nothing, Details::Of);
    let mut figures = group_figures(tx, zone, &users, span, details, SMALL_GROUP)?;
    if let Some(course) = &scope.course {
        // In a class, only those who asked for the course.
        figures.of.retain(|_, of| of.courses.get(course).is_some_and(|c| c.status.is_some()));
    }
    let users: Vec<UserId> = users.into_iter().filter(|id| figures.of.contains_key(id)).collect();
    let mut group = Group::new(span);
    figures.of.values().for_each(|of| group.add(of));
    let head = ReportHead {
        period: span.period,
        from: date_of_day(span.from).to_string(),
        to: date_of_day(span.today).to_string(),
        time_zone: zone.name().to_owned(),
        as_of: figures.as_of,
        devices: devices_of(tx, &users, span.now_ms)?.0,
        changed_since: group.changed_since(),
    };
    Ok(Gathered { span, users, figures, group, head })
}

fn sorted_names(tx: &dyn Tx, users: &[UserId]) -> Result<Vec<LearnerName>, StoreError> {
    let mut names = tx.names_of(users)?;
    names.sort_by_cached_key(|who| (who.name.to_lowercase(), who.login.clone()));
    Ok(names)
}

/// Compares stored figures with the rows. Returns the number of compared learners, and those whose figures are wrong.
fn drifted(tx: &dyn Tx, zone: &Zone, users: &[UserId]) -> Result<(u64, Vec<UserId>), StoreError> {
    let dirty = tx.dirty_among(users)?;
    let users: Vec<UserId> = users.iter().filter(|id| !dirty.contains_key(id)).copied().collect();
    let stored = tx.stored_figures(&users, i32::MIN, Details::All)?;
    let fresh = fresh_figures(tx, &users, zone)?;
    let mut wrong = Vec::new();
    for (user, (_, fresh)) in &fresh {
        if stored.get(user).is_none_or(|stored| !stored.is_same(fresh)) {
            wrong.push(*user);
        }
    }
    Ok((fresh.len() as u64, wrong))
}

impl Store {
    /// Sets the time zone of the school. If the stored figures are those of another zone or release, those of all
    /// learners are computed again.
    pub async fn open_analytics(&self, zone: Zone) -> DomainResult<()> {
        let definition = format!("{DEFINITION} {}", zone.name());
        self.set_zone(zone);
        let expected = definition.clone();
        let read = self.read("figures_of", |tx| tx.fact(facts::FIGURES));
        if read.await?.as_ref() == Some(&expected) {
            return Ok(());
        }
        let write = self.write("open_analytics", move |tx| {
            tx.mark_all_dirty()?;
            tx.set_fact(facts::FIGURES, &definition)
        });
        Ok(write.await?)
    }

    /// Stores the figures of the learners whose rows changed. Returns their number. A learner whose rows change meanwhile
    /// is left for the next run.
    pub async fn refresh_analytics(&self) -> DomainResult<u64> {
        let (mut refreshed, mut failed) = (0, 0);
        while failed < 3 {
            match self.refresh_batch().await? {
                None => break,
                Some(0) => failed += 1,
                Some(learners) => (refreshed, failed) = (refreshed + learners, 0),
            }
        }
        Ok(refreshed)
    }

    /// Returns `None` if no learner's rows changed.
    async fn refresh_batch(&self) -> DomainResult<Option<u64>> {
        let zone = self.zone();
        let read = self.read("analytics_rows", move |tx| {
            let dirty = tx.dirty_learners(BATCH)?;
            let users: Vec<UserId> = dirty.iter().map(|(user, _)| *user).collect();
            let revision = tx.fact(facts::CATALOGUE)?;
            let stored = tx.stored_figures(&users, i32::MIN, Details::All)?;
            let fresh = fresh_figures(tx, &users, &zone)?;
            let (mut seen, mut change) = (Vec::new(), FiguresChange::default());
            let nothing = LearnerFigures::default();
            for (user, since_ms) in dirty {
                let Some((usn, fresh)) = fresh.get(&user) else { continue };
                seen.push((user, *usn));
                let old = stored.get(&user).unwrap_or(&nothing);
                let new = refreshed(old, fresh, since_ms, &zone);
                let courses = new.courses.into_iter();
                let courses = courses.filter(|(id, of)| old.courses.get(id) != Some(of));
                change.courses.extend(courses.map(|(id, of)| (user, id, of)));
                let days = new.days.into_iter();
                let days = days.filter(|(day, of)| old.days.get(day) != Some(of));
                change.days.extend(days.map(|(day, of)| (user, day, of)));
            }
            Ok::<_, StoreError>((revision, seen, change))
        });
        let (revision, seen, mut change) = read.await?;
        if seen.is_empty() {
            return Ok(None);
        }
        let write = self.write("store_figures", move |tx| {
            // A course that was published meanwhile has other sections. No course is published until the end of this
            // transaction.
            if tx.fact(facts::CATALOGUE)? != revision {
                return Ok::<_, StoreError>(0);
            }
            let unchanged = tx.lock_unchanged(&seen)?;
            let is_current: BTreeSet<UserId> = unchanged.iter().copied().collect();
            change.courses.retain(|(user, ..)| is_current.contains(user));
            change.days.retain(|(user, ..)| is_current.contains(user));
            tx.put_figures(&change)?;
            tx.clear_dirty(&unchanged)?;
            Ok(unchanged.len() as u64)
        });
        Ok(Some(write.await?))
    }

    /// Compares the stored figures of a hundredth of the students, those after `pivot`, with their rows, has wrong ones
    /// computed again, and stores a report.
    pub async fn check_analytics(
        &self,
        pivot: UserId,
        now_ms: i64,
    ) -> DomainResult<AnalyticsReport> {
        let read = self.read("students_to_check", move |tx| {
            let wanted = (tx.count_accounts()? / 100).max(MIN_CHECKED);
            let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
            let mut users = tx.students_after(Some(pivot), wanted)?;
            let missing = wanted.saturating_sub(u32::try_from(users.len()).unwrap_or(u32::MAX));
            let first = tx.students_after(None, missing)?;
            users.extend(first.into_iter().filter(|id| *id <= pivot));
            Ok::<_, StoreError>(users)
        });
        let mut report = AnalyticsReport { checked_ms: now_ms, checked: 0, drifted: 0 };
        for users in read.await?.chunks(BATCH as usize) {
            let (users, zone) = (users.to_vec(), self.zone());
            let (checked, wrong) =
                self.read("check_figures", move |tx| drifted(tx, &zone, &users)).await?;
            report.checked += checked;
            report.drifted += wrong.len() as u64;
            if wrong.is_empty() {
                continue;
            }
            tracing::error!(learners = ?wrong, "stored figures were wrong");
            let write = self.write("repair_figures", move |tx| {
                wrong.iter().try_for_each(|user| tx.mark_dirty(*user, &[""], 0))
            });
            write.await?;
        }
        if report.drifted > 0 {
            self.refresh_analytics().await?;
        }
        self.put_report(facts::ANALYTICS_REPORT, &report).await?;
        Ok(report)
    }

    async fn gathered<T: Send + 'static>(
        &self,
        caller: Caller,
        scope: Scope,
        period: Period,
        now_ms: i64,
        f: impl FnOnce(&dyn Tx, Gathered) -> DomainResult<T> + Send + 'static,
    ) -> DomainResult<T> {
        let zone = self.zone();
        self.read("report", move |tx| {
            let span = Span::up_to(now_ms, period, &zone);
            f(tx, gather(tx, &zone, caller, &scope, span)?)
        })
        .await
    }

    /// Returns the report of a class: a line for each student.
    ///
    /// # Errors
    /// `Forbidden`, `NoClass`, `TooMany`.
    pub async fn class_report(
        &self,
        caller: Caller,
        class: ClassId,
        period: Period,
        now_ms: i64,
    ) -> DomainResult<ClassReport> {
        let scope = Scope { class: Some(class), course: None, has_names: true };
        self.gathered(caller, scope, period, now_ms, move |tx, found| {
            let names = sorted_names(tx, &found.users)?;
            let line =
                |who: &LearnerName| Some(line(who, found.figures.of.get(&who.id)?, found.span));
            Ok(ClassReport {
                class,
                name: class_of(tx, class)?.name,
                engagement: found.group.engagement,
                learners: names.iter().filter_map(line).collect(),
                head: found.head,
            })
        })
        .await
    }

    /// Returns the report of a course: of all learners for its owner and administrators, or of a class.
    ///
    /// # Errors
    /// `Forbidden`, `NoClass`, `NotFound`, `TooMany`.
    pub async fn course_report(
        &self,
        caller: Caller,
        course: Slug,
        class: Option<ClassId>,
        period: Period,
        now_ms: i64,
    ) -> DomainResult<CourseReport> {
        let scope = Scope { class, course: Some(course.clone()), has_names: false };
        let zone = self.zone();
        self.gathered(caller, scope, period, now_ms, move |tx, found| {
            let mut sum = CourseSum::new(found.span);
            for of in found.figures.of.values().filter_map(|of| of.courses.get(&course)) {
                sum.add(of, of.completed_ms.map(|ms| zone.day_of(ms)));
            }
            let reply = tx.replies(Kind::Course, std::slice::from_ref(&course))?.pop();
            let (_, reply) = reply.ok_or_else(|| CourseRefusal::NotFound(course.clone()))?;
            let reply: CourseReply = serde_json::from_str(&reply)
                .map_err(|e| StoreError::unreadable("publication", e))?;
            Ok(CourseReport {
                title: reply.summary.meta.title,
                completion: sum.completion(),
                sections: sum.sections(&course, &reply.outline),
                questions: sum.questions(),
                head: found.head,
                course,
            })
        })
        .await
    }

    /// Returns the sums of each day over the learners of a class, or of all whom the caller may see.
    ///
    /// # Errors
    /// `Forbidden`, `NoClass`, `TooMany`.
    pub async fn trends(
        &self,
        caller: Caller,
        class: Option<ClassId>,
        period: Period,
        now_ms: i64,
    ) -> DomainResult<TrendsReport> {
        let scope = Scope { class, course: None, has_names: false };
        self.gathered(caller, scope, period, now_ms, |_, found| {
            Ok(TrendsReport {
                learners: found.group.engagement.learners,
                total: found.group.total(),
                days: found.group.days(),
                head: found.head,
            })
        })
        .await
    }

    /// Returns how many learners were active when.
    ///
    /// # Errors
    /// `Forbidden`, `NoClass`, `TooMany`.
    pub async fn engagement(
        &self,
        caller: Caller,
        class: Option<ClassId>,
        now_ms: i64,
    ) -> DomainResult<EngagementReport> {
        let scope = Scope { class, course: None, has_names: false };
        self.gathered(caller, scope, Period::Month, now_ms, |_, found| {
            Ok(EngagementReport { engagement: found.group.engagement, head: found.head })
        })
        .await
    }

    /// Returns the devices of the students of a class.
    ///
    /// # Errors
    /// `Forbidden`, `NoClass`, `TooMany`.
    pub async fn class_devices(
        &self,
        caller: Caller,
        class: ClassId,
        now_ms: i64,
    ) -> DomainResult<DevicesReport> {
        let zone = self.zone();
        self.read("class_devices", move |tx| {
            let scope = Scope { class: Some(class), course: None, has_names: true };
            scope.authorize(tx, caller)?;
            let users = scope.all_learners(tx, caller, Period::Week.days())?;
            let (devices, mut by_learner) = devices_of(tx, &users, now_ms)?;
            let courses = published_versions(tx, &class_of(tx, class)?.courses)?;
            add_device_reports(tx, &mut by_learner, &courses, now_ms)?;
            let names = sorted_names(tx, &users)?;
            let learners = names.iter().map(|who| with_devices(who, &mut by_learner)).collect();
            let time_zone = zone.name().to_owned();
            Ok(DevicesReport { class, as_of: now_ms, time_zone, devices, learners })
        })
        .await
    }
}
