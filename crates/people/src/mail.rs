//! Messages with links, with which people set a password: who gets one, and when it is sent again.
//!
//! A message is a row that is written in the transaction of its cause. A process leases a row by moving the time of its
//! next attempt, so that a message is sent by one process at a time, and again only if its result is unknown or the mail
//! server failed for the moment.
//!
//! Not here: texts and SMTP (`carrel-mail`), keys of codes (`carrel-domain`).

use carrel_model::UserId;
use carrel_roster::{ClassId, MemberRole, Person, email_address, email_key};
use carrel_store::tx::{CodeKind, CodeRow, MailKind, MailRow, MailState, PersonKey, Tx};
use uuid::Uuid;

use crate::{
    PeopleError, Result,
    accounts::audit,
    by_login,
    permissions::{Caller, Permission, Subject, require},
    void_links,
};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// Validity of the link of a reset.
pub const RESET_MS: i64 = 30 * MINUTE_MS;
/// Validity of the link of an invitation.
pub const INVITATION_MS: i64 = 7 * DAY_MS;
/// Time for which an invitation is tried again.
const INVITATION_DEADLINE_MS: i64 = 2 * DAY_MS;

/// Resets of one account in `RESET_WINDOW_MS`; further requests have no effect.
const MAX_RESETS: u64 = 3;
const RESET_WINDOW_MS: i64 = 60 * MINUTE_MS;
/// Accounts with one address that get a message for one request.
const MAX_SHARED: u32 = 10;

/// Time from each attempt to the next one; the last one is repeated. An attempt takes less than the first one.
const WAITS_MS: [i64; 5] =
    [MINUTE_MS, 3 * MINUTE_MS, 10 * MINUTE_MS, 60 * MINUTE_MS, 4 * 60 * MINUTE_MS];

/// Maximum length of the error that is stored, in characters.
const MAX_ERROR: usize = 300;

/// Returns the hash of the code of a message to an account.
pub type CodeOf<'c> = &'c dyn Fn(Uuid, UserId) -> [u8; 32];

/// What became of the invitations of a class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Invited {
    pub invited: u32,
    /// Students without an address.
    pub without_address: u32,
}

/// Result of an attempt to send a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailOutcome {
    Sent,
    /// Not tried again; with the reason.
    Refused(String),
    /// Tried again until the deadline; with the reason.
    Failed(String),
}

/// Writes a message with a new code, which voids earlier links.
fn put(
    tx: &dyn Tx,
    kind: MailKind,
    (person, address): (&Person, String),
    lang: &str,
    code_of: CodeOf<'_>,
    now_ms: i64,
) -> Result<()> {
    let (id, user) = (carrel_store::new_id(), person.id);
    let (valid_ms, deadline_ms) = match kind {
        MailKind::Reset => (RESET_MS, RESET_MS),
        MailKind::Invitation => (INVITATION_MS, INVITATION_DEADLINE_MS),
    };
    void_links(tx, user)?;
    let expires_ms = now_ms + valid_ms;
    let hash = code_of(id, user);
    tx.put_code(&CodeRow { kind: CodeKind::Password, user, hash, expires_ms })?;
    Ok(tx.put_mail(&MailRow {
        id,
        user,
        kind,
        address,
        lang: person.lang.clone().unwrap_or_else(|| lang.to_owned()),
        created_ms: now_ms,
        due_ms: now_ms,
        deadline_ms: now_ms + deadline_ms,
        attempts: 0,
        state: MailState::Waiting,
        error: String::new(),
    })?)
}

/// Writes a message with a link to each active account with this login or address. `lang`: language for people whose
/// language is unknown. Returns the number of messages, which must not be told to whoever asked.
///
/// # Errors
/// An error of the store.
pub fn request_reset(
    tx: &dyn Tx,
    typed: &str,
    lang: &str,
    code_of: CodeOf<'_>,
    now_ms: i64,
) -> Result<u32> {
    let mut people: Vec<Person> = Vec::new();
    if let Some(account) = by_login(tx, typed)? {
        people.extend(tx.person(PersonKey::Id(account.user.id))?);
    }
    if let Some(address) = email_address(typed) {
        let found = tx.people_by_email(&email_key(&address), MAX_SHARED)?;
        people.extend(found);
    }
    people.sort_by_key(|person| person.id);
    people.dedup_by_key(|person| person.id);
    let mut count = 0;
    for person in people {
        let Some(address) = person.email.clone() else { continue };
        let since_ms = now_ms - RESET_WINDOW_MS;
        let is_limited = tx.count_mails(person.id, MailKind::Reset, since_ms)? >= MAX_RESETS;
        if is_limited || !tx.is_active(person.id)? {
            continue;
        }
        put(tx, MailKind::Reset, (&person, address), lang, code_of, now_ms)?;
        count += 1;
    }
    Ok(count)
}

