//! People: the operations of `carrel_people` in transactions.

use carrel_model::UserId;
use carrel_people::{
    EndedSignIn, PeopleError,
    accounts::{self, ListedPerson, PeopleFilter, PeoplePage},
    codes,
    consents::{self, NewConsent},
    permissions::{self, Caller, Permission, Rank, Subject},
};
use carrel_roster::{Class, ClassId, ClassState, MemberRole, Membership, Person};
use carrel_store::personal::SectionCounts;

use crate::{
    DomainError, DomainResult,
    erasure::Erased,
    sessions::{self, NewSignIn},
};
use crate::{
    events::Event,
    store::{
        Freshness, Store, StoreError,
        tx::{ClassKey, CodeKind, ConsentRow, PersonKey, Tx},
    },
};

/// Who redeems a code, and what for.
pub struct Redemption {
    /// `None`: there is no account with this login.
    pub user: Option<UserId>,
    /// Keyed hash of account and code.
    pub hash: [u8; 32],
    /// PHC string of a new password, which ends all other sign-ins.
    pub password: Option<String>,
    pub sign_in: NewSignIn,
}

/// What staff change of an account; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct AccountChange {
    pub rank: Option<Rank>,
    pub disabled: Option<bool>,
    /// An empty text removes the address.
    pub email: Option<String>,
}

/// A code of a sign-in sheet.
#[derive(Debug, Clone)]
pub struct ClassCode {
    pub login: String,
    pub name: String,
    pub code: String,
}

impl Store {
    /// Returns true if the caller has the permission about the subject.
    pub async fn is_allowed(
        &self,
        caller: Caller,
        permission: Permission,
        subject: Subject,
    ) -> DomainResult<bool> {
        let read = self
            .read("is_allowed", move |tx| permissions::is_allowed(tx, caller, permission, subject));
        Ok(read.await?)
    }

    /// Lists accounts by login.
    pub async fn list_people(&self, filter: PeopleFilter) -> DomainResult<PeoplePage> {
        let list = move |tx: &dyn Tx| accounts::list(tx, &filter);
        Ok(self.read_replica("list_people", Freshness::Delayed, list).await?)
    }

    /// Changes rank, state and address of an account, all or none. Returns the account.
    ///
    /// # Errors
    /// `Forbidden`, `NoPerson`, `LastAdministrator`, `BadEmail`.
    pub async fn change_person(
        &self,
        caller: Caller,
        id: UserId,
        change: AccountChange,
        now_ms: i64,
    ) -> DomainResult<ListedPerson> {
        self.write_people("change_person", move |tx, ended| {
            if let Some(rank) = change.rank {
                accounts::set_rank(tx, caller, id, rank, now_ms)?;
            }
            if let Some(disabled) = change.disabled {
                accounts::set_disabled(tx, ended, caller, id, disabled, now_ms)?;
            }
            if let Some(email) = &change.email {
                accounts::set_email(tx, caller, id, email, now_ms)?;
            }
            accounts::get(tx, id)
        })
        .await
    }

    /// Deletes an account with all its rows. Returns how many rows of each kind were about the person.
    ///
    /// # Errors
    /// `Forbidden`, `NoPerson`, `LastAdministrator`.
    pub async fn delete_person(
        &self,
        caller: Caller,
        id: UserId,
        now_ms: i64,
    ) -> DomainResult<SectionCounts> {
        let write = self.write_people("delete_person", move |tx, ended| {
            accounts::delete(tx, ended, caller, id, now_ms)
        });
        let deleted = write.await?;
        self.record_erasure(Erased { id, deleted_ms: now_ms }).await;
        Ok(deleted)
    }

    /// Returns the consents of a person, in the order in which they were recorded.
    ///
    /// # Errors
    /// `Forbidden`, `NoPerson`.
    pub async fn consents(&self, caller: Caller, id: UserId) -> DomainResult<Vec<ConsentRow>> {
        Ok(self.read("consents", move |tx| consents::list(tx, caller, id)).await?)
    }

    /// Records a consent of a person, or its withdrawal.
    ///
    /// # Errors
    /// `Forbidden`, `NoPerson`, `BadConsent`.
    pub async fn record_consent(
        &self,
        caller: Caller,
        id: UserId,
        new: NewConsent,
        now_ms: i64,
    ) -> DomainResult<ConsentRow> {
        let write =
            self.write("record_consent", move |tx| consents::record(tx, caller, id, new, now_ms));
        Ok(write.await?)
    }

    /// Stores a one-time code for a person. Returns the person and the time at which it expires.
    ///
    /// # Errors
    /// `Forbidden`, `NoPerson`, `NotActive`, `BadCode`.
    pub async fn issue_code(
        &self,
        caller: Caller,
        id: UserId,
        hash: [u8; 32],
        days: u32,
        now_ms: i64,
    ) -> DomainResult<(Person, i64)> {
        self.write_people("issue_code", move |tx, _| {
            let code = codes::issue(tx, caller, id, hash, days, now_ms)?;
            let person = tx.person(PersonKey::Id(id))?.ok_or(PeopleError::NoPerson(id))?;
            Ok((person, code.expires_ms))
        })
        .await
    }

