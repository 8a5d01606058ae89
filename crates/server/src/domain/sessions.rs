//! Sign-ins: how their tokens are rotated, and how the reuse of a refresh token is noticed.
//!
//! Not here: the form of tokens (`tokens`), passwords (`password`), who may try how often (`rate_limits`).

use carrel_model::{DeviceId, UserId};
use uuid::Uuid;

use super::{
    DomainResult,
    accounts::{self, NewAccount},
    retention,
};
use crate::{
    events::Event,
    store::{
        SignedIn, Store, StoreError,
        tx::{Redemption, StoredAccount, Tx},
    },
    tokens::{AccountCertificate, RefreshToken},
};

/// Branches of refresh tokens that are remembered for one sign-in.
const MAX_BRANCHES: u32 = 8;
/// Access tokens that are valid at the same time for one sign-in.
const MAX_ACCESS_TOKENS: u32 = 8;

/// A sign-in to open.
#[derive(Debug, Clone)]
pub struct NewSignIn {
    pub id: Uuid,
    pub user: UserId,
    pub device: DeviceId,
    pub device_name: String,
    /// The hash of the access token, and when it expires.
    pub access: ([u8; 32], i64),
    pub refresh_expires_ms: i64,
}

/// A token as it was presented.
#[derive(Debug, Clone, Copy)]
pub enum Presented {
    /// A refresh token whose MAC is that of this server.
    Signed(RefreshToken),
    /// Anything else, by its hash: a random refresh token of an older release, or an access token.
    Opaque([u8; 32]),
}

/// A refresh token that was presented, and what to store if it is valid.
#[derive(Clone)]
pub struct Rotation {
    pub presented: Presented,
    /// Proves the account if the database does not know it.
    pub certificate: Option<AccountCertificate>,
    pub access: ([u8; 32], i64),
    pub refresh_expires_ms: i64,
    /// Random; the branch of an answer that is sent again.
    pub new_branch: u32,
    /// For so long a refresh token may be used again, in case the reply was lost.
    pub grace_ms: i64,
}

/// What became of a refresh token.
#[derive(Clone)]
pub enum Rotated {
    /// The new access token is stored; `next` is the refresh token to issue.
    Ok { account: StoredAccount, next: RefreshToken },
    /// Never seen, expired, or of a sign-in that is over.
    Unknown,
    /// Used again after its grace: the whole sign-in is ended.
    Reused { user: UserId, sign_in: Uuid },
}

pub(super) fn open(tx: &dyn Tx, s: &NewSignIn, now_ms: i64) -> Result<(), StoreError> {
    tx.insert_sign_in(s.id, s.user, s.device, &s.device_name, now_ms)?;
    add_access(tx, s.id, s.access, now_ms)?;
    tx.extend_sign_in(s.id, s.refresh_expires_ms)?;
    retention::purge(tx, now_ms, Some(retention::PURGED_PER_CALL))?;
    Ok(())
}

/// Stores an access token by its hash; of a sign-in's older ones only those that are still valid, and not too many.
fn add_access(
    tx: &dyn Tx,
    sign_in: Uuid,
    (hash, expires_ms): ([u8; 32], i64),
    now_ms: i64,
) -> Result<(), StoreError> {
    tx.trim_tokens(sign_in, now_ms, MAX_ACCESS_TOKENS - 1)?;
    tx.insert_access_token(sign_in, hash, expires_ms)
}

/// Ends a sign-in. Its row stays, because its refresh tokens carry their own proof until they expire.
fn end(tx: &dyn Tx, sign_in: Uuid, now_ms: i64) -> Result<(), StoreError> {
    tx.end_sign_in(sign_in, now_ms.max(1))
}

/// A refresh token as it was presented: of which sign-in, in which branch, which generation.
struct Place {
    sign_in: Uuid,
    branch: u32,
    generation: i64,
    signed: Option<RefreshToken>,
}

fn place_of(tx: &dyn Tx, presented: &Presented, now_ms: i64) -> Result<Option<Place>, StoreError> {
    Ok(match presented {
        Presented::Signed(t) if t.is_expired(now_ms) => None,
        Presented::Signed(t) => Some(Place {
            sign_in: t.sign_in,
            branch: t.branch,
            generation: t.generation,
            signed: Some(*t),
        }),
        // Of a release whose refresh tokens were random and stored by their hash.
        Presented::Opaque(hash) => tx
            .opaque_refresh_token(*hash, now_ms)?
            .map(|(sign_in, generation)| Place { sign_in, branch: 0, generation, signed: None }),
    })
}

