//! Dictionary files: a header with the signed facts of the pack, then its database (`carrel-dictionary`).
//!
//! Not here: the contents of the database.

use carrel_model::{
    BlobHash, Slug,
    content::{ManifestBlob, SignatureError, verify_text},
    language_tag,
};
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey};
use serde::{Deserialize, Serialize};

use crate::{Fault, PREFIX_BYTES, Result, frame::frame};

/// Value of `format` in the header and in the facts.
pub const DICTIONARY_FORMAT: &str = "carrel-dictionary/1";
/// Maximum size of the database in bytes.
pub const MAX_DICTIONARY_BYTES: u64 = 1024 * 1024 * 1024;
/// Maximum length of a text of the facts in bytes.
const MAX_TEXT_BYTES: usize = 2_000;
const MAX_GLOSS_LANGS: usize = 50;

/// What a dictionary pack is. Signed as text, so every field can be trusted as much as the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DictionaryFacts {
    /// `carrel-dictionary/1`; the first field, so that the text is valid as no other signed text.
    pub format: String,
    /// A pack replaces an installed one with its id.
    pub id: Slug,
    /// Name for display.
    pub name: String,
    /// BCP 47 tag of the words.
    pub lang: String,
    /// BCP 47 tags of the meanings.
    pub gloss_langs: Vec<String>,
    /// SPDX identifier or name of the licence.
    pub license: String,
    /// Where the words come from: a name, an address, a year.
    pub source: String,
    /// Number of entries.
    pub entries: u64,
    /// When the pack was built (UTC, ms since 1970).
    pub made_ms: i64,
    /// Size of the database in bytes.
    pub bytes: u64,
    /// Hash of the database.
    pub hash: BlobHash,
}

/// The header of a dictionary file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DictionaryHeader {
    pub format: String,
    /// `DictionaryFacts` as JSON, as it was signed.
    pub facts: String,
    /// ed25519 public key, 64 hex digits.
    pub key: String,
    /// ed25519 signature over `facts`, 128 hex digits.
    pub signature: String,
}

/// A dictionary file whose header and signature were checked. Its database is not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DictionaryBundle {
    pub header: DictionaryHeader,
    pub facts: DictionaryFacts,
    /// Offset of the database in the file.
    pub start: u64,
}

impl DictionaryBundle {
    /// Signs the facts of a database, and checks them as a reader does.
    pub fn sign(facts: &DictionaryFacts, key: &SigningKey) -> Result<Self> {
        let text = serde_json::to_string(facts).map_err(unreadable)?;
        let signature = HEXLOWER.encode(&key.sign(text.as_bytes()).to_bytes());
        Self::checked(DictionaryHeader {
            format: DICTIONARY_FORMAT.to_owned(),
            facts: text,
            key: HEXLOWER.encode(key.verifying_key().as_bytes()),
            signature,
        })
    }
    /// Checks the header of a pack that a server offers.
    pub fn checked(header: DictionaryHeader) -> Result<Self> {
        let len = serde_json::to_vec(&header).map_err(unreadable)?.len();
        Self::check(header, len)
    }
    /// Returns the bytes before the database.
    pub fn prefix_and_header(&self) -> Result<Vec<u8>> {
        frame(&serde_json::to_vec(&self.header).map_err(unreadable)?)
    }
    /// Returns the length of the whole file in bytes.
    pub fn len(&self) -> u64 {
        self.start + self.facts.bytes
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Returns the database as a blob, for `copy_verified`.
    pub fn database(&self) -> ManifestBlob {
        ManifestBlob {
            hash: self.facts.hash,
            size: self.facts.bytes,
            media_type: "application/vnd.sqlite3".to_owned(),
        }
    }
    /// Reads the header of an installed pack again, with its signature.
    pub fn from_installed(header: &[u8]) -> Result<Self> {
        let read = serde_json::from_slice(header);
        Self::check(read.map_err(unreadable)?, header.len())
    }

    pub(crate) fn from_header(header: &[u8], len: u64) -> Result<Self> {
        let bundle = Self::from_installed(header)?;
        match len.cmp(&bundle.len()) {
            std::cmp::Ordering::Less => Err(Fault::Truncated { have: len, need: bundle.len() }),
            std::cmp::Ordering::Greater => Err(Fault::TooLong { extra: len - bundle.len() }),
            std::cmp::Ordering::Equal => Ok(bundle),
        }
    }

    fn check(header: DictionaryHeader, header_len: usize) -> Result<Self> {
        verify_text(&header.facts, &header.key, &header.signature).map_err(|e| match e {
            SignatureError::Malformed => Fault::KeyMalformed,
            _ => Fault::SignatureWrong,
        })?;
        let facts: DictionaryFacts = serde_json::from_str(&header.facts).map_err(unreadable)?;
        let wrong = |what: &str| Err(Fault::ManifestUnreadable(what.to_owned()));
        if facts.format != DICTIONARY_FORMAT {
            return wrong("the facts have another format");
        }
        let tags = std::iter::once(&facts.lang).chain(&facts.gloss_langs);
        if facts.gloss_langs.len() > MAX_GLOSS_LANGS
            || tags.into_iter().any(|tag| language_tag::language_tag(tag).is_err())
        {
            return wrong("a language is no language tag");
        }
        let texts = [&facts.name, &facts.license, &facts.source];
        if texts.iter().any(|t| t.trim().is_empty() || t.len() > MAX_TEXT_BYTES) {
            return wrong("the name, the licence or the source is empty or too long");
        }
        if facts.bytes > MAX_DICTIONARY_BYTES {
            return Err(Fault::SizeTooLarge);
        }
        Ok(Self { start: (PREFIX_BYTES + header_len) as u64, header, facts })
    }
}

fn unreadable(e: serde_json::Error) -> Fault {
    Fault::HeaderUnreadable(e.to_string())
}
