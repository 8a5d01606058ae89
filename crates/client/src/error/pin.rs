//! Why a PIN was not accepted.

use carrel_model::ErrorCode;

/// A PIN that was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    #[error("a PIN has 4 to 12 digits")]
    Invalid,
    #[error("the account has a PIN; hint: enter it, or sign in with the password")]
    Required,
    /// The PIN is wrong. The next attempt is possible after `wait_ms`.
    #[error("the PIN is wrong")]
    Wrong { wait_ms: i64 },
    /// The PIN was not checked, because the last wrong attempt was less than the delay ago.
    #[error("too many wrong PINs; hint: try again in {} s", wait_ms.div_euclid(1_000).saturating_add(1))]
    Wait { wait_ms: i64 },
}

impl PinError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid => ErrorCode::InvalidRequest,
            Self::Required | Self::Wrong { .. } => ErrorCode::BadCredentials,
            Self::Wait { .. } => ErrorCode::RateLimited,
        }
    }
    /// Returns the code of the reason, for the UI.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Invalid => "pin_invalid",
            Self::Required => "pin_required",
            Self::Wrong { .. } => "pin_wrong",
            Self::Wait { .. } => "pin_wait",
        }
    }
    /// Returns the time before the next attempt, in milliseconds.
    pub fn wait_ms(&self) -> Option<u64> {
        match self {
            Self::Wrong { wait_ms } | Self::Wait { wait_ms } => {
                Some(wait_ms.unsigned_abs()).filter(|ms| *ms > 0)
            }
            Self::Invalid | Self::Required => None,
        }
    }
}
