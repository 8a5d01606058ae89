//! Messages to send, written in the transaction of their cause.

use carrel_model::UserId;
use uuid::Uuid;

use crate::Result;

/// Why a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// The person, or somebody else, asked for a new password.
    Reset,
    /// Staff invite the person.
    Invitation,
}

impl MailKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Invitation => "invitation",
        }
    }
    pub fn of(text: &str) -> Self {
        if text == "reset" { Self::Reset } else { Self::Invitation }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailState {
    Waiting,
    /// The mail server accepted it.
    Sent,
    /// The mail server refused it for good, or its cause no longer holds.
    Refused,
    /// It could not be sent before its deadline.
    Expired,
}

impl MailState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Refused => "refused",
            Self::Expired => "expired",
        }
    }
    pub fn of(text: &str) -> Self {
        let all = [Self::Waiting, Self::Sent, Self::Refused];
        all.into_iter().find(|state| state.as_str() == text).unwrap_or(Self::Expired)
    }
}

/// A message as stored. Its text and its code are made when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailRow {
    pub id: Uuid,
    pub user: UserId,
    pub kind: MailKind,
    pub address: String,
    /// Language tag.
    pub lang: String,
    pub created_ms: i64,
    /// Time of the next attempt.
    pub due_ms: i64,
    pub deadline_ms: i64,
    pub attempts: u32,
    pub state: MailState,
    /// Of the last attempt; empty if there is none.
    pub error: String,
}

pub trait MailTx {
    /// Inserts a message, or replaces the one with its id.
    fn put_mail(&self, mail: &MailRow) -> Result<()>;
    fn mail(&self, id: Uuid) -> Result<Option<MailRow>>;
    /// Returns the first waiting message that is due. An engine with several writers must lock it, and skip those locked
    /// by other transactions.
    fn due_mail(&self, now_ms: i64) -> Result<Option<MailRow>>;
    /// Returns the latest messages, the latest first.
    fn latest_mails(&self, limit: u32) -> Result<Vec<MailRow>>;
    /// Returns the number of messages of a kind to an account since a time.
    fn count_mails(&self, user: UserId, kind: MailKind, since_ms: i64) -> Result<u64>;
    /// Deletes the waiting messages to an account, whose codes are void.
    fn delete_waiting_mails(&self, user: UserId) -> Result<()>;
    /// Deletes the messages created before a time. Returns their number.
    fn delete_mails(&self, before_ms: i64, limit: Option<u32>) -> Result<u64>;
}
