//! Sign-ins and their tokens.

use carrel_model::{DeviceId, UserId, wire::UserInfo};
use uuid::Uuid;

use crate::Result;

/// A sign-in on one device, as stored.
#[derive(Debug, Clone, Copy)]
pub struct SignInRow {
    pub user: UserId,
    pub device: DeviceId,
    pub is_ended: bool,
    /// In a branch without a row, generations up to this one count as redeemed.
    pub redeemed_floor: i64,
}

/// The last redeemed generation of a branch, and the time of its redemption.
#[derive(Debug, Clone, Copy)]
pub struct Redemption {
    pub generation: i64,
    pub at_ms: i64,
}

/// User and sign-in of a valid access token.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub user: UserInfo,
    /// The account is marked as one of an operator.
    pub is_operator: bool,
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
    /// Lists the sign-ins of an account that have not ended.
    fn open_sign_ins(&self, user: UserId) -> Result<Vec<Uuid>>;
    /// Sets the time after which the row may be deleted: the expiry of the last refresh token. Does not set an earlier
    /// time.
    fn extend_sign_in(&self, id: Uuid, expires_ms: i64) -> Result<()>;
    /// Marks a sign-in as ended and deletes its tokens, branches and device report.
    fn end_sign_in(&self, id: Uuid, ended_ms: i64) -> Result<()>;
    /// Replaces what the device of a sign-in reported about itself. Does nothing if the sign-in has ended.
    fn put_device_report(&self, sign_in: Uuid, reported_ms: i64, report: &str) -> Result<()>;
    fn raise_redeemed_floor(&self, id: Uuid, generation: i64) -> Result<()>;

    fn redemption(&self, sign_in: Uuid, branch: u32) -> Result<Option<Redemption>>;
    fn put_redemption(&self, sign_in: Uuid, branch: u32, redemption: Redemption) -> Result<()>;
    /// Returns all branches except the `keep` most recently redeemed ones.
    fn old_branches(&self, sign_in: Uuid, keep: u32) -> Result<Vec<(u32, Redemption)>>;
    fn delete_branch(&self, sign_in: Uuid, branch: u32) -> Result<()>;

    /// Returns sign-in and generation of a random refresh token of an earlier release.
    fn opaque_refresh_token(&self, hash: [u8; 32], now_ms: i64) -> Result<Option<(Uuid, i64)>>;
    fn delete_opaque_refresh_tokens(&self, sign_in: Uuid, before_generation: i64) -> Result<()>;
    fn insert_access_token(&self, sign_in: Uuid, hash: [u8; 32], expires_ms: i64) -> Result<()>;
    /// Deletes the expired tokens of a sign-in, and its access tokens except the `keep` that expire last.
    fn trim_tokens(&self, sign_in: Uuid, now_ms: i64, keep: u32) -> Result<()>;
    /// Returns the sign-in of a token of any kind.
    fn sign_in_of_token(&self, hash: [u8; 32]) -> Result<Option<Uuid>>;
    fn signed_in(&self, access: [u8; 32], now_ms: i64) -> Result<Option<SignedIn>>;

    /// Deletes sign-ins whose tokens have all expired, the oldest first: at most `max`, or all if `None`. Returns the
    /// number of deleted sign-ins.
    fn delete_expired_sign_ins(&self, now_ms: i64, max: Option<u32>) -> Result<u64>;
    fn delete_all_sign_ins(&self) -> Result<()>;
}
