//! Identifiers: slugs chosen by authors, paths of slugs, and random ids.
//!
//! Not here: how random ids are generated (`carrel_system::IdGen`).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};
use ts_rs::TS;
use uuid::Uuid;

/// Why a text is not a valid id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not a slug; contains the text.
    #[error(
        "an id is 1 to 64 characters of a-z, 0-9 and '-', beginning and ending with a letter or digit: {0:?}"
    )]
    Slug(String),
    /// Not an item path; contains the text.
    #[error("an item is 1 to 4 ids joined by '/': {0:?}")]
    Item(String),
    /// Not the key of a card; contains the text.
    #[error("a card is language/sense/lemma, at most 270 bytes without control characters: {0:?}")]
    Card(String),
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $check:path, $err:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, TS)]
        #[serde(transparent)]
        #[ts(type = "string")]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        pub struct $name(String);

        impl $name {
            /// Validates the text and creates the id.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                if $check(&text) { Ok(Self(text)) } else { Err($err(text)) }
            }
            /// Returns the id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(d)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

fn is_slug(s: &str) -> bool {
    let b = s.as_bytes();
    let word = |c: &u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=64).contains(&b.len())
        && b.iter().all(|c| word(c) || *c == b'-')
        && b.first().is_some_and(word)
        && b.last().is_some_and(word)
}

fn is_item(s: &str) -> bool {
    let mut parts = 0;
    s.split('/').all(|p| {
        parts += 1;
        parts <= 4 && is_slug(p)
    })
}

fn is_card(s: &str) -> bool {
    let mut parts = s.splitn(3, '/');
    let is_lang = |s: &str| (2..=8).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_lowercase());
    s.len() <= CardKey::MAX_BYTES
        && parts.next().is_some_and(is_lang)
        && parts.next().is_some_and(|sense| sense.is_empty() || is_slug(sense))
        && parts.next().is_some_and(|lemma| !lemma.is_empty() && !lemma.contains(char::is_control))
}

text_id!(
    /// The key of a card of the review list: `language/sense/lemma`, such as `en//meander`. See `card`.
    CardKey, is_card, IdError::Card
);
text_id!(
    /// An id chosen by an author, of a course, lesson, section, story, quiz or word: `how-rivers-work`.
    Slug, is_slug, IdError::Slug
);
text_id!(
    /// The subject of a learner's row: a path of 1 to 4 slugs, such as `how-rivers-work/meanders/read` (a section),
    /// `the-tall-man` (a story) or `how-rivers-work/meander` (a word in the vocabulary of that course).
    ItemId, is_item, IdError::Item
);

impl CardKey {
    /// Returns the key without checking it.
    pub(crate) fn unchecked(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl ItemId {
    /// Returns the id of a section: `course/lesson/section`.
    pub fn section(course: &Slug, lesson: &Slug, section: &Slug) -> Self {
        Self(format!("{course}/{lesson}/{section}"))
    }
    /// Returns a path of two ids, for example of a quiz, story or word of a course.
    pub fn within(root: &Slug, id: &Slug) -> Self {
        Self(format!("{root}/{id}"))
    }
    /// Returns the first id of the path: the course or story that the item belongs to.
    pub fn root(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }
}
impl From<Slug> for ItemId {
    fn from(slug: Slug) -> Self {
        Self(slug.0)
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
        #[serde(transparent)]
        #[ts(type = "string")]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "schema", schema(value_type = String, format = "uuid"))]
        pub struct $name(pub Uuid);

        impl $name {
            /// Returns the id with this number; for tests and tables.
            pub const fn from_u128(n: u128) -> Self {
                Self(Uuid::from_u128(n))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    };
}
uuid_id!(/// Random id of an installation of Carrel. A cloned disk has the same id until the clone is detected.
    DeviceId);
uuid_id!(/// A learner on one server.
    UserId);
uuid_id!(/// A study session without a pause (UUID v7).
    SessionId);
uuid_id!(/// An attempt at a quiz (UUID v7).
    AttemptId);
uuid_id!(/// A review event of a word (UUID v7).
    EventId);
uuid_id!(/// A note, or one revision of it.
    RevisionId);
uuid_id!(/// An upload of rows, for logs.
    BatchId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_and_items() {
        for ok in ["a", "a1", "how-rivers-work", "0", &"x".repeat(64)] {
            assert!(Slug::new(ok).is_ok(), "{ok}");
        }
        for bad in ["", "-a", "a-", "A", "a b", "a/b", "é", "a_b", "..", &"x".repeat(65)] {
            assert!(Slug::new(bad).is_err(), "{bad}");
        }
        assert!(ItemId::new("a/b/c/d").is_ok());
        for bad in ["", "/", "a//b", "a/b/", "a/b/c/d/e", "../a"] {
            assert!(ItemId::new(bad).is_err(), "{bad}");
        }
        assert_eq!(ItemId::new("rivers/meanders/read").unwrap().root(), "rivers");
        for ok in ["en//run", "en/bank-2/bank", "am//ወንዝ", "item//rivers/meander", "en//and/or"]
        {
            assert!(CardKey::new(ok).is_ok(), "{ok}");
        }
        let long = format!("en//{}", "x".repeat(CardKey::MAX_BYTES - 3));
        for bad in
            ["", "en", "en/", "en//", "EN//a", "e//a", "en/A/a", "en//a\u{1f}b", "en//\n", &long]
        {
            assert!(CardKey::new(bad).is_err(), "{bad:?}");
        }
    }
}
