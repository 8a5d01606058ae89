//! Accounts, and ids of unknown accounts whose work was adopted.

use carrel_model::{DeviceId, UserId, wire::UserInfo};

use crate::Result;

/// An account as stored.
#[derive(Debug, Clone)]
pub struct StoredAccount {
    pub user: UserInfo,
    /// PHC string; empty if the account has no password.
    pub password: String,
}

/// Keys of a login, for comparisons.
#[derive(Debug, Clone)]
pub struct LoginKeys {
    /// Unique.
    pub key: String,
    /// Skeleton of the key, equal for logins that look alike.
    pub skeleton: String,
}

pub trait AccountTx {
    fn account_by_id(&self, id: UserId) -> Result<Option<StoredAccount>>;
    fn account_by_login_key(&self, key: &str) -> Result<Option<StoredAccount>>;
    /// Returns true if an account with another key has this skeleton.
    fn has_similar_login(&self, keys: &LoginKeys) -> Result<bool>;
    fn insert_account(
        &self,
        account: &StoredAccount,
        keys: &LoginKeys,
        created_ms: i64,
    ) -> Result<()>;
    fn set_password(&self, id: UserId, password: &str) -> Result<()>;
    /// Lists all accounts by login.
    fn accounts(&self) -> Result<Vec<StoredAccount>>;
    /// Returns the time before which no refresh token of the account is valid, in ms.
    fn sign_ins_from_ms(&self, id: UserId) -> Result<i64>;
    fn set_sign_ins_from_ms(&self, id: UserId, from_ms: i64) -> Result<()>;
    /// Returns true if there is a sign-in of this account on this device.
    fn has_signed_in(&self, user: UserId, device: DeviceId) -> Result<bool>;
    /// Returns the account that adopted the work of the unknown account `id`, and true if the sign-ins of `id` are
    /// sign-ins of the adopting account.
    fn adopted_by(&self, id: UserId) -> Result<Option<(UserId, bool)>>;
    /// Inserts an adoption. If it exists, sets `signs_in` if true and changes nothing else.
    fn put_adopted(&self, id: UserId, by: UserId, signs_in: bool, now_ms: i64) -> Result<()>;
}
