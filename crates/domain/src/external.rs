//! Sign-in with an identity provider: which account a person of the provider has, the links of accounts, and the codes
//! with which the app finishes a sign-in.
//!
//! An account is found by issuer and subject, never by login or mail, which another person may get. Not here: the
//! protocol (`carrel-oidc`).

use carrel_model::{
    DeviceId, ErrorCode, UserId,
    wire::{Role, UserInfo},
};
use carrel_people::{
    PeopleError, accounts as people,
    permissions::{Caller, Permission, Rank, Subject, rank_of, require},
};
use carrel_precis as precis;

use crate::{
    DomainError, DomainResult,
    accounts::{self, Account, NewAccount},
};
use crate::{
    retention,
    store::{
        Store, StoreError,
        tx::{AuditRow, ExternalCodeRow, ExternalFlowRow, ExternalIdentityRow, PersonKey, Tx},
    },
};

/// Longest issuer and subject of a link that staff add, in bytes.
const MAX_ISSUER: usize = 1_000;
const MAX_SUBJECT: usize = 255;

/// A person as the provider states it.
#[derive(Debug, Clone)]
pub struct ExternalPerson {
    pub issuer: String,
    pub subject: String,
    /// Id in the directory, which is equal for all its clients.
    pub object: Option<String>,
    /// Login and name of a new account.
    pub login: Option<String>,
    pub name: Option<String>,
    /// Source id of the roster, if it is to be compared.
    pub source_id: Option<String>,
    /// The rank by the groups; `None`: it stays as it is.
    pub rank: Option<Rank>,
}

/// Why a person whom the provider has verified cannot sign in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExternalRefusal {
    #[error("the sign-in is unknown or has expired, or began in another browser")]
    NoFlow,
    #[error("no account is linked to this person")]
    NotLinked,
    #[error("an account has the login {0:?} already, and is not linked to this person")]
    LoginTaken(String),
    #[error("the provider states no login that can be used: {0}")]
    BadLogin(String),
    #[error("the account is linked to another person of the provider")]
    LinkedToAnother,
    #[error("the account of an operator has to be linked with the command line")]
    Operator,
    #[error("the account is suspended or disabled, or was deleted")]
    Inactive,
    #[error("issuer and subject must not be empty or too long")]
    BadIdentity,
}

impl ExternalRefusal {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NoFlow | Self::BadIdentity => ErrorCode::InvalidRequest,
            Self::LinkedToAnother | Self::LoginTaken(_) => ErrorCode::Conflict,
            Self::NotLinked | Self::BadLogin(_) | Self::Operator | Self::Inactive => {
                ErrorCode::Forbidden
            }
        }
    }
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotLinked | Self::LoginTaken(_) | Self::Operator => {
                "link the account with `user link LOGIN --issuer ISSUER --subject SUBJECT`"
            }
            Self::LinkedToAnother => "remove the other link first with `user unlink LOGIN`",
            _ => "",
        }
    }
}

/// A link between a subject of a provider and an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedIdentity {
    pub issuer: String,
    pub subject: String,
    pub linked_ms: i64,
}

/// Returns the key of a link.
fn key(issuer: &str, kind: &str, subject: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    // The lengths separate the texts.
    for text in [issuer, kind, subject] {
        hasher.update(&(text.len() as u64).to_be_bytes()).update(text.as_bytes());
    }
    *hasher.finalize().as_bytes()
}
const SUBJECT: &str = "sub";
const OBJECT: &str = "oid";

fn audit(
    tx: &dyn Tx,
    caller: Caller,
    action: &str,
    user: UserId,
    detail: &serde_json::Value,
    now_ms: i64,
) -> Result<(), StoreError> {
    tx.add_audit(&AuditRow {
        at_ms: now_ms,
        actor: caller.id,
        action: action.to_owned(),
        subject: Some(user),
        detail: detail.to_string(),
    })
}

/// Returns the account of a person: that of a link, that of the source id, or a new one.
fn account_of(
    tx: &dyn Tx,
    person: &ExternalPerson,
    creates: bool,
    now_ms: i64,
) -> DomainResult<(UserId, Option<&'static str>)> {
    let by_subject = tx.external_identity(key(&person.issuer, SUBJECT, &person.subject))?;
    let by_object = match (&by_subject, &person.object) {
        (None, Some(object)) => tx.external_identity(key(&person.issuer, OBJECT, object))?,
        _ => None,
    };
    if let Some(link) = by_subject {
        return Ok((link.user, None));
    }
    if let Some(link) = by_object {
        return Ok((link.user, Some("object")));
    }
    let by_source = match person.source_id.as_deref() {
        Some(id) => tx.person(PersonKey::SourceId(id))?,
        None => None,
    };
    if let Some(found) = by_source {
        if rank_of(tx, found.id)? == Some(Rank::Operator) {
            return Err(ExternalRefusal::Operator.into());
        }
        let links = tx.external_identities_of(found.id)?;
        if links.iter().any(|link| link.issuer == person.issuer) {
            return Err(ExternalRefusal::LinkedToAnother.into());
        }
        return Ok((found.id, Some("source_id")));
    }
    if !creates {
        return Err(ExternalRefusal::NotLinked.into());
    }
    Ok((create(tx, person, now_ms)?, Some("created")))
}

