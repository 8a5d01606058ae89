//! SQL statements for accounts.

use carrel_model::{DeviceId, UserId, wire::UserInfo};
use carrel_precis as precis;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior};
use uuid::Uuid;

use super::SqliteTx;
use crate::{
    Result,
    tx::{AccountTx, LoginKeys, StoredAccount, role_of, role_text},
};

/// Name and value of the fact that identifies the format of the login keys.
const LOGIN_KEYS: (&str, &str) = ("login_keys", "precis-2");

pub(super) fn user(row: &Row<'_>) -> rusqlite::Result<UserInfo> {
    let role = role_of(row.get_ref("role")?.as_str()?);
    Ok(UserInfo {
        id: UserId(uuid(row, "id")?),
        login: row.get("login")?,
        name: row.get("name")?,
        role,
    })
}

pub(super) fn uuid(row: &Row<'_>, column: &str) -> rusqlite::Result<Uuid> {
    row.get::<_, [u8; 16]>(column).map(Uuid::from_bytes)
}

impl SqliteTx<'_> {
    fn account_where(
        &self,
        column: &str,
        value: impl rusqlite::ToSql,
    ) -> Result<Option<StoredAccount>> {
        let sql =
            format!("SELECT id, login, name, role, password FROM account WHERE {column} = ?1");
        let mut stmt = self.prepare_cached(&sql)?;
        let found = stmt.query_row([value], |r| {
            Ok(StoredAccount { user: user(r)?, password: r.get("password")? })
        });
        Ok(found.optional()?)
    }
}

impl AccountTx for SqliteTx<'_> {
    fn account_by_id(&self, id: UserId) -> Result<Option<StoredAccount>> {
        self.account_where("id", id.0.as_bytes())
    }
    fn account_by_login_key(&self, key: &str) -> Result<Option<StoredAccount>> {
        self.account_where("login_key", key)
    }
    fn has_similar_login(&self, keys: &LoginKeys) -> Result<bool> {
        let sql = "SELECT 1 FROM account WHERE login_skeleton = ?1 AND login_key <> ?2";
        Ok(self.prepare_cached(sql)?.exists([&keys.skeleton, &keys.key])?)
    }
    fn insert_account(
        &self,
        account: &StoredAccount,
        keys: &LoginKeys,
        created_ms: i64,
    ) -> Result<()> {
        let u = &account.user;
        self.prepare_cached(
            "INSERT INTO account (id, login, login_key, login_skeleton, name, role, password, created_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute((
            u.id.0.as_bytes(),
            &u.login,
            &keys.key,
            &keys.skeleton,
            &u.name,
            role_text(u.role),
            &account.password,
            created_ms,
        ))?;
        Ok(())
    }
    fn set_password(&self, id: UserId, password: &str) -> Result<()> {
        self.prepare_cached("UPDATE account SET password = ?2 WHERE id = ?1")?
            .execute((id.0.as_bytes(), password))?;
        Ok(())
    }
    fn accounts(&self) -> Result<Vec<StoredAccount>> {
        let sql = "SELECT id, login, name, role, password FROM account ORDER BY login_key";
        let mut stmt = self.prepare_cached(sql)?;
        let found = stmt.query_map([], |r| {
            Ok(StoredAccount { user: user(r)?, password: r.get("password")? })
        })?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
    fn sign_ins_from_ms(&self, id: UserId) -> Result<i64> {
        let sql = "SELECT sign_ins_from_ms FROM account WHERE id = ?1";
        let found = self.prepare_cached(sql)?.query_row([id.0.as_bytes()], |r| r.get(0));
        Ok(found.optional()?.unwrap_or_default())
    }
    fn set_sign_ins_from_ms(&self, id: UserId, from_ms: i64) -> Result<()> {
        self.prepare_cached("UPDATE account SET sign_ins_from_ms = ?2 WHERE id = ?1")?
            .execute((id.0.as_bytes(), from_ms))?;
        Ok(())
    }
    fn has_signed_in(&self, user: UserId, device: DeviceId) -> Result<bool> {
        let sql = "SELECT 1 FROM sign_in WHERE user_id = ?1 AND device = ?2";
        Ok(self.prepare_cached(sql)?.exists((user.0.as_bytes(), device.0.as_bytes()))?)
    }
    fn adopted_by(&self, id: UserId) -> Result<Option<(UserId, bool)>> {
        let sql = "SELECT user_id, signs_in FROM adopted_account WHERE id = ?1";
        let found = self.prepare_cached(sql)?.query_row([id.0.as_bytes()], |r| {
            Ok((UserId(uuid(r, "user_id")?), r.get::<_, i64>("signs_in")? == 1))
        });
        Ok(found.optional()?)
    }
    fn put_adopted(&self, id: UserId, by: UserId, signs_in: bool, now_ms: i64) -> Result<()> {
        self.prepare_cached(
            "INSERT INTO adopted_account (id, user_id, signs_in, adopted_ms) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET signs_in = max(signs_in, excluded.signs_in)",
        )?
        .execute((id.0.as_bytes(), by.0.as_bytes(), i64::from(signs_in), now_ms))?;
        Ok(())
    }
}

/// Sets the PRECIS key and skeleton of every account, once. If several accounts would have the same key, the oldest
/// gets it. The others, and accounts whose login PRECIS refuses, get their legacy key and are found by their exact
/// login.
pub(super) fn migrate_login_keys(conn: &mut Connection) -> Result<()> {
    if super::fact(conn, LOGIN_KEYS.0)?.as_deref() == Some(LOGIN_KEYS.1) {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let accounts: Vec<([u8; 16], String)> = tx
        .prepare("SELECT id, login FROM account ORDER BY created_ms, id")?
        .query_map([], |r| Ok((r.get("id")?, r.get("login")?)))?
        .collect::<rusqlite::Result<_>>()?;
    // Changes all keys first, since a new key may be equal to the old key of a later account.
    tx.execute("UPDATE account SET login_key = char(1) || login_key", [])?;
    let mut legacy_count = 0;
    for (id, login) in accounts {
        let is_free = |key: &String| -> Result<bool> {
            Ok(!tx.prepare_cached("SELECT 1 FROM account WHERE login_key = ?1")?.exists([key])?)
        };
        let key = match precis::username(&login).ok() {
            Some(key) if is_free(&key)? => key,
            _ => {
                legacy_count += 1;
                precis::legacy_key(&login)
            }
        };
        tx.prepare_cached("UPDATE account SET login_key = ?2, login_skeleton = ?3 WHERE id = ?1")?
            .execute((id, &key, precis::skeleton(key.trim_start())))?;
    }
    tx.execute("INSERT OR REPLACE INTO server_fact (name, value) VALUES (?1, ?2)", LOGIN_KEYS)?;
    tx.commit()?;
    if legacy_count > 0 {
        tracing::warn!(
            account.count = legacy_count,
            "accounts whose login is no longer unique or allowed have a legacy key"
        );
    }
    Ok(())
}
