//! The state of the database on which a reply depends. A reply that was computed while the state was the same may be
//! sent again.
//!
//! All parts but the courses that a reader finds only ever grow, or are replaced by a random value that was never used
//! before (the epoch), so that an earlier state does not return.

use carrel_model::{Slug, UserId};

use crate::{
    DomainResult,
    assessments::item_of_path,
    courses::{audience, may_see, viewer},
    store::{Audience, Store, StoreError, facts, tx::Tx},
};

/// On what a reply depends besides the catalogue and the address of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DependsOn {
    /// Nothing.
    Nothing,
    /// The courses that the reader finds.
    Audience,
    /// The same, and the numbers of enrolled learners.
    Counts,
    /// Whether the reader sees the course `{id}`.
    Course,
    /// The caller's rows.
    Rows,
    /// The caller's rows, and the courses that the caller finds.
    Courses,
    /// The caller's rows, and whether the caller sees the course of the quiz `{id}`.
    Quiz,
    /// The rows of the person `{userId}`, and the courses that the person finds.
    Person,
    /// The rows of the person `{userId}`, and whether the person or the caller sees the course `{courseId}`.
    PersonInCourse,
    /// The account of the caller.
    Account,
}

/// The parts of the state on which a reply depends besides the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateQuery {
    /// On the courses that this reader finds; `Some(None)`: nobody is signed in.
    pub audience_of: Option<Option<UserId>>,
    /// On the numbers of enrolled learners.
    pub counts: bool,
    /// On the rows of this learner.
    pub learner: Option<UserId>,
    /// The reply is for readers of this course only: at least one of these must see it.
    pub course: Option<(Slug, Vec<Option<UserId>>)>,
}

impl StateQuery {
    /// Returns what to read for a request. `reader`: the caller; `parameters`: those of the path. `None` for a request
    /// without a valid parameter or caller.
    pub fn of(
        depends_on: DependsOn,
        reader: Option<UserId>,
        parameters: &[(&str, &str)],
    ) -> Option<Self> {
        let parameter = |name: &str| {
            let found = parameters.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| *value)
        };
        let person = || parameter("userId")?.parse().ok().map(UserId);
        let course = |name: &str| Slug::new(parameter(name)?).ok();
        let mut query = Self::default();
        match depends_on {
            DependsOn::Nothing | DependsOn::Account => {}
            DependsOn::Audience => query.audience_of = Some(reader),
            DependsOn::Counts => (query.audience_of, query.counts) = (Some(reader), true),
            DependsOn::Course => query.course = Some((course("id")?, vec![reader])),
            DependsOn::Rows => query.learner = Some(reader?),
            DependsOn::Courses => {
                (query.learner, query.audience_of) = (Some(reader?), Some(reader));
            }
            DependsOn::Quiz => {
                let root = Slug::new(item_of_path(parameter("id")?)?.root()).ok()?;
                (query.learner, query.course) = (Some(reader?), Some((root, vec![reader])));
            }
            DependsOn::Person => {
                (query.learner, query.audience_of) = (Some(person()?), Some(Some(person()?)));
            }
            DependsOn::PersonInCourse => {
                query.learner = Some(person()?);
                query.course = Some((course("courseId")?, vec![reader, query.learner]));
            }
        }
        Some(query)
    }
}

/// The state of the database on which a reply depends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyState {
    epoch: String,
    catalogue: String,
    counts: Option<String>,
    pub audience: Option<Audience>,
    /// Change number of the learner.
    usn: Option<u64>,
}

impl ReplyState {
    /// Returns a text that identifies the state.
    pub fn text(&self) -> String {
        format!("{self:?}")
    }
}

/// Returns true if one of the readers sees the course. Stories are for everybody.
fn is_seen(tx: &dyn Tx, course: &Slug, readers: &[Option<UserId>]) -> Result<bool, StoreError> {
    let Some(course) = tx.course(course)? else { return Ok(true) };
    for reader in readers {
        if may_see(&course, viewer(tx, *reader)?.as_ref()) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Store {
    /// Returns the state on which a reply depends, read from the database, so that it is the present one for every
    /// process; `None` if no reply may be sent without computing it: the course is not seen, or the learner does not
    /// exist.
    pub async fn reply_state(&self, query: StateQuery) -> DomainResult<Option<ReplyState>> {
        let read = self.read("reply_state", move |tx| {
            if let Some((course, readers)) = &query.course
                && !is_seen(tx, course, readers)?
            {
                return Ok::<_, StoreError>(None);
            }
            let usn = query.learner.map(|learner| tx.usn(learner)).transpose()?.flatten();
            if query.learner.is_some() && usn.is_none() {
                return Ok(None);
            }
            let names = [facts::EPOCH, facts::CATALOGUE, facts::LEARNER_COUNTS];
            let mut found = tx.facts(&names)?.into_iter().map(Option::unwrap_or_default);
            let mut next = || found.next().unwrap_or_default();
            let (epoch, catalogue, counts) = (next(), next(), next());
            let audience = match query.audience_of {
                Some(reader) => Some(audience(viewer(tx, reader)?)),
                None => None,
            };
            let counts = query.counts.then_some(counts);
            Ok(Some(ReplyState { epoch, catalogue, counts, audience, usn }))
        });
        Ok(read.await?)
    }
}
