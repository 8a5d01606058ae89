//! Accounts as staff manage them: list, rank, disabled, deletion.
//!
//! Each change is refused unless the caller has the permission, in the transaction of the change, and is a line of the
//! audit log.

use std::collections::HashSet;

use carrel_model::{UserId, text};
use carrel_roster::{ClassId, Person, State, email_address};
use carrel_store::{
    facts,
    personal::SectionCounts,
    tx::{AuditRow, PersonKey, PersonRow, Tx},
};

use crate::{
    EndedSignIn, PeopleError, Result, end_all,
    permissions::{Caller, Permission, Rank, Subject, present_rank, rank_of_person, require},
    sign_ins::{void_codes, void_links},
};

/// Number of accounts that one call looks at: a search for a rare name is continued by the next call.
const MAX_SCANNED: u32 = 20_000;
/// Accounts read at a time.
const PAGE: u32 = 1_000;

/// Which accounts are listed.
#[derive(Debug, Clone, Default)]
pub struct PeopleFilter {
    /// Part of login, name, source id or e-mail address, whatever the case and the accents; empty: all.
    pub search: String,
    pub rank: Option<Rank>,
    pub state: Option<State>,
    pub class: Option<ClassId>,
    /// Key of the login after which the list begins; empty: at the beginning.
    pub after: String,
    pub limit: u32,
}

/// An account in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPerson {
    pub person: Person,
    pub rank: Rank,
    pub has_password: bool,
}

/// A page of a list. `next`: the value of `after` for the next page, which may have results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeoplePage {
    pub people: Vec<ListedPerson>,
    pub next: Option<String>,
}

fn listed(row: PersonRow) -> ListedPerson {
    ListedPerson {
        rank: Rank::of(row.person.role, row.is_operator),
        has_password: row.has_password,
        person: row.person,
    }
}

/// A searched text, as it is compared: as it is typed, and as terms without accents.
struct Folded {
    typed: String,
    terms: String,
}

impl Folded {
    fn of(text: &str) -> Self {
        Self { typed: text::fold_answer(text, ""), terms: text::index_terms(text) }
    }
    fn is_in(&self, text: &str) -> bool {
        if self.typed.is_empty() {
            return true;
        }
        let other = Self::of(text);
        let has_terms = !self.terms.is_empty() && other.terms.contains(&self.terms);
        other.typed.contains(&self.typed) || has_terms
    }
}

/// Lists accounts by login.
///
/// # Errors
/// An error of the store.
pub fn list(tx: &dyn Tx, filter: &PeopleFilter) -> Result<PeoplePage> {
    let search = Folded::of(&filter.search);
    let class: Option<HashSet<UserId>> = match filter.class {
        Some(class) => Some(tx.members(class)?.into_iter().map(|m| m.person).collect()),
        None => None,
    };
    let matches = |found: &ListedPerson| {
        let person = &found.person;
        let source_id = person.source_id.as_deref().unwrap_or_default();
        let email = person.email.as_deref().unwrap_or_default();
        filter.rank.is_none_or(|rank| rank == found.rank)
            && filter.state.is_none_or(|state| state == person.state)
            && class.as_ref().is_none_or(|members| members.contains(&person.id))
            && [&person.login, &person.name, source_id, email]
                .into_iter()
                .any(|text| search.is_in(text))
    };
    let mut page = PeoplePage { people: Vec::new(), next: None };
    let (mut after, mut scanned) = (filter.after.clone(), 0);
    while scanned < MAX_SCANNED {
        let rows = tx.people_by_login(&after, PAGE)?;
        let is_last = rows.len() < PAGE as usize;
        for row in rows {
            scanned += 1;
            let key = row.login_key.clone();
            let found = listed(row);
            if matches(&found) {
                if page.people.len() == filter.limit as usize {
                    page.next = Some(after);
                    return Ok(page);
                }
                page.people.push(found);
            }
            after = key;
        }
        if is_last {
            return Ok(page);
        }
    }
    page.next = Some(after);
    Ok(page)
}

/// Returns one account.
///
/// # Errors
/// `NoPerson`.
pub fn get(tx: &dyn Tx, id: UserId) -> Result<ListedPerson> {
    let person = tx.person(PersonKey::Id(id))?.ok_or(PeopleError::NoPerson(id))?;
    let rank = rank_of_person(tx, &person)?;
    let has_password = tx.account_by_id(id)?.is_some_and(|account| !account.password.is_empty());
    Ok(ListedPerson { person, rank, has_password })
}

/// Writes a line of the audit log.
pub(crate) fn audit(
    tx: &dyn Tx,
    caller: Caller,
    action: &str,
    subject: UserId,
    detail: &serde_json::Value,
    now_ms: i64,
) -> Result<()> {
    let (action, detail) = (action.to_owned(), detail.to_string());
    let row = AuditRow { at_ms: now_ms, actor: caller.id, action, subject: Some(subject), detail };
    Ok(tx.add_audit(&row)?)
}

/// Refuses a change after which nobody could manage accounts.
fn keep_an_administrator(tx: &dyn Tx, before: u64) -> Result<()> {
    if before > 0 && tx.administrators()? == 0 {
        return Err(PeopleError::LastAdministrator);
    }
    Ok(())
}

