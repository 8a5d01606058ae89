//! Logins as the database compares them.

use carrel_precis as precis;
use carrel_store::{
    StoreError,
    tx::{LoginKeys, StoredAccount, Tx},
};

/// Returns the keys of a login that is stored. PRECIS refuses some logins of earlier releases, which an import may
/// restore.
pub fn login_keys(login: &str) -> LoginKeys {
    let key = precis::username(login).unwrap_or_else(|_| precis::legacy_key(login));
    LoginKeys { skeleton: precis::skeleton(key.trim_start()), key }
}

/// Finds the account of a typed login by its legacy key, which is more exact, or else by its PRECIS key.
///
/// # Errors
/// An error of the store.
pub fn by_login(tx: &dyn Tx, login: &str) -> Result<Option<StoredAccount>, StoreError> {
    if let Some(found) = tx.account_by_login_key(&precis::legacy_key(login))? {
        return Ok(Some(found));
    }
    precis::typed_username(login).ok().map_or(Ok(None), |key| tx.account_by_login_key(&key))
}