/// Creates an account without a password.
fn create(tx: &dyn Tx, person: &ExternalPerson, now_ms: i64) -> DomainResult<UserId> {
    let bad = |problem: String| DomainError::from(ExternalRefusal::BadLogin(problem));
    let login = person.login.as_deref().ok_or_else(|| bad("the claim is missing".to_owned()))?;
    let login = precis::new_login(login).map_err(|e| bad(e.to_string()))?;
    let name = person.name.as_deref().and_then(|name| precis::new_name(name).ok());
    let name = name.unwrap_or_else(|| login.clone());
    let id = UserId(carrel_store::new_id());
    let user = UserInfo { id, login, name, role: Role::Student };
    match accounts::add(tx, NewAccount { user, password: String::new() }, now_ms) {
        Err(DomainError::LoginTaken(login) | DomainError::SimilarLogin(login)) => {
            Err(ExternalRefusal::LoginTaken(login).into())
        }
        Err(DomainError::BadLogin(problem)) => Err(bad(problem)),
        added => added.map(|()| id),
    }
}

/// Stores the links of a person that are missing.
fn link(tx: &dyn Tx, person: &ExternalPerson, user: UserId, now_ms: i64) -> Result<(), StoreError> {
    let object = person.object.as_ref().map(|object| (OBJECT, object));
    for (kind, subject) in [(SUBJECT, &person.subject)].into_iter().chain(object) {
        let key = key(&person.issuer, kind, subject);
        // A link of the same object to another account stays: the administrator has to remove it.
        if tx.external_identity(key)?.is_none() {
            let (issuer, subject) = (person.issuer.clone(), subject.clone());
            let row = ExternalIdentityRow { key, user, issuer, subject, linked_ms: now_ms };
            tx.put_external_identity(&row)?;
        }
    }
    Ok(())
}

/// Sets the rank that the groups give, except for operators and the last administrator.
fn set_rank(tx: &dyn Tx, user: UserId, rank: Rank, now_ms: i64) -> DomainResult<()> {
    let before = people::get(tx, user)?;
    if before.rank == Rank::Operator || rank == Rank::Operator {
        return Ok(());
    }
    match people::set_rank(tx, Caller::COMMAND_LINE, user, rank, now_ms) {
        Err(PeopleError::LastAdministrator) => {
            tx.put_person(&before.person)?;
            tracing::warn!(user.id = %user, "the last administrator keeps the rank, which their groups do not give");
            Ok(())
        }
        set => Ok(set?),
    }
}

/// Signs in a person whom the provider has verified: returns the account, with its links and rank up to date.
fn sign_in(
    tx: &dyn Tx,
    person: &ExternalPerson,
    creates: bool,
    now_ms: i64,
) -> DomainResult<UserId> {
    let (user, linked_by) = account_of(tx, person, creates, now_ms)?;
    // Also an account that was deleted, or that is missing from a restored database.
    if tx.account_by_id(user)?.is_none() || !tx.is_active(user)? {
        return Err(ExternalRefusal::Inactive.into());
    }
    link(tx, person, user, now_ms)?;
    if let Some(by) = linked_by {
        let detail = serde_json::json!({ "issuer": person.issuer, "by": by });
        audit(tx, Caller::COMMAND_LINE, "identity.link", user, &detail, now_ms)?;
    }
    if let Some(rank) = person.rank {
        set_rank(tx, user, rank, now_ms)?;
    }
    Ok(user)
}

/// A code to store for the app that began a sign-in.
#[derive(Debug, Clone)]
pub struct NewExternalCode {
    pub hash: [u8; 32],
    pub challenge: String,
    pub device: DeviceId,
    pub expires_ms: i64,
}

impl Store {
    /// Stores a sign-in whose browser is sent to the provider.
    pub async fn begin_external(&self, flow: ExternalFlowRow, now_ms: i64) -> DomainResult<()> {
        let write = self.write("begin_external", move |tx| {
            tx.put_external_flow(&flow)?;
            retention::purge(tx, now_ms, Some(retention::PURGED_PER_CALL)).map(drop)
        });
        Ok(write.await?)
    }

