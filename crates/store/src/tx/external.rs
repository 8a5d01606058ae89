//! Sign-in with an identity provider: sign-ins that have begun, codes for the app, and links of accounts.

use carrel_model::{DeviceId, UserId};

use crate::Result;

/// A sign-in whose browser is at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalFlowRow {
    /// Hash of the state that the provider returns.
    pub state: [u8; 32],
    /// Hash of the cookie of the browser.
    pub browser: [u8; 32],
    pub nonce: String,
    /// PKCE verifier for the provider.
    pub verifier: String,
    /// PKCE challenge of the app.
    pub challenge: String,
    pub device: DeviceId,
    pub expires_ms: i64,
}

/// A code with which the app finishes a sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalCodeRow {
    pub hash: [u8; 32],
    pub user: UserId,
    pub challenge: String,
    pub device: DeviceId,
    pub expires_ms: i64,
}

/// A link between a subject of a provider and an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalIdentityRow {
    /// Hash of issuer and subject.
    pub key: [u8; 32],
    /// The account may have been deleted.
    pub user: UserId,
    /// Empty after the account was deleted, like `subject`.
    pub issuer: String,
    pub subject: String,
    pub linked_ms: i64,
}

pub trait ExternalTx {
    fn put_external_flow(&self, flow: &ExternalFlowRow) -> Result<()>;
    /// Deletes the sign-in with this state and returns it: only one transaction gets it.
    fn take_external_flow(&self, state: [u8; 32]) -> Result<Option<ExternalFlowRow>>;
    fn put_external_code(&self, code: &ExternalCodeRow) -> Result<()>;
    /// Deletes a code and returns it: only one transaction gets it.
    fn take_external_code(&self, hash: [u8; 32]) -> Result<Option<ExternalCodeRow>>;
    /// Deletes sign-ins and codes that have expired, at most `limit` of each. Returns their number.
    fn delete_expired_external(&self, now_ms: i64, limit: Option<u32>) -> Result<u64>;
    /// Returns a link. Until the end of the transaction no other one can add it.
    fn external_identity(&self, key: [u8; 32]) -> Result<Option<ExternalIdentityRow>>;
    /// Stores a link in place of an earlier one of the same subject.
    fn put_external_identity(&self, identity: &ExternalIdentityRow) -> Result<()>;
    /// Returns the links of an account, the oldest first.
    fn external_identities_of(&self, user: UserId) -> Result<Vec<ExternalIdentityRow>>;
    /// Returns the number of deleted links.
    fn delete_external_identities(&self, user: UserId) -> Result<u64>;
    /// Removes the texts of the links of an account that is deleted.
    fn clear_external_identities(&self, user: UserId) -> Result<()>;
}
