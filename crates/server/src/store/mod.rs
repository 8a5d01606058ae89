//! What the server keeps, as a narrow trait: accounts, sign-ins, the catalogue, learners' rows. `sqlite` is the engine by default;
//! another engine must pass the same tests (`tests/api`).
//!
//! Not here: HTTP, passwords, tokens in the clear, the bytes of blobs (files, see `blobs`).

pub mod sqlite;

use async_trait::async_trait;
use carrel_model::{
    BlobHash, DeviceId, ErrorCode, ItemId, Slug, UserId,
    content::{Difficulty, ManifestBlob},
    lattice::{ENROLMENT, Kv, Progress, Row, Session},
    wire::{ResultCode, Role, SearchHit, UserInfo},
};

pub use sqlite::SqliteStore;
use uuid::Uuid;

use crate::tokens::{AccountCertificate, RefreshToken};

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// What goes wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Sqlite(#[from] carrel_sqlite::Error),
    #[error("the login {0:?} is taken")]
    LoginTaken(String),
    #[error("the login {0:?} looks like one that is taken")]
    LoginLooksLikeAnother(String),
    #[error("login: {0}")]
    BadLogin(String),
    #[error("there is no account {0}")]
    NoAccount(UserId),
    /// The transaction that this belonged to was not committed.
    #[error("not committed: {0}")]
    NotCommitted(String),
    #[error("the store is closed")]
    Closed,
    #[error("stored {what} cannot be read: {problem}")]
    Unreadable { what: &'static str, problem: String },
}
impl From<rusqlite::Error> for StoreError {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sqlite(e.into())
    }
}
impl StoreError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Sqlite(e) => match e.code() {
                // A full or busy disk is not the client's to solve: it comes back later.
                ErrorCode::DiskFull | ErrorCode::Unavailable => ErrorCode::Unavailable,
                _ => ErrorCode::Internal,
            },
            Self::LoginTaken(_) | Self::LoginLooksLikeAnother(_) => ErrorCode::Conflict,
            Self::BadLogin(_) => ErrorCode::InvalidRequest,
            Self::NoAccount(_) => ErrorCode::NotFound,
            Self::NotCommitted(_) | Self::Closed => ErrorCode::Unavailable,
            Self::Unreadable { .. } => ErrorCode::Internal,
        }
    }
}

/// An account to make. `password` is a PHC string.
#[derive(Clone)]
pub struct NewAccount {
    pub user: UserInfo,
    pub password: String,
}

/// An account as it is kept.
#[derive(Clone)]
pub struct Account {
    pub user: UserInfo,
    /// PHC string; empty if the account has no password.
    pub password: String,
    /// The learner has signed in on the device in question before.
    pub knows_device: bool,
}

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

/// A refresh token as it was presented.
#[derive(Debug, Clone, Copy)]
pub enum Presented {
    /// Its MAC is ours.
    Signed(RefreshToken),
    /// Anything else, by its hash: a random refresh token of an older release, or an access token.
    Opaque([u8; 32]),
}

/// A refresh token to redeem, and what to keep if it is good.
#[derive(Clone)]
pub struct Redeem {
    pub presented: Presented,
    /// Proves the account if the database does not know it.
    pub certificate: Option<AccountCertificate>,
    pub access: ([u8; 32], i64),
    pub refresh_expires_ms: i64,
    /// Random; the line of an answer that is sent again.
    pub new_branch: u32,
    pub grace_ms: i64,
}

/// The work of an account that is not known here is to belong to `user`.
#[derive(Debug, Clone)]
pub struct Adoption {
    pub user: UserId,
    pub other: UserId,
    /// The proof is a certificate: `user` must have this login. `None`: the possession of a sign-in is proved.
    pub login_must_be: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adopted {
    /// Now or before.
    Done,
    /// The other account is known here: it can sign in itself.
    HasAccount,
    ByAnother,
    OtherLogin,
}

/// Who a good access token belongs to.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub user: UserInfo,
    pub sign_in: Uuid,
    pub device: DeviceId,
    pub expires_ms: i64,
}

