//! Accounts, sign-ins and their tokens in SQL.

use carrel_model::{
    DeviceId, UserId,
    wire::{Role, UserInfo},
};
use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use crate::store::{
    NewAccount, NewSignIn, NewTokens, Redeemed, Result, SignedIn, StoreError, role_text,
};

/// Logins are compared without case.
fn login_key(login: &str) -> String {
    login.trim().to_lowercase()
}

fn user(row: &Row<'_>) -> rusqlite::Result<UserInfo> {
    let role = match row.get_ref("role")?.as_str()? {
        "administrator" => Role::Administrator,
        "instructor" => Role::Instructor,
        _ => Role::Student,
    };
    Ok(UserInfo {
        id: UserId(uuid(row, "id")?),
        login: row.get("login")?,
        name: row.get("name")?,
        role,
    })
}

fn uuid(row: &Row<'_>, column: &str) -> rusqlite::Result<Uuid> {
    row.get::<_, [u8; 16]>(column).map(Uuid::from_bytes)
}

pub(super) fn add(conn: &Connection, account: &NewAccount, now_ms: i64) -> Result<()> {
    let u = &account.user;
    let added = conn
        .prepare_cached(
            "INSERT INTO account (id, login, login_key, name, role, password, created_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (login_key) DO NOTHING",
        )?
        .execute((
            u.id.0.as_bytes(),
            &u.login,
            login_key(&u.login),
            &u.name,
            role_text(u.role),
            &account.password,
            now_ms,
        ))?;
    if added == 0 { Err(StoreError::LoginTaken(u.login.clone())) } else { Ok(()) }
}

pub(super) fn by_login(conn: &Connection, login: &str) -> Result<Option<(UserInfo, String)>> {
    let mut stmt = conn.prepare_cached(
        "SELECT id, login, name, role, password FROM account WHERE login_key = ?1",
    )?;
    Ok(stmt.query_row([login_key(login)], |r| Ok((user(r)?, r.get("password")?))).optional()?)
}

pub(super) fn open_sign_in(conn: &Connection, s: &NewSignIn, now_ms: i64) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO sign_in (id, user_id, device, device_name, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((s.id.as_bytes(), s.user.0.as_bytes(), s.device.0.as_bytes(), &s.device_name, now_ms))?;
    keep_tokens(conn, s.id, s.tokens, 1)
}

fn keep_tokens(conn: &Connection, sign_in: Uuid, t: NewTokens, generation: i64) -> Result<()> {
    let mut stmt = conn.prepare_cached(
        "INSERT INTO token (hash, sign_in, kind, generation, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    stmt.execute((t.access, sign_in.as_bytes(), "access", generation, t.access_expires_ms))?;
    stmt.execute((t.refresh, sign_in.as_bytes(), "refresh", generation, t.refresh_expires_ms))?;
    Ok(())
}

/// Generations make reuse plain: the next one is redeemed as usual; the last redeemed one again within its grace (its reply was
/// lost) gives another pair; anything older means that two hold the same token.
pub(super) fn redeem(
    conn: &Connection,
    refresh: [u8; 32],
    next: NewTokens,
    grace_ms: i64,
    now_ms: i64,
) -> Result<Redeemed> {
    let found = conn
        .prepare_cached(
            "SELECT s.id AS sign_in, s.redeemed, s.redeemed_ms, t.generation, a.id, a.login, a.name, a.role
             FROM token t JOIN sign_in s ON s.id = t.sign_in JOIN account a ON a.id = s.user_id
             WHERE t.hash = ?1 AND t.kind = 'refresh' AND t.expires_ms > ?2",
        )?
        .query_row((refresh, now_ms), |r| {
            let at: (i64, i64, i64) = (r.get("generation")?, r.get("redeemed")?, r.get("redeemed_ms")?);
            Ok((uuid(r, "sign_in")?, at, user(r)?))
        })
        .optional()?;
    let Some((sign_in, (generation, redeemed, redeemed_ms), user)) = found else {
        return Ok(Redeemed::Unknown);
    };
    if generation <= redeemed {
        let lost_reply = generation == redeemed && now_ms - redeemed_ms <= grace_ms;
        if !lost_reply {
            conn.prepare_cached("DELETE FROM sign_in WHERE id = ?1")?
                .execute([sign_in.as_bytes()])?;
            return Ok(Redeemed::Reused { user: user.id, sign_in });
        }
    } else {
        conn.prepare_cached("UPDATE sign_in SET redeemed = ?2, redeemed_ms = ?3 WHERE id = ?1")?
            .execute((sign_in.as_bytes(), generation, now_ms))?;
    }
    conn.prepare_cached("DELETE FROM token WHERE sign_in = ?1 AND expires_ms <= ?2")?
        .execute((sign_in.as_bytes(), now_ms))?;
    keep_tokens(conn, sign_in, next, generation + 1)?;
    Ok(Redeemed::Ok { user })
}

pub(super) fn signed_in(
    conn: &Connection,
    access: [u8; 32],
    now_ms: i64,
) -> Result<Option<SignedIn>> {
    let mut stmt = conn.prepare_cached(
        "SELECT s.id AS sign_in, s.device, t.expires_ms, a.id, a.login, a.name, a.role
         FROM token t JOIN sign_in s ON s.id = t.sign_in JOIN account a ON a.id = s.user_id
         WHERE t.hash = ?1 AND t.kind = 'access' AND t.expires_ms > ?2",
    )?;
    let found = stmt.query_row((access, now_ms), |r| {
        Ok(SignedIn {
            user: user(r)?,
            sign_in: uuid(r, "sign_in")?,
            device: DeviceId(uuid(r, "device")?),
            expires_ms: r.get("expires_ms")?,
        })
    });
    Ok(found.optional()?)
}

pub(super) fn sign_out(conn: &Connection, refresh: [u8; 32]) -> Result<Option<(UserId, Uuid)>> {
    let mut stmt = conn.prepare_cached(
        "DELETE FROM sign_in WHERE id = (SELECT sign_in FROM token WHERE hash = ?1 AND kind = 'refresh')
         RETURNING user_id, id",
    )?;
    let gone = stmt.query_row([refresh], |r| Ok((UserId(uuid(r, "user_id")?), uuid(r, "id")?)));
    Ok(gone.optional()?)
}
