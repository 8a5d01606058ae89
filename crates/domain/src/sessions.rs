//! Sign-ins: rotation of their tokens, and detection of reused refresh tokens.
//!
//! Not here: the format of tokens (`tokens`), passwords (`password`), limits on attempts (`rate_limits`).

use carrel_model::{DeviceId, UserId, wire::UserInfo};
use carrel_people::{EndedSignIn, end_all};
use uuid::Uuid;

use crate::{
    DomainError, DomainResult,
    accounts::{self, NewAccount},
    enrolment_tokens::{self, PresentedEnrolment},
    retention,
};
use crate::{
    events::Event,
    store::{
        SignedIn, Store, StoreError,
        tx::{AuditRow, PersonKey, Redemption, StoredAccount, Tx},
    },
    tokens::{AccountCertificate, RefreshToken},
};

/// Maximum number of refresh token branches stored for one sign-in.
const MAX_BRANCHES: u32 = 8;
/// Maximum number of valid access tokens of one sign-in.
const MAX_ACCESS_TOKENS: u32 = 8;

/// A sign-in to create.
#[derive(Debug, Clone)]
pub struct NewSignIn {
    pub id: Uuid,
    pub user: UserId,
    pub device: DeviceId,
    pub device_name: String,
    /// Hash of the access token, and its expiry time in ms.
    pub access: ([u8; 32], i64),
    pub refresh_expires_ms: i64,
}

/// A token presented by a client.
#[derive(Debug, Clone, Copy)]
pub enum PresentedToken {
    /// A refresh token with a MAC of this server.
    Signed(RefreshToken),
    /// Any other token, by its hash: a random refresh token of an older release, or an access token.
    Opaque([u8; 32]),
}

/// A refresh token presented by a client, and what to store if it is valid.
#[derive(Clone)]
pub struct Rotation {
    pub presented: PresentedToken,
    /// Proves the account if it is missing from the database.
    pub certificate: Option<AccountCertificate>,
    pub access: ([u8; 32], i64),
    pub refresh_expires_ms: i64,
    /// Random; the branch of the new token if the same token is redeemed again.
    pub new_branch: u32,
    /// Time within which a redeemed refresh token is accepted again, in case the reply was lost.
    pub grace_ms: i64,
}

/// Result of a refresh token rotation.
#[derive(Clone)]
pub enum Rotated {
    /// The new access token is stored; `next` is the refresh token to issue.
    Ok { account: StoredAccount, next: RefreshToken },
    /// Unknown, expired, or of an ended sign-in.
    Unknown,
    /// Used again after the grace period; the sign-in has been ended.
    Reused { user: UserId, sign_in: Uuid },
}

pub(crate) fn open(tx: &dyn Tx, s: &NewSignIn, now_ms: i64) -> Result<(), StoreError> {
    tx.insert_sign_in(s.id, s.user, s.device, &s.device_name, now_ms)?;
    add_access(tx, s.id, s.access, now_ms)?;
    tx.extend_sign_in(s.id, s.refresh_expires_ms)?;
    retention::purge(tx, now_ms, Some(retention::PURGED_PER_CALL))?;
    Ok(())
}

/// Stores an access token by its hash. Deletes the sign-in's expired access tokens and those above the maximum.
fn add_access(
    tx: &dyn Tx,
    sign_in: Uuid,
    (hash, expires_ms): ([u8; 32], i64),
    now_ms: i64,
) -> Result<(), StoreError> {
    tx.trim_tokens(sign_in, now_ms, MAX_ACCESS_TOKENS - 1)?;
    tx.insert_access_token(sign_in, hash, expires_ms)
}

/// Ends a sign-in. Its row is kept, because its refresh tokens have a valid MAC until they expire.
fn end(tx: &dyn Tx, sign_in: Uuid, now_ms: i64) -> Result<(), StoreError> {
    tx.end_sign_in(sign_in, now_ms.max(1))
}

/// Sign-in, branch and generation of a presented refresh token.
struct TokenPosition {
    sign_in: Uuid,
    branch: u32,
    generation: i64,
    signed: Option<RefreshToken>,
}

fn position_of(
    tx: &dyn Tx,
    presented: &PresentedToken,
    now_ms: i64,
) -> Result<Option<TokenPosition>, StoreError> {
    Ok(match presented {
        PresentedToken::Signed(t) if t.is_expired(now_ms) => None,
        PresentedToken::Signed(t) => Some(TokenPosition {
            sign_in: t.sign_in,
            branch: t.branch,
            generation: t.generation,
            signed: Some(*t),
        }),
        // Issued by a release whose refresh tokens were random and stored by their hash.
        PresentedToken::Opaque(hash) => {
            tx.opaque_refresh_token(*hash, now_ms)?.map(|(sign_in, generation)| TokenPosition {
                sign_in,
                branch: 0,
                generation,
                signed: None,
            })
        }
    })
}