    /// Returns a sign-in that has begun and deletes it, whether or not it can be continued.
    ///
    /// # Errors
    /// `NoFlow`.
    pub async fn continue_external(
        &self,
        state: [u8; 32],
        browser: [u8; 32],
        now_ms: i64,
    ) -> DomainResult<ExternalFlowRow> {
        let found = self.write("continue_external", move |tx| tx.take_external_flow(state)).await?;
        // `blake3::Hash` is compared in constant time.
        let is_same = |flow: &ExternalFlowRow| {
            blake3::Hash::from_bytes(flow.browser) == blake3::Hash::from_bytes(browser)
        };
        let valid = found.filter(|flow| flow.expires_ms > now_ms && is_same(flow));
        valid.ok_or_else(|| ExternalRefusal::NoFlow.into())
    }

    /// Finds or creates the account of a person, and stores a code with which the app signs in. Nothing is stored if
    /// the person is refused.
    ///
    /// # Errors
    /// `External`.
    pub async fn finish_external(
        &self,
        person: ExternalPerson,
        creates: bool,
        code: NewExternalCode,
        now_ms: i64,
    ) -> DomainResult<UserId> {
        self.write("finish_external", move |tx| {
            let user = sign_in(tx, &person, creates, now_ms)?;
            let NewExternalCode { hash, challenge, device, expires_ms } = code;
            tx.put_external_code(&ExternalCodeRow { hash, user, challenge, device, expires_ms })?;
            Ok::<_, DomainError>(user)
        })
        .await
    }

    /// Uses a code. Returns its account if challenge and device are those with which the sign-in began; the code cannot
    /// be used again in any case.
    pub async fn redeem_external(
        &self,
        hash: [u8; 32],
        challenge: String,
        device: DeviceId,
        now_ms: i64,
    ) -> DomainResult<Option<Account>> {
        let write = self.write("redeem_external", move |tx| {
            let Some(code) = tx.take_external_code(hash)? else { return Ok(None) };
            let is_valid =
                code.expires_ms > now_ms && code.challenge == challenge && code.device == device;
            if !is_valid || !tx.is_active(code.user)? {
                return Ok(None);
            }
            tx.account_by_id(code.user)
        });
        Ok(write.await?.map(Account::from))
    }

    /// Links an account to a subject of a provider, with which the person signs in from then on.
    ///
    /// # Errors
    /// `Forbidden`, `NoPerson`, `External`.
    pub async fn link_identity(
        &self,
        caller: Caller,
        user: UserId,
        (issuer, subject): (String, String),
        now_ms: i64,
    ) -> DomainResult<()> {
        self.write("link_identity", move |tx| {
            require(tx, caller, Permission::ManageAccounts, Subject::Person(user))
                .map_err(DomainError::from)?;
            people::get(tx, user).map_err(DomainError::from)?;
            let fits = |text: &str, max: usize| !text.is_empty() && text.len() <= max;
            if !fits(&issuer, MAX_ISSUER) || !fits(&subject, MAX_SUBJECT) {
                return Err(ExternalRefusal::BadIdentity.into());
            }
            let key = key(&issuer, SUBJECT, &subject);
            if let Some(before) = tx.external_identity(key)?
                && before.user != user
                && tx.account_by_id(before.user)?.is_some()
            {
                return Err(ExternalRefusal::LinkedToAnother.into());
            }
            let detail = serde_json::json!({ "issuer": issuer, "by": "staff" });
            let row = ExternalIdentityRow { key, user, issuer, subject, linked_ms: now_ms };
            tx.put_external_identity(&row)?;
            Ok(audit(tx, caller, "identity.link", user, &detail, now_ms)?)
        })
        .await
    }

    /// Removes all links of an account. Returns their number.
    ///
    /// # Errors
    /// `Forbidden`, `NoPerson`.
    pub async fn unlink_identities(
        &self,
        caller: Caller,
        user: UserId,
        now_ms: i64,
    ) -> DomainResult<u64> {
        self.write("unlink_identities", move |tx| {
            require(tx, caller, Permission::ManageAccounts, Subject::Person(user))
                .map_err(DomainError::from)?;
            people::get(tx, user).map_err(DomainError::from)?;
            let count = tx.delete_external_identities(user)?;
            if count > 0 {
                let detail = serde_json::json!({ "count": count });
                audit(tx, caller, "identity.unlink", user, &detail, now_ms)?;
            }
            Ok::<_, DomainError>(count)
        })
        .await
    }

    /// Returns the links of an account, the oldest first.
    ///
    /// # Errors
    /// `NoPerson`.
    pub async fn identities(&self, user: UserId) -> DomainResult<Vec<LinkedIdentity>> {
        self.read("identities", move |tx| {
            people::get(tx, user).map_err(DomainError::from)?;
            let rows = tx.external_identities_of(user)?.into_iter();
            let links = rows.map(|ExternalIdentityRow { issuer, subject, linked_ms, .. }| {
                LinkedIdentity { issuer, subject, linked_ms }
            });
            Ok::<_, DomainError>(links.collect())
        })
        .await
    }
}