/// What became of a refresh token.
#[derive(Clone)]
pub enum Redeemed {
    /// The new access token is kept; `next` is the refresh token to issue.
    Ok { account: Account, next: RefreshToken },
    /// Never seen, expired, or of a sign-in that is over.
    Unknown,
    /// Used again after its grace: the whole sign-in is revoked.
    Reused { user: UserId, sign_in: Uuid },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Course,
    Story,
}
impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Course => "course",
            Self::Story => "story",
        }
    }
}

/// Which publications, and which page of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub q: Option<String>,
    pub difficulty: Option<Difficulty>,
    pub level: Option<u8>,
    pub category: Option<String>,
    pub lang: Option<String>,
    pub offset: u64,
    pub limit: u32,
}

/// A course or story as it is kept: replies are JSON text, ready to send.
#[derive(Debug, Clone)]
pub struct Publication {
    pub kind: Kind,
    pub id: Slug,
    pub title: String,
    pub lang: String,
    pub category: String,
    pub difficulty: Option<Difficulty>,
    pub level: u8,
    pub summary: String,
    pub reply: String,
    pub manifest: String,
    pub version: BlobHash,
    pub blobs: Vec<ManifestBlob>,
    pub quizzes: Vec<PublishedQuiz>,
    pub passages: Vec<Passage>,
}

/// A compiled quiz: `body` is the JSON of `content::Quiz` whose hash is `hash`.
#[derive(Debug, Clone)]
pub struct PublishedQuiz {
    pub hash: BlobHash,
    pub item: ItemId,
    pub body: String,
}

/// A text to search.
#[derive(Debug, Clone)]
pub struct Passage {
    pub kind: carrel_model::wire::SearchKind,
    pub item: ItemId,
    pub lang: String,
    pub title: String,
    pub text: String,
}

/// One publication's kept replies.
#[derive(Debug, Clone)]
pub struct Published {
    pub reply: String,
    pub manifest: String,
    pub version: BlobHash,
}

/// Part of a list, and how long the whole is.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    pub items: Vec<T>,
    pub total: u64,
}

/// Why a row is not taken.
pub type Refusal = (ResultCode, String);

/// What the rows of one learner may take. New rows are refused beyond it. A change of a row that is there passes as long as it does not
/// make the row larger, and a larger one up to a quarter more than `bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    pub rows: u64,
    pub bytes: u64,
}
impl Default for Quota {
    fn default() -> Self {
        Self { rows: 1_000_000, bytes: 512 * 1024 * 1024 }
    }
}

/// What a batch of rows did.
#[derive(Debug, Clone, Default)]
pub struct Pushed {
    /// The learner's change number now.
    pub usn: u64,
    /// Rows that changed, the server's own (grades, decisions) among them.
    pub changed: u64,
    /// The change number before, if every row that changed became exactly what was sent, and nothing else changed.
    pub own_since: Option<u64>,
    pub payload_conflicts: u64,
    /// Rows that were not taken: their place in the batch, and why.
    pub refused: Vec<(usize, Refusal)>,
    /// The joined row for each of the batch, in its order; only if they were asked for.
    pub rows: Vec<Option<Row>>,
}

/// What `enrol` did.
#[derive(Debug, Clone)]
pub struct Enrolled {
    pub decision: Option<carrel_model::lattice::Decision>,
    pub usn: u64,
    pub changed: u64,
}

