//! Sign-ins and their tokens.

use carrel_model::{DeviceId, UserId, wire::UserInfo};
use uuid::Uuid;

use crate::store::Result;

/// One sign-in on one device, as it is stored.
#[derive(Debug, Clone, Copy)]
pub struct SignInRow {
    pub user: UserId,
    pub device: DeviceId,
    pub is_ended: bool,
    /// Generations up to this one are redeemed in every branch that has no row of its own.
    pub redeemed_floor: i64,
}

/// The last generation of a branch that was redeemed, and when.
#[derive(Debug, Clone, Copy)]
pub struct Redemption {
    pub generation: i64,
    pub at_ms: i64,
}

/// Who a valid access token belongs to.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub user: UserInfo,
    pub sign_in: Uuid,
    pub device: DeviceId,
    pub expires_ms: i64,
}

pub trait SessionTx {
    fn sign_in(&self, id: Uuid) -> Result<Option<SignInRow>>;
    fn insert_sign_in(
        &self,
        id: Uuid,
        user: UserId,
        device: DeviceId,
        device_name: &str,
        now_ms: i64,
    ) -> Result<()>;
    /// The row is deleted when the last refresh token has expired: never earlier than before.
    fn extend_sign_in(&self, id: Uuid, expires_ms: i64) -> Result<()>;
    /// Marks it as ended and deletes its access tokens and branches.
    fn end_sign_in(&self, id: Uuid, ended_ms: i64) -> Result<()>;
    fn raise_redeemed_floor(&self, id: Uuid, generation: i64) -> Result<()>;

    fn redemption(&self, sign_in: Uuid, branch: u32) -> Result<Option<Redemption>>;
    fn put_redemption(&self, sign_in: Uuid, branch: u32, redemption: Redemption) -> Result<()>;
    /// Branches after the `keep` that were redeemed last.
    fn old_branches(&self, sign_in: Uuid, keep: u32) -> Result<Vec<(u32, Redemption)>>;
    fn delete_branch(&self, sign_in: Uuid, branch: u32) -> Result<()>;

    /// The sign-in and the generation of a random refresh token of an earlier release.
    fn opaque_refresh_token(&self, hash: [u8; 32], now_ms: i64) -> Result<Option<(Uuid, i64)>>;
    fn delete_opaque_refresh_tokens(&self, sign_in: Uuid, before_generation: i64) -> Result<()>;
    fn insert_access_token(&self, sign_in: Uuid, hash: [u8; 32], expires_ms: i64) -> Result<()>;
    /// Deletes the tokens of a sign-in that have expired, and access tokens after the `keep` that expire last.
    fn trim_tokens(&self, sign_in: Uuid, now_ms: i64, keep: u32) -> Result<()>;
    /// The sign-in of any token.
    fn sign_in_of_token(&self, hash: [u8; 32]) -> Result<Option<Uuid>>;
    fn signed_in(&self, access: [u8; 32], now_ms: i64) -> Result<Option<SignedIn>>;

    /// Deletes sign-ins whose tokens have all expired, the oldest first; `most` none: all of them. Returns how many.
    fn delete_expired_sign_ins(&self, now_ms: i64, most: Option<u32>) -> Result<u64>;
    fn delete_all_sign_ins(&self) -> Result<()>;
}
