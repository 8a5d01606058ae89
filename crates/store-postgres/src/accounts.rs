//! SQL statements for accounts.

use carrel_model::{DeviceId, UserId, wire::UserInfo};
use carrel_store::{
    Result,
    tx::{AccountTx, LoginKeys, StoredAccount, role_of, role_text},
};
use tokio_postgres::Row;

use crate::tx::{Lock, Params, PgTx, bytes, get, text, user_id};

/// Columns of `user`, then of `account`.
const COLUMNS: &str = "id, login, name, role, password";

/// Reads id, login, name and role from consecutive columns.
pub(crate) fn user(row: &Row, first: usize) -> Result<UserInfo> {
    Ok(UserInfo {
        id: user_id(row, first)?,
        login: get(row, first + 1)?,
        name: get(row, first + 2)?,
        role: role_of(get(row, first + 3)?),
    })
}

fn account(row: &Row) -> Result<StoredAccount> {
    Ok(StoredAccount { user: user(row, 0)?, password: get(row, 4)? })
}

impl PgTx<'_> {
    fn account_where(&self, condition: &str, params: &Params<'_>) -> Result<Option<StoredAccount>> {
        let sql = format!("SELECT {COLUMNS} FROM account WHERE {condition}");
        self.query_opt(&sql, params)?.as_ref().map(account).transpose()
    }
}

impl AccountTx for PgTx<'_> {
    fn account_by_id(&self, id: UserId) -> Result<Option<StoredAccount>> {
        self.find_or_lock(Lock::Accounts, || self.account_where("id = $1", &[&bytes(&id.0)]))
    }
    fn account_by_login_key(&self, key: &str) -> Result<Option<StoredAccount>> {
        self.find_or_lock(Lock::Accounts, || self.account_where("login_key = $1", &[&text(key)]))
    }
    fn has_similar_login(&self, keys: &LoginKeys) -> Result<bool> {
        self.lock(Lock::Accounts)?;
        let sql = "SELECT 1 FROM account WHERE login_skeleton = $1 AND login_key <> $2";
        self.exists(sql, &[&text(&keys.skeleton), &text(&keys.key)])
    }
    fn insert_account(
        &self,
        account: &StoredAccount,
        keys: &LoginKeys,
        created_ms: i64,
    ) -> Result<()> {
        self.lock(Lock::Accounts)?;
        let u = &account.user;
        self.execute(
            "WITH added AS (
                INSERT INTO account (id, login, login_key, login_skeleton, name, role, password, created_ms)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id
             )
             INSERT INTO learner (user_id) SELECT id FROM added",
            &[
                &bytes(&u.id.0),
                &text(&u.login),
                &text(&keys.key),
                &text(&keys.skeleton),
                &text(&u.name),
                &role_text(u.role),
                &text(&account.password),
                &created_ms,
            ],
        )?;
        Ok(())
    }
    fn set_password(&self, id: UserId, password: &str) -> Result<()> {
        let sql = "UPDATE account SET password = $2 WHERE id = $1";
        self.execute(sql, &[&bytes(&id.0), &text(password)])?;
        Ok(())
    }
    fn accounts(&self) -> Result<Vec<StoredAccount>> {
        let sql = format!("SELECT {COLUMNS} FROM account ORDER BY login_key");
        self.query(&sql, &[])?.iter().map(account).collect()
    }
    fn sign_ins_from_ms(&self, id: UserId) -> Result<i64> {
        let sql = "SELECT sign_ins_from_ms FROM account WHERE id = $1";
        let row = self.query_opt(sql, &[&bytes(&id.0)])?;
        row.map_or(Ok(0), |row| get(&row, 0))
    }
    fn set_sign_ins_from_ms(&self, id: UserId, from_ms: i64) -> Result<()> {
        let sql = "UPDATE account SET sign_ins_from_ms = $2 WHERE id = $1";
        self.execute(sql, &[&bytes(&id.0), &from_ms])?;
        Ok(())
    }
    fn has_signed_in(&self, user: UserId, device: DeviceId) -> Result<bool> {
        let sql = "SELECT 1 FROM sign_in WHERE user_id = $1 AND device = $2 LIMIT 1";
        self.exists(sql, &[&bytes(&user.0), &bytes(&device.0)])
    }
    fn adopted_by(&self, id: UserId) -> Result<Option<(UserId, bool)>> {
        self.lock(Lock::Accounts)?;
        let sql = "SELECT user_id, signs_in FROM adopted_account WHERE id = $1";
        let row = self.query_opt(sql, &[&bytes(&id.0)])?;
        row.map(|row| Ok((user_id(&row, 0)?, get(&row, 1)?))).transpose()
    }
    fn put_adopted(&self, id: UserId, by: UserId, signs_in: bool, now_ms: i64) -> Result<()> {
        self.lock(Lock::Accounts)?;
        self.execute(
            "INSERT INTO adopted_account (id, user_id, signs_in, adopted_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant, id) DO UPDATE SET signs_in = adopted_account.signs_in OR excluded.signs_in",
            &[&bytes(&id.0), &bytes(&by.0), &signs_in, &now_ms],
        )?;
        Ok(())
    }
}