/// Writes an invitation to a person.
///
/// # Errors
/// `Forbidden`, `NoPerson`, `NotActive`, `NoAddress`.
pub fn invite(
    tx: &dyn Tx,
    caller: Caller,
    id: UserId,
    code_of: CodeOf<'_>,
    now_ms: i64,
) -> Result<()> {
    require(tx, caller, Permission::IssueCodes, Subject::Person(id))?;
    let person = tx.person(PersonKey::Id(id))?.ok_or(PeopleError::NoPerson(id))?;
    if !tx.is_active(id)? {
        return Err(PeopleError::NotActive);
    }
    let address = person.email.clone().ok_or(PeopleError::NoAddress)?;
    put(tx, MailKind::Invitation, (&person, address), "", code_of, now_ms)?;
    audit(tx, caller, "invitation.send", id, &serde_json::json!({}), now_ms)
}

/// Writes an invitation to each active student of a class who has no password.
///
/// # Errors
/// `Forbidden`.
pub fn invite_class(
    tx: &dyn Tx,
    caller: Caller,
    class: ClassId,
    code_of: CodeOf<'_>,
    now_ms: i64,
) -> Result<Invited> {
    require(tx, caller, Permission::IssueCodes, Subject::Class(class))?;
    let mut result = Invited::default();
    for member in tx.members(class)? {
        let account = tx.account_by_id(member.person)?;
        let has_password = account.is_none_or(|account| !account.password.is_empty());
        if member.role != MemberRole::Student || has_password {
            continue;
        }
        match invite(tx, caller, member.person, code_of, now_ms) {
            Ok(()) => result.invited += 1,
            Err(PeopleError::NoAddress) => result.without_address += 1,
            // Staff who are students of the class are invited by others.
            Err(PeopleError::NotActive | PeopleError::Forbidden) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(result)
}

/// Leases the first message that is due and may still be sent, with its recipient. Others that are due end here.
///
/// # Errors
/// An error of the store.
pub fn lease(tx: &dyn Tx, now_ms: i64) -> Result<Option<(MailRow, Person)>> {
    while let Some(mut mail) = tx.due_mail(now_ms)? {
        let person = tx.person(PersonKey::Id(mail.user))?;
        let is_active = tx.is_active(mail.user)?;
        match person {
            Some(person) if is_active && mail.deadline_ms > now_ms => {
                let wait = WAITS_MS.get(mail.attempts as usize).or(WAITS_MS.last());
                mail.due_ms = now_ms + wait.copied().unwrap_or(MINUTE_MS);
                mail.attempts += 1;
                tx.put_mail(&mail)?;
                return Ok(Some((mail, person)));
            }
            Some(_) if is_active => mail.state = MailState::Expired,
            _ => {
                mail.state = MailState::Refused;
                mail.error = "the account is not active".to_owned();
            }
        }
        tx.put_mail(&mail)?;
    }
    Ok(None)
}

/// Stores the result of an attempt, unless another process has begun a later one or the message was deleted.
///
/// # Errors
/// An error of the store.
pub fn finish(tx: &dyn Tx, leased: &MailRow, outcome: MailOutcome) -> Result<()> {
    let Some(mut mail) = tx.mail(leased.id)? else { return Ok(()) };
    let is_sent = outcome == MailOutcome::Sent;
    let is_late = mail.state != MailState::Waiting || mail.attempts != leased.attempts;
    // A message that was sent is sent, whatever another process has begun.
    if is_late && !is_sent {
        return Ok(());
    }
    let (state, error) = match outcome {
        MailOutcome::Sent => (MailState::Sent, String::new()),
        MailOutcome::Refused(error) => (MailState::Refused, error),
        MailOutcome::Failed(error) => (MailState::Waiting, error),
    };
    (mail.state, mail.error) = (state, error.chars().take(MAX_ERROR).collect());
    Ok(tx.put_mail(&mail)?)
}
