//! The reasons why a file cannot be read, each with a stable code for which the UI has a message.
//!
//! Not here: reasons that depend on this device, such as missing space (`carrel_client`).

use carrel_model::{BlobHash, ErrorCode, Slug};

pub type Result<T, E = Fault> = std::result::Result<T, E>;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the file is empty")]
    Empty,
    #[error("not a Carrel file")]
    NotCarrel,
    /// The first bytes show that a program converted the file as if it were text.
    #[error("the file was damaged by a text conversion")]
    ConvertedAsText,
    #[error("the file is truncated: {have} of {need} bytes")]
    Truncated { have: u64, need: u64 },
    #[error("{extra} unexpected bytes at the end of the file")]
    TooLong { extra: u64 },
    #[error("the header has {bytes} bytes; the limit is {limit}")]
    HeaderTooLarge { bytes: u64, limit: u64 },
    #[error("the header is damaged")]
    HeaderDamaged,
    #[error("invalid header: {0}")]
    HeaderUnreadable(String),
    #[error("unsupported format {0:?}")]
    Newer(String),
    #[error("the file contains nothing to import")]
    NoContent,
    #[error("the file contains {0} courses; the limit is {1}")]
    TooManyCourses(usize, usize),
    #[error("the file contains {0} twice")]
    Duplicate(Slug),
    #[error("a key or signature is not hex of the expected length")]
    KeyMalformed,
    #[error("invalid signature: the signed data was changed")]
    SignatureWrong,
    #[error("the courses are signed with different keys")]
    DifferentKeys,
    #[error("invalid manifest: {0}")]
    ManifestUnreadable(String),
    #[error("the manifests list blob {0:?} with different sizes")]
    SizesDiffer(BlobHash),
    #[error("{course} refers to blob {blob:?}, which its manifest does not list")]
    BlobNotListed { course: Slug, blob: BlobHash },
    #[error("the declared size is too large")]
    SizeTooLarge,
    #[error("blob {0:?} is damaged")]
    BlobDamaged(BlobHash),
    #[error("the rows are damaged")]
    RowsDamaged,
    #[error("the file contains {have} rows, but its header declares {declared}")]
    RowsMiscounted { have: u64, declared: u64 },
    /// Reading failed, for example because the drive was removed.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
}

impl Fault {
    /// Returns a code that is stable across releases; the UI has a message for each.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotCarrel => "not_carrel",
            Self::ConvertedAsText => "mangled",
            Self::Truncated { .. } => "truncated",
            Self::TooLong { .. } => "too_long",
            Self::HeaderTooLarge { .. } => "head_too_large",
            Self::HeaderDamaged | Self::HeaderUnreadable(_) => "head_damaged",
            Self::Newer(_) => "newer",
            Self::NoContent => "nothing",
            Self::TooManyCourses(..) => "too_many",
            Self::Duplicate(_) => "twice",
            Self::KeyMalformed => "key_malformed",
            Self::SignatureWrong => "signature_wrong",
            Self::DifferentKeys => "many_keys",
            Self::ManifestUnreadable(_) => "manifest_unreadable",
            Self::SizesDiffer(_) => "sizes_differ",
            Self::BlobNotListed { .. } => "dangling",
            Self::SizeTooLarge => "impossible",
            Self::BlobDamaged(_) => "blob_damaged",
            Self::RowsDamaged | Self::RowsMiscounted { .. } => "rows_damaged",
            Self::Unreadable(_) => "unreadable",
        }
    }
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Empty | Self::NotCarrel | Self::NoContent => ErrorCode::InvalidRequest,
            Self::Newer(_) => ErrorCode::TooNew,
            Self::HeaderTooLarge { .. } | Self::TooManyCourses(..) | Self::SizeTooLarge => {
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
