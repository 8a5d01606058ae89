//! Accounts: logins, and accounts missing from a restored database.

use carrel_model::{
    DeviceId, UserId,
    wire::{Role, UserInfo},
};
use carrel_people::by_login;
use carrel_precis as precis;

use crate::{DomainError, DomainResult};
use crate::{
    store::{
        Store, StoreError,
        tx::{LoginKeys, StoredAccount, Tx},
    },
    tokens::AccountCertificate,
};

/// An account to create. `password` is a PHC string.
#[derive(Clone)]
pub struct NewAccount {
    pub user: UserInfo,
    pub password: String,
}

/// An account with the data needed for a sign-in.
#[derive(Clone)]
pub struct Account {
    pub user: UserInfo,
    /// PHC string; empty if the account has no password.
    pub password: String,
    /// The user has signed in on the given device before.
    pub is_known_device: bool,
}

impl From<StoredAccount> for Account {
    fn from(StoredAccount { user, password }: StoredAccount) -> Self {
        Self { user, password, is_known_device: false }
    }
}

/// Request to assign the work of `other`, an account unknown to this server, to `user`.
#[derive(Debug, Clone)]
pub struct Adoption {
    pub user: UserId,
    pub other: UserId,
    /// Set if the proof is a certificate: `user` must have this login. `None`: the client proved possession of a
    /// sign-in.
    pub required_login: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdoptionResult {
    /// Adopted now or earlier.
    Done,
    /// The other account exists on this server, so its user can sign in.
    AccountExists,
    AdoptedByAnother,
    LoginMismatch,
}

pub(crate) fn add(tx: &dyn Tx, account: NewAccount, now_ms: i64) -> DomainResult<()> {
    let login = &account.user.login;
    let key = precis::username(login).map_err(|e| DomainError::BadLogin(e.to_string()))?;
    let keys = LoginKeys { skeleton: precis::skeleton(&key), key };
    if is_taken(tx, &keys, login)? {
        return Err(DomainError::LoginTaken(login.clone()));
    }
    if tx.has_similar_login(&keys)? {
        return Err(DomainError::SimilarLogin(login.clone()));
    }
    let NewAccount { user, password } = account;
    Ok(tx.insert_account(&StoredAccount { user, password }, &keys, now_ms)?)
}

fn is_taken(tx: &dyn Tx, keys: &LoginKeys, login: &str) -> Result<bool, StoreError> {
    Ok(tx.account_by_login_key(&keys.key)?.is_some()
        || tx.account_by_login_key(&precis::legacy_key(login))?.is_some())
}

/// Returns the account for a sign-in. For people who are suspended, disabled or have left, it is one without a
/// password, so that the reply is that for a wrong password.
fn sign_in_account(tx: &dyn Tx, stored: StoredAccount) -> Result<Account, StoreError> {
    let mut account = Account::from(stored);
    if !tx.is_active(account.user.id)? {
        account.password.clear();
    }
    Ok(account)
}

/// Recreates the account of a certificate, with its id. Its role is student, since the certificate may be older than
/// a change of the role. If the login is taken, a number is appended to it.
fn recreate(
    tx: &dyn Tx,
    certificate: &AccountCertificate,
    now_ms: i64,
) -> Result<StoredAccount, StoreError> {
    if let Some(found) = tx.account_by_id(certificate.user.id)? {
        return Ok(found);
    }
    let previous = &certificate.user;
    let mut login = previous.login.clone();
    let mut number = 1_u32;
    let keys = loop {
        let key = precis::username(&login).unwrap_or_else(|_| precis::legacy_key(&login));
        let keys = LoginKeys { skeleton: precis::skeleton(key.trim_start()), key };
        if !is_taken(tx, &keys, &login)? && !tx.has_similar_login(&keys)? {
            break keys;
        }
        number += 1;
        login = format!("{}-{number}", previous.login);
    };
    let user = UserInfo { login, role: Role::Student, ..previous.clone() };
    let account = StoredAccount { user, password: certificate.password.clone() };
    tx.insert_account(&account, &keys, now_ms)?;
    tracing::warn!(
        user.id = %account.user.id, user.login = account.user.login,
        user.login_before = previous.login, user.role_before = ?previous.role,
        "recreated an account missing from the database"
    );
    Ok(account)
}

/// Returns the account for this id: the account itself, the account that adopted it, or the account recreated from
/// its certificate.
pub(crate) fn account_of_token(
    tx: &dyn Tx,
    id: UserId,
    certificate: Option<&AccountCertificate>,
    now_ms: i64,
) -> Result<Option<StoredAccount>, StoreError> {
    if let Some(found) = tx.account_by_id(id)? {
        return Ok(Some(found));
    }
    if let Some((adopter, true)) = tx.adopted_by(id)? {
        return tx.account_by_id(adopter);
    }
    // A deleted account stays deleted, whatever its devices have.
    if tx.is_deleted(id)? {
        return Ok(None);
    }
    match certificate.filter(|c| c.user.id == id) {
        Some(certificate) => recreate(tx, certificate, now_ms).map(Some),
        None => Ok(None),
    }
}

/// Assigns the work of an unknown account to `adoption.user`. Only the first valid adoption is stored.
fn adopt(tx: &dyn Tx, adoption: &Adoption, now_ms: i64) -> Result<AdoptionResult, StoreError> {
    if adoption.other == adoption.user {
        return Ok(AdoptionResult::Done);
    }
    if tx.account_by_id(adoption.other)?.is_some() {
        return Ok(AdoptionResult::AccountExists);
    }
    let before = tx.adopted_by(adoption.other)?;
    if before.is_some_and(|(user, _)| user != adoption.user) {
        return Ok(AdoptionResult::AdoptedByAnother);
    }
    if let Some(login) = &adoption.required_login {
        let is_same = by_login(tx, login)?.is_some_and(|a| a.user.id == adoption.user);
        if !is_same {
            return Ok(AdoptionResult::LoginMismatch);
        }
    }
    tx.put_adopted(adoption.other, adoption.user, adoption.required_login.is_none(), now_ms)?;
    Ok(AdoptionResult::Done)
}

impl Store {
    /// Returns the account with this login. With `device`, also looks up whether the user has signed in on it before.
    pub async fn account(
        &self,
        login: &str,
        device: Option<DeviceId>,
    ) -> DomainResult<Option<Account>> {
        let login = login.to_owned();
        self.read("account", move |tx| {
            let Some(found) = by_login(tx, &login)? else { return Ok(None) };
            let mut account = sign_in_account(tx, found)?;
            if let Some(device) = device {
                account.is_known_device = tx.has_signed_in(account.user.id, device)?;
            }
            Ok(Some(account))
        })
        .await
    }
    pub async fn account_by_id(&self, id: UserId) -> DomainResult<Option<Account>> {
        self.read("account_by_id", move |tx| {
            let found = tx.account_by_id(id)?;
            Ok::<_, DomainError>(found.map(|account| sign_in_account(tx, account)).transpose()?)
        })
        .await
    }
    /// Lists all accounts by login.
    pub async fn accounts(&self) -> DomainResult<Vec<Account>> {
        let found = self.read("accounts", |tx| tx.accounts()).await?;
        Ok(found.into_iter().map(Account::from).collect())
    }
    /// Replaces the PHC string of an account.
    pub async fn set_password(&self, id: UserId, password: String) -> DomainResult<()> {
        Ok(self.write("set_password", move |tx| tx.set_password(id, &password)).await?)
    }
    /// Recreates an account missing from this database, with its id and the role student.
    pub async fn recreate_account(
        &self,
        certificate: AccountCertificate,
        now_ms: i64,
    ) -> DomainResult<Account> {
        let write = self.write("recreate_account", move |tx| {
            if tx.is_deleted(certificate.user.id)? {
                return Err(DomainError::NotActive);
            }
            Ok(recreate(tx, &certificate, now_ms)?)
        });
        Ok(write.await?.into())
    }
    pub async fn adopt(&self, adoption: Adoption, now_ms: i64) -> DomainResult<AdoptionResult> {
        Ok(self.write("adopt", move |tx| adopt(tx, &adoption, now_ms)).await?)
    }
}