    /// Stores a one-time code for each active student of a class about whom the caller may do so. Returns the name of
    /// the class, and the codes by name. `new_code`: returns the text and the hash of a code for an account.
    ///
    /// # Errors
    /// `Forbidden`, `NoClass`, `BadCode`.
    pub async fn issue_class_codes(
        &self,
        caller: Caller,
        class: ClassId,
        new_code: impl Fn(UserId) -> Result<(String, [u8; 32]), StoreError> + Send + 'static,
        days: u32,
        now_ms: i64,
    ) -> DomainResult<(String, Vec<ClassCode>)> {
        self.write_people("issue_class_codes", move |tx, _| {
            let subject = Subject::Class(class);
            permissions::require(tx, caller, Permission::IssueCodes, subject)?;
            let found = tx.class(ClassKey::Id(class))?.ok_or(PeopleError::NoClass(class))?;
            let mut issued = Vec::new();
            for member in tx.members(class)? {
                if member.role != MemberRole::Student {
                    continue;
                }
                let (code, hash) = new_code(member.person)?;
                match codes::issue(tx, caller, member.person, hash, days, now_ms) {
                    // Staff who are students of the class get their codes from others.
                    Err(PeopleError::NotActive | PeopleError::Forbidden) => continue,
                    stored => stored?,
                };
                let person = accounts::get(tx, member.person)?.person;
                issued.push(ClassCode { login: person.login, name: person.name, code });
            }
            issued.sort_by_cached_key(|code| (Class::name_key(&code.name), code.login.clone()));
            Ok((found.name, issued))
        })
        .await
    }

    /// Uses a one-time code and opens a sign-in. Returns false if the code is not the one of the account, or has
    /// expired.
    pub async fn redeem_code(&self, redemption: Redemption, now_ms: i64) -> DomainResult<bool> {
        let Redemption { user, hash, password, sign_in } = redemption;
        self.write_people("redeem_code", move |tx, ended| {
            let id = user.unwrap_or(UserId(uuid::Uuid::nil()));
            // `blake3::Hash` is compared in constant time.
            let hash = blake3::Hash::from_bytes(hash);
            let is_same = |stored: &[u8; 32]| hash == blake3::Hash::from_bytes(*stored);
            if !codes::redeem(tx, CodeKind::SignIn, id, &is_same, now_ms)? {
                return Ok(false);
            }
            if let Some(password) = password {
                tx.set_password(id, &password)?;
                carrel_people::void_links(tx, id)?;
                ended.extend(carrel_people::end_all(tx, id, now_ms)?);
            }
            sessions::open(tx, &sign_in, now_ms)?;
            Ok(true)
        })
        .await
    }

    /// Lists classes by name, each with its memberships: all, or those that are not archived and taught by `of`.
    pub async fn classes(&self, of: Option<UserId>) -> DomainResult<Vec<(Class, Vec<Membership>)>> {
        let list = move |tx: &dyn Tx| {
            let mut classes = match of {
                None => tx.classes()?,
                Some(instructor) => taught_by(tx, instructor)?,
            };
            classes.sort_by_cached_key(|class| Class::name_key(&class.name));
            classes
                .into_iter()
                .map(|class| Ok::<_, StoreError>((tx.members(class.id)?, class)))
                .map(|found| found.map(|(members, class)| (class, members)))
                .collect::<Result<Vec<_>, StoreError>>()
        };
        // Which classes an instructor may see is decided on the primary.
        Ok(match of {
            None => self.read_replica("classes", Freshness::Delayed, list).await?,
            Some(_) => self.read("classes", list).await?,
        })
    }

    pub(crate) async fn write_people<T: Send + 'static>(
        &self,
        name: &'static str,
        f: impl FnOnce(&dyn Tx, &mut Vec<EndedSignIn>) -> Result<T, PeopleError> + Send + 'static,
    ) -> DomainResult<T> {
        self.write_with_events(name, move |tx, events| {
            let mut ended = Vec::new();
            let result = f(tx, &mut ended).map_err(DomainError::from)?;
            events.extend(ended.into_iter().map(Event::from));
            Ok(result)
        })
        .await
    }
}

pub(crate) fn taught_by(tx: &dyn Tx, instructor: UserId) -> Result<Vec<Class>, StoreError> {
    let mut classes = Vec::new();
    for membership in tx.memberships_of(instructor)? {
        if membership.role == MemberRole::Instructor
            && let Some(class) = tx.class(ClassKey::Id(membership.class))?
            && class.state == ClassState::Active
        {
            classes.push(class);
        }
    }
    Ok(classes)
}