/// The generation decides. A later one than the last redeemed is valid, also if some are left out: a restored database is behind. The
/// last redeemed one is answered again within its grace (the reply was lost). An older one means that two hold the same token.
fn rotate(tx: &dyn Tx, rotation: &Rotation, now_ms: i64) -> Result<Rotated, StoreError> {
    let Some(place) = place_of(tx, &rotation.presented, now_ms)? else {
        return Ok(Rotated::Unknown);
    };
    let (account, device, floor) = match (tx.sign_in(place.sign_in)?, place.signed) {
        (Some(known), _) if known.is_ended => return Ok(Rotated::Unknown),
        (Some(known), _) => (tx.account_by_id(known.user)?, known.device, known.redeemed_floor),
        // Signed in after the backup that this database was restored from.
        (None, Some(t)) => {
            let account = accounts::of_token(tx, t.user, rotation.certificate.as_ref(), now_ms)?;
            if let Some(account) = &account {
                tx.insert_sign_in(t.sign_in, account.user.id, t.device, "", now_ms)?;
            }
            (account, t.device, 0)
        }
        (None, None) => return Ok(Rotated::Unknown),
    };
    let Some(account) = account else { return Ok(Rotated::Unknown) };
    let last = tx.redemption(place.sign_in, place.branch)?;
    let branch = match last {
        Some(last)
            if place.generation == last.generation && now_ms - last.at_ms <= rotation.grace_ms =>
        {
            rotation.new_branch
        }
        _ if place.generation > last.map_or(floor, |last| last.generation) => {
            let redeemed = Redemption { generation: place.generation, at_ms: now_ms };
            tx.put_redemption(place.sign_in, place.branch, redeemed)?;
            forget_old_branches(tx, place.sign_in)?;
            place.branch
        }
        _ => {
            end(tx, place.sign_in, now_ms)?;
            return Ok(Rotated::Reused { user: account.user.id, sign_in: place.sign_in });
        }
    };
    tx.delete_opaque_refresh_tokens(place.sign_in, place.generation)?;
    add_access(tx, place.sign_in, rotation.access, now_ms)?;
    tx.extend_sign_in(place.sign_in, rotation.refresh_expires_ms)?;
    retention::purge(tx, now_ms, Some(retention::PURGED_PER_CALL))?;
    let next = RefreshToken {
        sign_in: place.sign_in,
        branch,
        user: account.user.id,
        device,
        generation: place.generation + 1,
        issued_ms: now_ms,
        expires_ms: rotation.refresh_expires_ms,
    };
    Ok(Rotated::Ok { account, next })
}

/// Lost replies leave branches behind that nobody follows. Their generations stay redeemed by the floor.
fn forget_old_branches(tx: &dyn Tx, sign_in: Uuid) -> Result<(), StoreError> {
    for (branch, redeemed) in tx.old_branches(sign_in, MAX_BRANCHES)? {
        tx.delete_branch(sign_in, branch)?;
        tx.raise_redeemed_floor(sign_in, redeemed.generation)?;
    }
    Ok(())
}

/// Ends the sign-in of a token, whichever kind of token it is.
fn sign_out(
    tx: &dyn Tx,
    presented: &Presented,
    now_ms: i64,
) -> Result<Option<(UserId, Uuid)>, StoreError> {
    let sign_in = match presented {
        Presented::Opaque(hash) => tx.sign_in_of_token(*hash)?,
        Presented::Signed(t) => {
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

impl Store {
    /// Makes an account and opens a sign-in. `LoginTaken` and `LoginLooksLikeAnother` if the login is not free.
    pub async fn add_account(
        &self,
        account: NewAccount,
        sign_in: Option<NewSignIn>,
        now_ms: i64,
    ) -> DomainResult<()> {
        self.write("add_account", move |tx| {
            accounts::add(tx, account, now_ms)?;
            sign_in.map_or(Ok(()), |s| Ok(open(tx, &s, now_ms)?))
        })
        .await
    }
    pub async fn open_sign_in(&self, sign_in: NewSignIn, now_ms: i64) -> DomainResult<()> {
        Ok(self.write("open_sign_in", move |tx| open(tx, &sign_in, now_ms)).await?)
    }
    /// Redeems a refresh token and stores the next access token. The reuse of a token ends its sign-in.
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
    /// Who an access token belongs to, by its hash.
    pub async fn signed_in(&self, access: [u8; 32], now_ms: i64) -> DomainResult<Option<SignedIn>> {
        Ok(self.read("signed_in", move |tx| tx.signed_in(access, now_ms)).await?)
    }
    /// Ends the sign-in that a token belongs to. False if there is none, or it was over.
    pub async fn sign_out(&self, presented: Presented, now_ms: i64) -> DomainResult<bool> {
        let write = self.write_with_events("sign_out", move |tx, events| {
            let ended = sign_out(tx, &presented, now_ms)?;
            events.extend(ended.map(|(user, sign_in)| Event::SignInEnded { user, sign_in }));
            Ok::<_, StoreError>(ended.is_some())
        });
        Ok(write.await?)
    }
}
