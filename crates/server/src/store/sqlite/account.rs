//! Accounts, sign-ins and their tokens in SQL.

use carrel_model::{
    DeviceId, UserId,
    wire::{Role, UserInfo},
};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior};
use uuid::Uuid;

use crate::{
    grading, precis,
    store::{
        Account, Adopted, Adoption, NewAccount, NewSignIn, Presented, Redeem, Redeemed, Result,
        SignedIn, StoreError, role_text,
    },
    tokens::{AccountCertificate, RefreshToken},
};

/// Rows that are deleted with each sign-in or refresh, so that no call takes long.
const PURGED_AT_ONCE: u32 = 20;
/// Lines of refresh tokens that are remembered for one sign-in.
const BRANCHES: i64 = 8;
/// Access tokens that are good at the same time for one sign-in.
const ACCESS_TOKENS: i64 = 8;
/// The fact that names the form of the login keys, and its value.
const LOGIN_KEYS: (&str, &str) = ("login_keys", "precis-1");

/// The key of a login that PRECIS refuses or that another account has taken since: no key of a new login begins with a space.
fn legacy_key(login: &str) -> String {
    format!(" {}", login.trim().to_lowercase())
}

/// The keys under which an account may be found, the most exact first.
fn keys_of(login: &str) -> (String, Option<String>) {
    (legacy_key(login), precis::username(login).ok())
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

/// Gives every account its PRECIS key and skeleton, once. Of accounts that come to the same key the oldest gets it; the others, and
/// those whose login PRECIS refuses, keep their old key and are found by their exact login.
pub(super) fn migrate_login_keys(conn: &mut Connection) -> Result<()> {
    if super::fact(conn, LOGIN_KEYS.0)?.as_deref() == Some(LOGIN_KEYS.1) {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let accounts: Vec<([u8; 16], String)> = tx
        .prepare("SELECT id, login FROM account ORDER BY created_ms, id")?
        .query_map([], |r| Ok((r.get("id")?, r.get("login")?)))?
        .collect::<rusqlite::Result<_>>()?;
    // Out of the way first: a new key may be the old one of an account that comes later.
    tx.execute("UPDATE account SET login_key = char(1) || login_key", [])?;
    let mut kept_old_key = 0;
    for (id, login) in accounts {
        let (legacy, key) = keys_of(&login);
        let is_free = |key: &String| -> Result<bool> {
            Ok(!tx.prepare_cached("SELECT 1 FROM account WHERE login_key = ?1")?.exists([key])?)
        };
        let key = match key {
            Some(key) if is_free(&key)? => key,
            _ => {
                kept_old_key += 1;
                legacy
            }
        };
        tx.prepare_cached("UPDATE account SET login_key = ?2, login_skeleton = ?3 WHERE id = ?1")?
            .execute((id, &key, precis::skeleton(key.trim_start())))?;
    }
    tx.execute("INSERT OR REPLACE INTO server_fact (name, value) VALUES (?1, ?2)", LOGIN_KEYS)?;
    tx.commit()?;
    if kept_old_key > 0 {
        tracing::warn!(
            account.count = kept_old_key,
            "accounts whose login is not unique or not allowed any more keep their old login"
        );
    }
    Ok(())
}

/// Deletes sign-ins whose tokens have all expired, and what was noted for attempts to which no answer is added any more; `most` none: all
/// of them.
pub(super) fn purge(conn: &Connection, now_ms: i64, most: Option<u32>) -> Result<()> {
    let most = most.map_or(-1, i64::from);
    conn.prepare_cached(
        "DELETE FROM sign_in WHERE id IN
         (SELECT id FROM sign_in WHERE expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2)",
    )?
    .execute((now_ms, most))?;
    // The attempt has its grade: without this row no further answer counts.
    conn.prepare_cached(
        "DELETE FROM open_grade WHERE (user_id, attempt) IN
         (SELECT user_id, attempt FROM open_grade WHERE first_ms < ?1 ORDER BY first_ms LIMIT ?2)",
    )?
    .execute((now_ms.saturating_sub(grading::OPEN_MS), most))?;
    Ok(())
}

/// Ends all sign-ins.
pub(crate) fn end_all(conn: &Connection, salt: &str) -> Result<()> {
    conn.execute("DELETE FROM sign_in", [])?;
    conn.execute(
        "INSERT OR REPLACE INTO server_fact (name, value) VALUES ('token_salt', ?1)",
        [salt],
    )?;
    Ok(())
}

pub(super) fn add(conn: &Connection, account: &NewAccount, now_ms: i64) -> Result<()> {
    let u = &account.user;
    let key = precis::username(&u.login).map_err(|e| StoreError::BadLogin(e.to_string()))?;
    let skeleton = precis::skeleton(&key);
    if is_taken(conn, &key, &legacy_key(&u.login))? {
        return Err(StoreError::LoginTaken(u.login.clone()));
    }
    if looks_like_another(conn, &key, &skeleton)? {
        return Err(StoreError::LoginLooksLikeAnother(u.login.clone()));
    }
    insert(conn, u, &key, &skeleton, &account.password, now_ms)
}

fn is_taken(conn: &Connection, key: &str, legacy: &str) -> Result<bool> {
    let mut stmt = conn.prepare_cached("SELECT 1 FROM account WHERE login_key IN (?1, ?2)")?;
    Ok(stmt.exists([key, legacy])?)
}

fn looks_like_another(conn: &Connection, key: &str, skeleton: &str) -> Result<bool> {
    let mut stmt =
        conn.prepare_cached("SELECT 1 FROM account WHERE login_skeleton = ?1 AND login_key <> ?2")?;
    Ok(stmt.exists([skeleton, key])?)
}

fn insert(
    conn: &Connection,
    u: &UserInfo,
    key: &str,
    skeleton: &str,
    password: &str,
    now_ms: i64,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO account (id, login, login_key, login_skeleton, name, role, password, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute((
        u.id.0.as_bytes(),
        &u.login,
        key,
        skeleton,
        &u.name,
        role_text(u.role),
        password,
        now_ms,
    ))?;
    Ok(())
}

fn account_where(
    conn: &Connection,
    what: &str,
    value: impl rusqlite::ToSql,
) -> Result<Option<Account>> {
    let sql = format!("SELECT id, login, name, role, password FROM account WHERE {what} = ?1");
    let mut stmt = conn.prepare_cached(&sql)?;
    let found = stmt.query_row([value], |r| {
        Ok(Account { user: user(r)?, password: r.get("password")?, knows_device: false })
    });
    Ok(found.optional()?)
}

pub(super) fn by_id(conn: &Connection, id: UserId) -> Result<Option<Account>> {
    account_where(conn, "id", id.0.as_bytes())
}

/// `device`: is it known that the learner has signed in there before?
pub(super) fn by_login(
    conn: &Connection,
    login: &str,
    device: Option<DeviceId>,
) -> Result<Option<Account>> {
    let (legacy, key) = keys_of(login);
    let mut found = account_where(conn, "login_key", legacy)?;
    if let (None, Some(key)) = (&found, key) {
        found = account_where(conn, "login_key", key)?;
    }
    if let (Some(found), Some(device)) = (&mut found, device) {
        found.knows_device = conn
            .prepare_cached("SELECT 1 FROM sign_in WHERE user_id = ?1 AND device = ?2")?
            .exists((found.user.id.0.as_bytes(), device.0.as_bytes()))?;
    }
    Ok(found)
}

pub(super) fn set_password(conn: &Connection, id: UserId, password: &str) -> Result<()> {
    conn.prepare_cached("UPDATE account SET password = ?2 WHERE id = ?1")?
        .execute((id.0.as_bytes(), password))?;
    Ok(())
}

/// Creates the account of a certificate again, with its id and as a student: a certificate may be older than a change of the role. If
/// its login is taken by now, a number is added to it.
pub(super) fn recreate(
    conn: &Connection,
    certificate: &AccountCertificate,
    now_ms: i64,
) -> Result<Account> {
    if let Some(found) = by_id(conn, certificate.user.id)? {
        return Ok(found);
    }
    let was = &certificate.user;
    let mut login = was.login.clone();
    let mut number = 1_u32;
    let (key, skeleton) = loop {
        let key = precis::username(&login).unwrap_or_else(|_| legacy_key(&login));
        let skeleton = precis::skeleton(key.trim_start());
        let is_free = !is_taken(conn, &key, &legacy_key(&login))?
            && !looks_like_another(conn, &key, &skeleton)?;
        if is_free {
            break (key, skeleton);
        }
        number += 1;
        login = format!("{}-{number}", was.login);
    };
    let user = UserInfo { login, role: Role::Student, ..was.clone() };
    insert(conn, &user, &key, &skeleton, &certificate.password, now_ms)?;
    tracing::warn!(
        user.id = %user.id, user.login = user.login, user.login_before = was.login, user.role_before = role_text(was.role),
        "an account that was made after the backup was created again"
    );
    Ok(Account { user, password: certificate.password.clone(), knows_device: false })
}

/// The account that signs in with this id: itself, the one that adopted it, or the one that its certificate proves.
fn account_of_token(
    conn: &Connection,
    id: UserId,
    certificate: Option<&AccountCertificate>,
    now_ms: i64,
) -> Result<Option<Account>> {
    if let Some(found) = by_id(conn, id)? {
        return Ok(Some(found));
    }
    let adopted: Option<[u8; 16]> = conn
        .prepare_cached("SELECT user_id FROM adopted_account WHERE id = ?1 AND signs_in = 1")?
        .query_row([id.0.as_bytes()], |r| r.get("user_id"))
        .optional()?;
    if let Some(user) = adopted {
        return by_id(conn, UserId(Uuid::from_bytes(user)));
    }
    match certificate.filter(|c| c.user.id == id) {
        Some(certificate) => recreate(conn, certificate, now_ms).map(Some),
        None => Ok(None),
    }
}

pub(super) fn open_sign_in(conn: &Connection, s: &NewSignIn, now_ms: i64) -> Result<()> {
    add_sign_in(conn, s.id, s.user, s.device, &s.device_name, now_ms)?;
    keep_access(conn, s.id, s.access, now_ms)?;
    extend(conn, s.id, s.refresh_expires_ms)?;
    purge(conn, now_ms, Some(PURGED_AT_ONCE))
}

fn add_sign_in(
    conn: &Connection,
    id: Uuid,
    user: UserId,
    device: DeviceId,
    device_name: &str,
    now_ms: i64,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO sign_in (id, user_id, device, device_name, created_ms, expires_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, 0)",
    )?
    .execute((id.as_bytes(), user.0.as_bytes(), device.0.as_bytes(), device_name, now_ms))?;
    Ok(())
}

/// Keeps an access token by its hash; of a sign-in's older ones only those that are still good, and not too many.
fn keep_access(
    conn: &Connection,
    sign_in: Uuid,
    (hash, expires_ms): ([u8; 32], i64),
    now_ms: i64,
) -> Result<()> {
    let id = sign_in.as_bytes();
    conn.prepare_cached("DELETE FROM token WHERE sign_in = ?1 AND expires_ms <= ?2")?
        .execute((id, now_ms))?;
    conn.prepare_cached(
        "DELETE FROM token WHERE hash IN (SELECT hash FROM token WHERE sign_in = ?1 AND kind = 'access'
         ORDER BY expires_ms DESC, hash LIMIT -1 OFFSET ?2)",
    )?
    .execute((id, ACCESS_TOKENS - 1))?;
    conn.prepare_cached(
        "INSERT INTO token (hash, sign_in, kind, generation, expires_ms) VALUES (?1, ?2, 'access', 0, ?3)",
    )?
    .execute((hash, id, expires_ms))?;
    Ok(())
}

fn extend(conn: &Connection, sign_in: Uuid, expires_ms: i64) -> Result<()> {
    conn.prepare_cached("UPDATE sign_in SET expires_ms = max(expires_ms, ?2) WHERE id = ?1")?
        .execute((sign_in.as_bytes(), expires_ms))?;
    Ok(())
}

/// Ends a sign-in. Its row stays, because its refresh tokens carry their own proof until they expire.
fn end(conn: &Connection, sign_in: Uuid, now_ms: i64) -> Result<()> {
    let id = sign_in.as_bytes();
    conn.prepare_cached("UPDATE sign_in SET ended_ms = ?2 WHERE id = ?1")?
        .execute((id, now_ms.max(1)))?;
    conn.prepare_cached("DELETE FROM token WHERE sign_in = ?1")?.execute([id])?;
    conn.prepare_cached("DELETE FROM sign_in_branch WHERE sign_in = ?1")?.execute([id])?;
    Ok(())
}

/// A refresh token as it was presented: which sign-in, which line of it, which generation.
struct Line {
    sign_in: Uuid,
    branch: u32,
    generation: i64,
    signed: Option<RefreshToken>,
}

fn line_of(conn: &Connection, presented: &Presented, now_ms: i64) -> Result<Option<Line>> {
    Ok(match presented {
        Presented::Signed(t) if t.is_expired(now_ms) => None,
        Presented::Signed(t) => Some(Line {
            sign_in: t.sign_in,
            branch: t.branch,
            generation: t.generation,
            signed: Some(*t),
        }),
        // From a release whose refresh tokens were random and stored by their hash.
        Presented::Opaque(hash) => conn
            .prepare_cached(
                "SELECT sign_in, generation FROM token WHERE hash = ?1 AND kind = 'refresh' AND expires_ms > ?2",
            )?
            .query_row((hash, now_ms), |r| {
                let (sign_in, generation) = (uuid(r, "sign_in")?, r.get("generation")?);
                Ok(Line { sign_in, branch: 0, generation, signed: None })
            })
            .optional()?,
    })
}

/// The generation decides. A later one than the last redeemed is good, also if some are left out: a restored database is behind. The
/// last redeemed one is answered again within its grace (the reply was lost). Anything older means that two hold the same token.
pub(super) fn redeem(conn: &Connection, request: &Redeem, now_ms: i64) -> Result<Redeemed> {
    let Some(line) = line_of(conn, &request.presented, now_ms)? else {
        return Ok(Redeemed::Unknown);
    };
    let id = line.sign_in.as_bytes();
    let known: Option<([u8; 16], [u8; 16], i64, i64)> = conn
        .prepare_cached(
            "SELECT user_id, device, ended_ms, redeemed_floor FROM sign_in WHERE id = ?1",
        )?
        .query_row([id], |r| {
            Ok((r.get("user_id")?, r.get("device")?, r.get("ended_ms")?, r.get("redeemed_floor")?))
        })
        .optional()?;
    let (account, device, floor) = match (known, line.signed) {
        (Some((_, _, ended_ms, _)), _) if ended_ms != 0 => return Ok(Redeemed::Unknown),
        (Some((user, device, _, floor)), _) => {
            let account = by_id(conn, UserId(Uuid::from_bytes(user)))?;
            (account, DeviceId(Uuid::from_bytes(device)), floor)
        }
        // Signed in after the backup that this database was restored from.
        (None, Some(t)) => {
            let certificate = request.certificate.as_ref();
            let account = account_of_token(conn, t.user, certificate, now_ms)?;
            if let Some(account) = &account {
                add_sign_in(conn, t.sign_in, account.user.id, t.device, "", now_ms)?;
            }
            (account, t.device, 0)
        }
        (None, None) => return Ok(Redeemed::Unknown),
    };
    let Some(account) = account else { return Ok(Redeemed::Unknown) };
    let redeemed: Option<(i64, i64)> = conn
        .prepare_cached(
            "SELECT redeemed, redeemed_ms FROM sign_in_branch WHERE sign_in = ?1 AND branch = ?2",
        )?
        .query_row((id, line.branch), |r| Ok((r.get("redeemed")?, r.get("redeemed_ms")?)))
        .optional()?;
    let branch = match redeemed {
        Some((last, at_ms)) if line.generation == last && now_ms - at_ms <= request.grace_ms => {
            request.new_branch
        }
        _ if line.generation > redeemed.map_or(floor, |(last, _)| last) => {
            conn.prepare_cached(
                "INSERT INTO sign_in_branch (sign_in, branch, redeemed, redeemed_ms) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (sign_in, branch) DO UPDATE SET redeemed = excluded.redeemed, redeemed_ms = excluded.redeemed_ms",
            )?
            .execute((id, line.branch, line.generation, now_ms))?;
            forget_old_branches(conn, line.sign_in)?;
            line.branch
        }
        _ => {
            end(conn, line.sign_in, now_ms)?;
            return Ok(Redeemed::Reused { user: account.user.id, sign_in: line.sign_in });
        }
    };
    conn.prepare_cached(
        "DELETE FROM token WHERE sign_in = ?1 AND kind = 'refresh' AND generation < ?2",
    )?
    .execute((id, line.generation))?;
    keep_access(conn, line.sign_in, request.access, now_ms)?;
    extend(conn, line.sign_in, request.refresh_expires_ms)?;
    purge(conn, now_ms, Some(PURGED_AT_ONCE))?;
    let next = RefreshToken {
        sign_in: line.sign_in,
        branch,
        user: account.user.id,
        device,
        generation: line.generation + 1,
        issued_ms: now_ms,
        expires_ms: request.refresh_expires_ms,
    };
    Ok(Redeemed::Ok { account, next })
}

/// Lost replies leave lines behind that nobody follows. Their generations stay redeemed by the floor.
fn forget_old_branches(conn: &Connection, sign_in: Uuid) -> Result<()> {
    let old: Vec<(i64, i64)> = conn
        .prepare_cached(
            "SELECT branch, redeemed FROM sign_in_branch WHERE sign_in = ?1
             ORDER BY redeemed_ms DESC, redeemed DESC LIMIT -1 OFFSET ?2",
        )?
        .query_map((sign_in.as_bytes(), BRANCHES), |r| Ok((r.get("branch")?, r.get("redeemed")?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (branch, redeemed) in old {
        conn.prepare_cached("DELETE FROM sign_in_branch WHERE sign_in = ?1 AND branch = ?2")?
            .execute((sign_in.as_bytes(), branch))?;
        conn.prepare_cached(
            "UPDATE sign_in SET redeemed_floor = max(redeemed_floor, ?2) WHERE id = ?1",
        )?
        .execute((sign_in.as_bytes(), redeemed))?;
    }
    Ok(())
}

pub(super) fn signed_in(
    conn: &Connection,
    access: [u8; 32],
    now_ms: i64,
) -> Result<Option<SignedIn>> {
    let mut stmt = conn.prepare_cached(
        "SELECT s.id AS sign_in, s.device, t.expires_ms, a.id, a.login, a.name, a.role
         FROM token t JOIN sign_in s ON s.id = t.sign_in JOIN account a ON a.id = s.user_id
         WHERE t.hash = ?1 AND t.kind = 'access' AND t.expires_ms > ?2 AND s.ended_ms = 0",
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

/// Ends the sign-in of a token, whichever kind of token it is.
pub(super) fn sign_out(
    conn: &Connection,
    presented: &Presented,
    now_ms: i64,
) -> Result<Option<(UserId, Uuid)>> {
    let sign_in = match presented {
        Presented::Opaque(hash) => conn
            .prepare_cached("SELECT sign_in FROM token WHERE hash = ?1")?
            .query_row([hash], |r| uuid(r, "sign_in"))
            .optional()?,
        Presented::Signed(t) => {
            let is_known = conn
                .prepare_cached("SELECT 1 FROM sign_in WHERE id = ?1")?
                .exists([t.sign_in.as_bytes()])?;
            if !is_known && by_id(conn, t.user)?.is_some() {
                add_sign_in(conn, t.sign_in, t.user, t.device, "", now_ms)?;
                extend(conn, t.sign_in, t.expires_ms)?;
            }
            Some(t.sign_in)
        }
    };
    let Some(sign_in) = sign_in else { return Ok(None) };
    let user: Option<[u8; 16]> = conn
        .prepare_cached("SELECT user_id FROM sign_in WHERE id = ?1 AND ended_ms = 0")?
        .query_row([sign_in.as_bytes()], |r| r.get("user_id"))
        .optional()?;
    let Some(user) = user else { return Ok(None) };
    end(conn, sign_in, now_ms)?;
    Ok(Some((UserId(Uuid::from_bytes(user)), sign_in)))
}

/// Notes that the work of an unknown account belongs to `adoption.user`. Once: the first who proves it has it.
pub(super) fn adopt(conn: &Connection, adoption: &Adoption, now_ms: i64) -> Result<Adopted> {
    if adoption.other == adoption.user {
        return Ok(Adopted::Done);
    }
    if by_id(conn, adoption.other)?.is_some() {
        return Ok(Adopted::HasAccount);
    }
    let before: Option<[u8; 16]> = conn
        .prepare_cached("SELECT user_id FROM adopted_account WHERE id = ?1")?
        .query_row([adoption.other.0.as_bytes()], |r| r.get("user_id"))
        .optional()?;
    if before.is_some_and(|user| user != *adoption.user.0.as_bytes()) {
        return Ok(Adopted::ByAnother);
    }
    if let Some(login) = &adoption.login_must_be {
        let same = by_login(conn, login, None)?.is_some_and(|a| a.user.id == adoption.user);
        if !same {
            return Ok(Adopted::OtherLogin);
        }
    }
    let signs_in = adoption.login_must_be.is_none();
    conn.prepare_cached(
        "INSERT INTO adopted_account (id, user_id, signs_in, adopted_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET signs_in = max(signs_in, excluded.signs_in)",
    )?
    .execute((
        adoption.other.0.as_bytes(),
        adoption.user.0.as_bytes(),
        i64::from(signs_in),
        now_ms,
    ))?;
    Ok(Adopted::Done)
}