/// Accepts or refuses a token by its generation. A generation above the last redeemed one is valid even if it is not
/// the next, because a restored database may lack some. The last redeemed one is valid again within the grace period,
/// since the reply may have been lost. Otherwise two clients use the same token, and the sign-in is ended.
fn rotate(tx: &dyn Tx, rotation: &Rotation, now_ms: i64) -> Result<Rotated, StoreError> {
    let Some(position) = position_of(tx, &rotation.presented, now_ms)? else {
        return Ok(Rotated::Unknown);
    };
    let (account, device, redeemed_floor) = match (tx.sign_in(position.sign_in)?, position.signed) {
        (Some(known), _) if known.is_ended => return Ok(Rotated::Unknown),
        (Some(known), _) => (tx.account_by_id(known.user)?, known.device, known.redeemed_floor),
        // The sign-in is newer than the backup from which this database was restored.
        (None, Some(t)) => {
            let account =
                accounts::account_of_token(tx, t.user, rotation.certificate.as_ref(), now_ms)?;
            if let Some(account) = &account {
                // The password was set, or the account suspended, after the restore: that ended this sign-in too.
                if t.issued_ms < tx.sign_ins_from_ms(account.user.id)?
                    || !tx.is_active(account.user.id)?
                {
                    return Ok(Rotated::Unknown);
                }
                tx.insert_sign_in(t.sign_in, account.user.id, t.device, "", now_ms)?;
            }
            (account, t.device, 0)
        }
        (None, None) => return Ok(Rotated::Unknown),
    };
    let Some(account) = account else { return Ok(Rotated::Unknown) };
    let last = tx.redemption(position.sign_in, position.branch)?;
    let branch = match last {
        Some(last)
            if position.generation == last.generation
                && now_ms - last.at_ms <= rotation.grace_ms =>
        {
            rotation.new_branch
        }
        _ if position.generation > last.map_or(redeemed_floor, |last| last.generation) => {
            let redeemed = Redemption { generation: position.generation, at_ms: now_ms };
            tx.put_redemption(position.sign_in, position.branch, redeemed)?;
            delete_old_branches(tx, position.sign_in)?;
            position.branch
        }
        _ => {
            end(tx, position.sign_in, now_ms)?;
            return Ok(Rotated::Reused { user: account.user.id, sign_in: position.sign_in });
        }
    };
    tx.delete_opaque_refresh_tokens(position.sign_in, position.generation)?;
    add_access(tx, position.sign_in, rotation.access, now_ms)?;
    tx.extend_sign_in(position.sign_in, rotation.refresh_expires_ms)?;
    retention::purge(tx, now_ms, Some(retention::PURGED_PER_CALL))?;
    let next = RefreshToken {
        sign_in: position.sign_in,
        branch,
        user: account.user.id,
        device,
        generation: position.generation + 1,
        issued_ms: now_ms,
        expires_ms: rotation.refresh_expires_ms,
    };
    Ok(Rotated::Ok { account, next })
}

/// Deletes the branches above the maximum, the least recently used first. `redeemed_floor` marks their generations as
/// redeemed.
fn delete_old_branches(tx: &dyn Tx, sign_in: Uuid) -> Result<(), StoreError> {
    for (branch, redeemed) in tx.old_branches(sign_in, MAX_BRANCHES)? {
        tx.delete_branch(sign_in, branch)?;
        tx.raise_redeemed_floor(sign_in, redeemed.generation)?;
    }
    Ok(())
}

/// Ends the sign-in of a token of any kind.
fn sign_out(
    tx: &dyn Tx,
    presented: &PresentedToken,
    now_ms: i64,
) -> Result<Option<(UserId, Uuid)>, StoreError> {
    let sign_in = match presented {
        PresentedToken::Opaque(hash) => tx.sign_in_of_token(*hash)?,
        PresentedToken::Signed(t) => {
            if tx.sign_in(t.sign_in)?.is_none() && tx.account_by_id(t.user)?.is_some() {
                tx.insert_sign_in(t.sign_in, t.user, t.device, "", now_ms)?;
                tx.extend_sign_in(t.sign_in, t.expires_ms)?;
            }
            Some(t.sign_in)
        }
    };
    let Some(sign_in) = sign_in else { return Ok(None) };
    let Some(known) = tx.sign_in(sign_in)?.filter(|known| !known.is_ended) else {
        return Ok(None);
    };
    end(tx, sign_in, now_ms)?;
    Ok(Some((known.user, sign_in)))
}

