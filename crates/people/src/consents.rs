//! Consents: who agreed to which version of a text, and when. Lines are added and never changed.

use carrel_model::UserId;
use carrel_store::tx::{ConsentRow, PersonKey, Tx};

use crate::{
    PeopleError, Result,
    accounts::audit,
    permissions::{Caller, Permission, Subject, require},
};

/// Longest kind and version, in bytes.
const MAX_NAME: usize = 64;
/// Longest name of whoever agreed, in bytes.
const MAX_GIVEN_BY: usize = 200;

/// A consent to record.
#[derive(Debug, Clone)]
pub struct NewConsent {
    /// As the school names it, such as `privacy`.
    pub kind: String,
    pub version: String,
    /// False: withdrawn.
    pub given: bool,
    /// Who agreed, if it was somebody else, such as a parent.
    pub given_by: String,
}

impl NewConsent {
    fn problem(&self) -> Option<String> {
        let is_bad =
            |text: &str, max: usize| text.len() > max || text.chars().any(char::is_control);
        for (name, value) in [("kind", &self.kind), ("version", &self.version)] {
            if value.trim().is_empty() || is_bad(value, MAX_NAME) {
                return Some(format!(
                    "{name}: must have 1 to {MAX_NAME} bytes without control characters"
                ));
            }
        }
        is_bad(&self.given_by, MAX_GIVEN_BY).then(|| {
            format!("givenBy: must have at most {MAX_GIVEN_BY} bytes without control characters")
        })
    }
}

/// Permits the person, and those who may manage the account.
///
/// # Errors
/// `Forbidden`, `NoPerson`.
fn authorize(tx: &dyn Tx, caller: Caller, id: UserId) -> Result<()> {
    if caller.id != Some(id) {
        require(tx, caller, Permission::ManageAccounts, Subject::Person(id))?;
    }
    tx.person(PersonKey::Id(id))?.map(drop).ok_or(PeopleError::NoPerson(id))
}

/// Returns the consents of a person, in the order in which they were recorded.
///
/// # Errors
/// `Forbidden`, `NoPerson`.
pub fn list(tx: &dyn Tx, caller: Caller, id: UserId) -> Result<Vec<ConsentRow>> {
    authorize(tx, caller, id)?;
    Ok(tx.consents(id)?)
}

/// Records a consent or its withdrawal. The same line as the last one of its kind is not written again.
///
/// # Errors
/// `Forbidden`, `NoPerson`, `BadConsent`.
pub fn record(
    tx: &dyn Tx,
    caller: Caller,
    id: UserId,
    new: NewConsent,
    now_ms: i64,
) -> Result<ConsentRow> {
    authorize(tx, caller, id)?;
    if let Some(problem) = new.problem() {
        return Err(PeopleError::BadConsent(problem));
    }
    let consent = ConsentRow {
        kind: new.kind.trim().to_owned(),
        version: new.version.trim().to_owned(),
        given: new.given,
        given_by: new.given_by.trim().to_owned(),
        recorded_by: caller.id.unwrap_or(id),
        at_ms: now_ms,
    };
    let last = tx.consents(id)?.into_iter().rev().find(|known| known.kind == consent.kind);
    if let Some(last) = last {
        let is_same = ConsentRow { at_ms: last.at_ms, ..consent.clone() } == last;
        if is_same {
            return Ok(last);
        }
    }
    tx.add_consent(id, &consent)?;
    let detail = serde_json::json!({ "kind": consent.kind, "version": consent.version, "given": consent.given });
    audit(tx, caller, "person.consent", id, &detail, now_ms)?;
    Ok(consent)
}
