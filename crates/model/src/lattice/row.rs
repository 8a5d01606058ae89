//! A row of any type: the element of outbox, push and pull.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize, de::Error as _};
use ts_rs::TS;

use super::{
    Answer, Attempt, Canonical, Decision, Extra, Grade, Invalid, Join, Kv, NoteLife, NoteRevision,
    Progress, Review, ReviewVoid, Session, Validate,
};
use crate::{Hlc, hash::BlobHash};

/// A type that `Row` can contain.
pub trait RowKind: Into<Row> + TryFrom<Row, Error = Row> {
    /// Type of the row.
    const TYPE: RowType;
}

macro_rules! rows {
    ($($variant:ident($text:literal)),* $(,)?) => {
        /// A learner's row, tagged by `type` on the wire.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        #[serde(tag = "type", rename_all = "snake_case")]
        pub enum Row { $(
            /// A row of the type with the same name.
            $variant($variant)
        ),* }

        /// The row types, in the order in which a batch is folded and applied.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
        #[serde(rename_all = "snake_case")]
        pub enum RowType { $(
            /// The type with the same name.
            $variant
        ),* }

        impl RowType {
            /// All types in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// Returns the type as written on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
            /// Parses a type as written on the wire.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
        impl Row {
            /// Returns the type of the row.
            pub fn row_type(&self) -> RowType {
                match self { $(Self::$variant(_) => RowType::$variant),* }
            }
            fn canonical(&self) -> Canonical {
                match self { $(Self::$variant(r) => r.canonical()),* }
            }
            /// Returns the fields unknown to this release.
            pub fn extra(&self) -> &Extra {
                match self { $(Self::$variant(r) => &r.extra),* }
            }
            /// Returns the fields unknown to this release, for `Extra::limit` and joins.
            pub fn extra_mut(&mut self) -> &mut Extra {
                match self { $(Self::$variant(r) => &mut r.extra),* }
            }
            /// Parses a row from its JSON text. Equivalent to `serde_json::from_str`, which buffers each field until it
            /// has found the tag and takes twice as long.
            pub fn from_json(json: &str) -> serde_json::Result<Self> {
                // Serde also accepts an array for a struct.
                if !json.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
                    return Err(serde_json::Error::custom("a row must be an object"));
                }
                let row_type = match leading_type(json) {
                    Some(row_type) => Cow::Borrowed(row_type),
                    None => serde_json::from_str::<Tag<'_>>(json)?.row_type,
                };
                match RowType::parse(&row_type) {
                    $(Some(RowType::$variant) => {
                        let mut row: $variant = serde_json::from_str(json)?;
                        row.extra.0.remove("type");
                        Ok(Self::$variant(row))
                    })*
                    None => Err(serde_json::Error::custom(format_args!("unknown type `{row_type}`"))),
                }
            }
        }
        impl Validate for Row {
            fn validate(&self) -> Result<(), Invalid> {
                match self { $(Self::$variant(r) => r.validate()),* }
            }
        }
        /// Rows of different types do not join: `self` is unchanged.
        impl Join for Row {
            fn join(&mut self, other: &Self) {
                match (self, other) {
                    $((Self::$variant(a), Self::$variant(b)) => a.join(b),)*
                    _ => debug_assert!(false, "rows of different types cannot be joined"),
                }
            }
        }
        $(impl From<$variant> for Row {
            fn from(row: $variant) -> Self { Self::$variant(row) }
        }
        impl TryFrom<Row> for $variant {
            type Error = Row;
            /// Returns the row of this type, or the unchanged row as the error.
            fn try_from(row: Row) -> Result<Self, Row> {
                match row { Row::$variant(r) => Ok(r), other => Err(other) }
            }
        }
        impl RowKind for $variant {
            const TYPE: RowType = RowType::$variant;
        })*
    };
}
/// Returns the type if it is the first field, as in rows written by this crate, so that the text is parsed only once.
/// `None` if the text may contain another `type` field, plain or escaped.
fn leading_type(json: &str) -> Option<&str> {
    let (row_type, rest) = json.strip_prefix(r#"{"type":""#)?.split_once('"')?;
    let once = rest.starts_with([',', '}']) && !rest.contains(r#""type""#) && !json.contains('\\');
    once.then_some(row_type)
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(rename = "type", borrow)]
    row_type: Cow<'a, str>,
}

rows! {
    Progress("progress"), Session("session"), Attempt("attempt"), Answer("answer"), Grade("grade"), Review("review"),
    ReviewVoid("review_void"), Kv("kv"), Decision("decision"), NoteRevision("note_revision"), NoteLife("note_life"),
}

/// Identifies a row: its type and its key as text. Rows with equal keys are joined.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RowKey {
    /// Type of the row.
    #[serde(rename = "type")]
    pub row_type: RowType,
    /// The key fields; if there are two, separated by U+001F.
    pub key: String,
}