/// Sets the rank of an account. Nobody gives a rank above their own, or changes their own.
///
/// # Errors
/// `Forbidden`, `NoPerson`, `LastAdministrator`.
pub fn set_rank(tx: &dyn Tx, caller: Caller, id: UserId, rank: Rank, now_ms: i64) -> Result<()> {
    let before = tx.administrators()?;
    require(tx, caller, Permission::ManageAccounts, Subject::Person(id))?;
    let found = get(tx, id)?;
    if present_rank(tx, caller)?.is_none_or(|own| rank > own) {
        return Err(PeopleError::Forbidden);
    }
    if found.rank == rank {
        return Ok(());
    }
    tx.put_person(&Person { role: rank.role(), ..found.person })?;
    tx.set_operator(id, rank == Rank::Operator)?;
    keep_an_administrator(tx, before)?;
    let detail = serde_json::json!({ "before": found.rank.name(), "after": rank.name() });
    audit(tx, caller, "person.role", id, &detail, now_ms)
}

/// Disables an account, which ends its sign-ins, or enables it again with the password that it had.
///
/// # Errors
/// `Forbidden`, `NoPerson`, `LastAdministrator`.
pub fn set_disabled(
    tx: &dyn Tx,
    ended: &mut Vec<EndedSignIn>,
    caller: Caller,
    id: UserId,
    is_disabled: bool,
    now_ms: i64,
) -> Result<()> {
    let before = tx.administrators()?;
    require(tx, caller, Permission::ManageAccounts, Subject::Person(id))?;
    let found = get(tx, id)?;
    if found.person.is_disabled == is_disabled {
        return Ok(());
    }
    tx.put_person(&Person { is_disabled, ..found.person })?;
    if is_disabled {
        keep_an_administrator(tx, before)?;
        void_codes(tx, id)?;
        ended.extend(end_all(tx, id, now_ms)?);
    }
    let action = if is_disabled { "person.disable" } else { "person.enable" };
    audit(tx, caller, action, id, &serde_json::json!({}), now_ms)
}

/// Sets the e-mail address of an account; an empty text removes it. The log does not contain the address.
///
/// # Errors
/// `Forbidden`, `NoPerson`, `BadEmail`.
pub fn set_email(tx: &dyn Tx, caller: Caller, id: UserId, text: &str, now_ms: i64) -> Result<()> {
    require(tx, caller, Permission::ManageAccounts, Subject::Person(id))?;
    let found = get(tx, id)?;
    let email = match text.trim() {
        "" => None,
        text => Some(email_address(text).ok_or(PeopleError::BadEmail)?),
    };
    if found.person.email == email {
        return Ok(());
    }
    let detail = serde_json::json!({ "has_address": email.is_some() });
    tx.put_person(&Person { email, ..found.person })?;
    // Whoever reads the earlier address must not be able to use a link.
    void_links(tx, id)?;
    audit(tx, caller, "person.email", id, &detail, now_ms)
}

/// Returns true if the account is the owner of a course, whose name the catalogue contains.
pub(crate) fn owns_courses(tx: &dyn Tx, id: UserId) -> Result<bool> {
    Ok(tx.viewer(id)?.is_some_and(|viewer| !viewer.owned.is_empty()))
}

/// Deletes an account with all its rows. Its id is kept as deleted, so that its devices cannot recreate it. Returns the
/// number of rows about the person before, which the audit log keeps.
///
/// # Errors
/// `Forbidden`, `NoPerson`, `LastAdministrator`.
pub fn delete(
    tx: &dyn Tx,
    ended: &mut Vec<EndedSignIn>,
    caller: Caller,
    id: UserId,
    now_ms: i64,
) -> Result<SectionCounts> {
    let before = tx.administrators()?;
    require(tx, caller, Permission::ManageAccounts, Subject::Person(id))?;
    let found = get(tx, id)?;
    let has_courses = owns_courses(tx, id)?;
    let deleted = tx.count_personal(id)?;
    ended.extend(end_all(tx, id, now_ms)?);
    tx.delete_account(id, now_ms)?;
    keep_an_administrator(tx, before)?;
    if has_courses {
        facts::increment(tx, facts::CATALOGUE)?;
    }
    // The details of earlier lines about the person were removed, because they contain names.
    let detail = serde_json::json!({ "role": found.rank.name(), "deleted": deleted });
    audit(tx, caller, "person.delete", id, &detail, now_ms)?;
    Ok(deleted)
}

/// Deletes an account that a restored backup brought back. Returns false if it is recorded as deleted.
///
/// # Errors
/// If the database fails.
pub fn delete_again(
    tx: &dyn Tx,
    ended: &mut Vec<EndedSignIn>,
    id: UserId,
    now_ms: i64,
) -> Result<bool> {
    if tx.is_deleted(id)? {
        return Ok(false);
    }
    let has_courses = owns_courses(tx, id)?;
    if tx.person(PersonKey::Id(id))?.is_some() {
        ended.extend(end_all(tx, id, now_ms)?);
    }
    tx.delete_account(id, now_ms)?;
    if has_courses {
        facts::increment(tx, facts::CATALOGUE)?;
    }
    let detail = serde_json::json!({ "again": true });
    audit(tx, Caller::COMMAND_LINE, "person.delete", id, &detail, now_ms)?;
    Ok(true)
}