/// Everything the server needs to keep. All calls are safe to cancel: a started write is finished.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The random id of this database, made with it and again by a restore.
    async fn epoch(&self) -> Result<String>;
    /// The random id of this server, made with its database and kept by backup and restore.
    async fn server_id(&self) -> Result<String>;

    /// `LoginTaken` if the login exists in any case.
    async fn add_account(
        &self,
        account: NewAccount,
        sign_in: Option<NewSignIn>,
        now_ms: i64,
    ) -> Result<()>;
    /// The account with this login. `device`: has the learner signed in there before?
    async fn account(&self, login: &str, device: Option<DeviceId>) -> Result<Option<Account>>;
    async fn account_by_id(&self, id: UserId) -> Result<Option<Account>>;
    /// Replaces the PHC string of an account.
    async fn set_password(&self, id: UserId, password: String) -> Result<()>;
    /// Creates an account that this database does not know again, with its id and as a student.
    async fn recreate_account(
        &self,
        certificate: AccountCertificate,
        now_ms: i64,
    ) -> Result<Account>;
    async fn adopt(&self, adoption: Adoption, now_ms: i64) -> Result<Adopted>;
    async fn open_sign_in(&self, sign_in: NewSignIn, now_ms: i64) -> Result<()>;
    /// Redeems a refresh token and keeps the next access token, in one transaction.
    async fn redeem(&self, request: Redeem, now_ms: i64) -> Result<Redeemed>;
    async fn signed_in(&self, access: [u8; 32], now_ms: i64) -> Result<Option<SignedIn>>;
    /// Ends the sign-in that a token belongs to. `None` if there is none, or it was over.
    async fn sign_out(&self, presented: Presented, now_ms: i64) -> Result<Option<(UserId, Uuid)>>;

    /// Raised by each import.
    async fn catalogue_revision(&self) -> Result<u64>;
    /// Puts a course or story into the catalogue in place of an older version, whole or not at all.
    async fn publish(&self, publication: Publication, now_ms: i64) -> Result<()>;
    /// Summaries (JSON each), by title; by relevance if `q` is given.
    async fn list(&self, kind: Kind, filter: Filter) -> Result<Listed<String>>;
    async fn published(&self, kind: Kind, id: &Slug) -> Result<Option<Published>>;
    async fn search(&self, q: &str, offset: u64, limit: u32) -> Result<Listed<SearchHit>>;
    async fn blob(&self, hash: BlobHash) -> Result<Option<ManifestBlob>>;
    /// All blobs that a publication names, for backups and exports.
    async fn blobs(&self) -> Result<Vec<ManifestBlob>>;

    /// Joins rows that were validated and folded. One change number for each row that changes; grades and decisions follow in the
    /// same transaction.
    async fn push(
        &self,
        user: UserId,
        rows: Vec<Row>,
        give_rows: bool,
        now_ms: i64,
    ) -> Result<Pushed>;
    /// Rows with a greater change number, in its order, and whether there are more. No more rows are read after about `max_bytes`.
    async fn pull(
        &self,
        user: UserId,
        since: u64,
        limit: u32,
        max_bytes: usize,
    ) -> Result<(Vec<(u64, Row)>, bool)>;
    /// The learner's change number.
    async fn usn(&self, user: UserId) -> Result<u64>;
    /// Progress and sessions on a course or story.
    async fn progress(&self, user: UserId, root: &Slug) -> Result<(Vec<Progress>, Vec<Session>)>;
    /// Writes the learner's intent (as `device`) and the decision that follows. `false` takes the intent back.
    async fn enrol(
        &self,
        user: UserId,
        course: &Slug,
        device: DeviceId,
        wanted: bool,
        now_ms: i64,
    ) -> Result<Enrolled>;
}

/// JSON: the learner wants to be in the course.
pub const WANTED: &str = "true";
/// JSON: not, or not any more.
pub const NOT_WANTED: &str = "null";

/// True if this register says that the learner wants to be in the course.
pub fn is_wanted(kv: &Kv) -> bool {
    kv.ns == ENROLMENT && kv.value == WANTED
}

pub(crate) fn role_text(role: Role) -> &'static str {
    match role {
        Role::Student => "student",
        Role::Instructor => "instructor",
        Role::Administrator => "administrator",
    }
}