impl RowKey {
    const SEPARATOR: &'static str = "\u{1f}";

    /// Creates a key from its fields as text.
    pub fn of(row_type: RowType, parts: &[impl AsRef<str>]) -> Self {
        let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
        Self { row_type, key: parts.join(Self::SEPARATOR) }
    }
    /// Returns the key fields as text: the first, and the second if the type has two.
    pub fn parts(&self) -> (&str, Option<&str>) {
        match self.key.split_once(Self::SEPARATOR) {
            Some((first, second)) => (first, Some(second)),
            None => (&self.key, None),
        }
    }
}

impl RowType {
    /// Returns true for types that only the server may write.
    pub fn is_server_only(self) -> bool {
        matches!(self, Self::Grade | Self::Decision)
    }
}

impl Row {
    /// Returns the key of the row.
    pub fn key(&self) -> RowKey {
        let key = match self {
            Self::Progress(r) => format!("{}\u{1f}{}", r.kind.as_str(), r.item),
            Self::Session(r) => r.id.to_string(),
            Self::Attempt(r) => r.id.to_string(),
            Self::Answer(r) => format!("{}\u{1f}{}", r.attempt, r.question),
            Self::Grade(r) => r.attempt.to_string(),
            Self::Review(r) => r.id.to_string(),
            Self::ReviewVoid(r) => r.id.to_string(),
            Self::Kv(r) => format!("{}\u{1f}{}", r.ns, r.key),
            Self::Decision(r) => r.course.to_string(),
            Self::NoteRevision(r) => r.rev.to_string(),
            Self::NoteLife(r) => r.note.to_string(),
        };
        RowKey { row_type: self.row_type(), key }
    }
    /// Returns a hash that is equal if and only if the rows are equal. Sums of these hashes show whether two replicas
    /// agree.
    pub fn hash(&self) -> BlobHash {
        let mut c = Canonical::default();
        c.text(self.row_type().as_str()).bytes(&self.canonical().into_bytes());
        c.hash()
    }
    /// Returns true for rows that only the server may write.
    pub fn is_server_only(&self) -> bool {
        self.row_type().is_server_only()
    }
    /// Returns the latest time in the row that must not be far in the future. Derived values count study time, reviews,
    /// attempts and finished items as past.
    pub fn wall_ms(&self) -> Option<i64> {
        match self {
            Self::Session(r) => Some(r.started_ms),
            Self::Review(r) => Some(r.at_ms),
            Self::Attempt(r) => {
                Some(r.submitted_ms.map_or(r.started_ms, |ms| ms.max(r.started_ms)))
            }
            Self::Progress(r) => r.done_ms,
            _ => None,
        }
    }
    /// Returns the latest study day in the row: days since 1970-01-01.
    pub fn study_day(&self) -> Option<i32> {
        match self {
            Self::Session(r) => r.study_day(),
            Self::Review(r) => Some(r.study_day()),
            Self::Attempt(r) => r.day,
            _ => None,
        }
    }
    /// Replaces the stamp returned by `stamp`; returns false if the row has none.
    pub fn set_stamp(&mut self, stamp: Hlc) -> bool {
        match self {
            Self::Progress(r) => match &mut r.pos {
                Some(pos) => pos.hlc = stamp,
                None => return false,
            },
            Self::Kv(r) => r.hlc = stamp,
            Self::NoteRevision(r) => r.hlc = stamp,
            Self::NoteLife(r) => r.deleted = stamp,
            _ => return false,
        }
        true
    }
    /// Returns the stamp of the last-writer-wins part, if the row has one. It must be replaced if the device's clock
    /// was wrong.
    pub fn stamp(&self) -> Option<Hlc> {
        match self {
            Self::Progress(r) => r.pos.as_ref().map(|p| p.hlc),
            Self::Kv(r) => Some(r.hlc),
            Self::NoteRevision(r) => Some(r.hlc),
            Self::NoteLife(r) => Some(r.deleted),
            _ => None,
        }
    }
}

/// Joins rows that share a key and sorts them by key, so that no statement contains a key twice and locks are acquired
/// in a fixed order.
pub fn fold(rows: impl IntoIterator<Item = Row>) -> BTreeMap<RowKey, Row> {
    let mut folded: BTreeMap<RowKey, Row> = BTreeMap::new();
    for row in rows {
        match folded.entry(row.key()) {
            std::collections::btree_map::Entry::Occupied(mut e) => e.get_mut().join(&row),
            std::collections::btree_map::Entry::Vacant(e) => {
                e.insert(row);
            }
        }
    }
    folded
}