/// Replaces the password of an account and ends all its sign-ins, also those that this database lacks because it was
/// restored from a backup. Returns the account and the ended sign-ins.
fn reset_password(
    tx: &dyn Tx,
    login: &str,
    password: &str,
    now_ms: i64,
) -> DomainResult<(UserInfo, Vec<EndedSignIn>)> {
    let Some(account) = carrel_people::by_login(tx, login)? else {
        return Err(DomainError::NoLogin(login.to_owned()));
    };
    let user = account.user;
    if let Some(mut person) = tx.person(PersonKey::Id(user.id))? {
        // Without a password, the account is disabled, and no import enables it.
        person.is_disabled = password.is_empty();
        tx.put_person(&person)?;
    }
    tx.set_password(user.id, password)?;
    // Whoever has a code on paper could otherwise still sign in.
    carrel_people::void_codes(tx, user.id)?;
    tx.add_audit(&AuditRow {
        at_ms: now_ms,
        actor: None,
        action: "person.password".to_owned(),
        subject: Some(user.id),
        detail: "{}".to_owned(),
    })?;
    let ended = end_all(tx, user.id, now_ms)?;
    Ok((user, ended))
}

impl Store {
    /// Creates an account and opens a sign-in. Returns `LoginTaken` or `SimilarLogin` if the login is
    /// unavailable.
    pub async fn add_account(
        &self,
        account: NewAccount,
        sign_in: Option<NewSignIn>,
        now_ms: i64,
    ) -> DomainResult<()> {
        self.register(account, sign_in, None, now_ms).await
    }
    /// Creates an account with an enrolment token, if any, and opens a sign-in. On error there is no account, and the
    /// token was not used.
    ///
    /// # Errors
    /// `LoginTaken`, `SimilarLogin`, `Token`.
    pub async fn register(
        &self,
        account: NewAccount,
        sign_in: Option<NewSignIn>,
        enrolment: Option<PresentedEnrolment>,
        now_ms: i64,
    ) -> DomainResult<()> {
        let quota = self.quota();
        self.write_with_events("register", move |tx, events| {
            let user = account.user.id;
            accounts::add(tx, account, now_ms)?;
            sign_in.map_or(Ok(()), |s| open(tx, &s, now_ms))?;
            match enrolment {
                Some(token) => {
                    enrolment_tokens::redeem(tx, events, token, user, true, quota, now_ms).map(drop)
                }
                None => Ok(()),
            }
        })
        .await
    }
    /// Opens a sign-in of an account whose password was verified.
    ///
    /// # Errors
    /// `NotActive`.
    pub async fn open_sign_in(&self, sign_in: NewSignIn, now_ms: i64) -> DomainResult<()> {
        self.write("open_sign_in", move |tx| {
            // The account may have been suspended while its password was verified.
            if !tx.is_active(sign_in.user)? {
                return Err(DomainError::NotActive);
            }
            Ok(open(tx, &sign_in, now_ms)?)
        })
        .await
    }
    /// Redeems a refresh token and stores the next access token. Reuse of a token ends its sign-in.
    pub async fn rotate_refresh_token(
        &self,
        rotation: Rotation,
        now_ms: i64,
    ) -> DomainResult<Rotated> {
        let write = self.write_with_events("rotate_refresh_token", move |tx, events| {
            let rotated = rotate(tx, &rotation, now_ms)?;
            if let Rotated::Reused { user, sign_in } = rotated {
                events.push(Event::SignInEnded { user, sign_in });
            }
            Ok::<_, StoreError>(rotated)
        });
        Ok(write.await?)
    }
    /// Returns true if a sign-in has ended or was deleted.
    pub async fn is_ended(&self, sign_in: Uuid) -> DomainResult<bool> {
        let found = self.read("is_ended", move |tx| tx.sign_in(sign_in)).await?;
        Ok(found.is_none_or(|sign_in| sign_in.is_ended))
    }
    /// Returns the user and sign-in of an access token, by its hash.
    pub async fn signed_in(&self, access: [u8; 32], now_ms: i64) -> DomainResult<Option<SignedIn>> {
        Ok(self.read("signed_in", move |tx| tx.signed_in(access, now_ms)).await?)
    }
    /// Replaces the password of the account with this login by a PHC string and ends all its sign-ins. An empty text
    /// leaves the account without a password: no one can sign in. Returns the account and the number of ended sign-ins.
    ///
    /// # Errors
    /// `NoLogin` if there is no such account.
    pub async fn reset_password(
        &self,
        login: &str,
        password: String,
        now_ms: i64,
    ) -> DomainResult<(UserInfo, usize)> {
        let login = login.to_owned();
        self.write_with_events("reset_password", move |tx, events| {
            let (user, ended) = reset_password(tx, &login, &password, now_ms)?;
            let count = ended.len();
            events.extend(ended.into_iter().map(Event::from));
            Ok::<_, DomainError>((user, count))
        })
        .await
    }
    /// Ends the sign-in of a token. Returns false if there is none or it has already ended.
    pub async fn sign_out(&self, presented: PresentedToken, now_ms: i64) -> DomainResult<bool> {
        let write = self.write_with_events("sign_out", move |tx, events| {
            let ended = sign_out(tx, &presented, now_ms)?;
            events.extend(ended.map(|(user, sign_in)| Event::SignInEnded { user, sign_in }));
            Ok::<_, StoreError>(ended.is_some())
        });
        Ok(write.await?)
    }
}
