//! The faults of a file, each with a stable code from which the UI chooses its text.
//!
//! Not here: reasons that depend on this device, such as missing space (`carrel_client`).

use carrel_model::{BlobHash, ErrorCode, Slug};

pub type Result<T, E = Fault> = std::result::Result<T, E>;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the file is empty")]
    Empty,
    #[error("this is not a file that Carrel wrote")]
    NotCarrel,
    /// Its first bytes were changed by a text conversion.
    #[error("the file was changed on the way, as if it were text")]
    Mangled,
    #[error("the file has {have} bytes, {need} belong to it")]
    Truncated { have: u64, need: u64 },
    #[error("{extra} bytes follow after the end")]
    TooLong { extra: u64 },
    #[error("its head has {bytes} bytes, the most is {limit}")]
    HeadTooLarge { bytes: u64, limit: u64 },
    #[error("its head is damaged")]
    HeadDamaged,
    #[error("its head cannot be read: {0}")]
    HeadUnreadable(String),
    #[error("it is written as {0:?}, which this version does not read")]
    Newer(String),
    #[error("it carries nothing")]
    Nothing,
    #[error("it carries {0} courses, the most is {1}")]
    TooManyCourses(usize, usize),
    #[error("{0} is in it twice")]
    Twice(Slug),
    #[error("a key or a signature in it is not hex of the right length")]
    KeyMalformed,
    #[error("a signature in it does not fit: somebody changed what was signed")]
    SignatureWrong,
    #[error("its courses are signed with more than one key")]
    ManyKeys,
    #[error("a manifest in it cannot be read: {0}")]
    ManifestUnreadable(String),
    #[error("two manifests name blob {0:?} with two sizes")]
    SizesDiffer(BlobHash),
    #[error("{course} needs blob {blob:?}, which its manifest does not list")]
    Dangling { course: Slug, blob: BlobHash },
    #[error("it says that it carries more bytes than there can be")]
    Impossible,
    #[error("the bytes of blob {0:?} are damaged")]
    BlobDamaged(BlobHash),
    #[error("its rows are damaged")]
    RowsDamaged,
    #[error("it carries {have} rows, its head says {said}")]
    RowsMiscounted { have: u64, said: u64 },
    /// Reading failed: the drive was removed, or the disk has a fault.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

impl Fault {
    /// Returns a code that is stable across releases; the UI has a message for each.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotCarrel => "not_carrel",
            Self::Mangled => "mangled",
            Self::Truncated { .. } => "truncated",
            Self::TooLong { .. } => "too_long",
            Self::HeadTooLarge { .. } => "head_too_large",
            Self::HeadDamaged | Self::HeadUnreadable(_) => "head_damaged",
            Self::Newer(_) => "newer",
            Self::Nothing => "nothing",
            Self::TooManyCourses(..) => "too_many",
            Self::Twice(_) => "twice",
            Self::KeyMalformed => "key_malformed",
            Self::SignatureWrong => "signature_wrong",
            Self::ManyKeys => "many_keys",
            Self::ManifestUnreadable(_) => "manifest_unreadable",
            Self::SizesDiffer(_) => "sizes_differ",
            Self::Dangling { .. } => "dangling",
            Self::Impossible => "impossible",
            Self::BlobDamaged(_) => "blob_damaged",
            Self::RowsDamaged | Self::RowsMiscounted { .. } => "rows_damaged",
            Self::Unreadable(_) => "unreadable",
        }
    }
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Empty | Self::NotCarrel | Self::Nothing => ErrorCode::InvalidRequest,
            Self::Newer(_) => ErrorCode::TooNew,
            Self::HeadTooLarge { .. } | Self::TooManyCourses(..) | Self::Impossible => {
                ErrorCode::TooLarge
            }
            Self::Unreadable(_) => ErrorCode::Storage,
            _ => ErrorCode::Corrupt,
        }
    }
}

impl From<std::io::Error> for Fault {
    fn from(e: std::io::Error) -> Self {
        Self::Unreadable(e.to_string())
    }
}
