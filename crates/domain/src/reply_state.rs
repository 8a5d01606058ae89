//! The state of the database on which a reply depends. A reply that was computed while the state was the same may be sent
//! again.
//!
//! All parts but the courses that a reader finds only ever grow, or are replaced by a random value that was never used
//! before (the epoch), so that an earlier state does not return.

use carrel_model::{Slug, UserId};

use crate::{
    DomainResult,
    courses::{audience, may_see, viewer},
    store::{Audience, Store, StoreError, facts, tx::Tx},
};

/// On what a reply depends besides the catalogue.
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
    /// Returns the state on which a reply depends, read from the database, so that it is the present one for every process;
    /// `None` if no reply may be sent without computing it: the course is not seen, or the learner does not exist.
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
