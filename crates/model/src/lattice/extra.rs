//! Fields of rows from newer releases, unknown to this release: stored, joined and synced.
//!
//! Their limits are part of the join, so that a join of rows within the limits is also within them: for each name the
//! greater value within the limits wins, and the first `MAX_FIELDS` names in byte order are kept. The order of joins
//! does not matter: which value wins depends only on the values of that name, and the first K names of a union are
//! among the first K names of its parts.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::{Invalid, Join, check};

/// Unknown fields by name. Join: union; for one name the greater compact JSON text (by bytes) wins; then the limits are
/// applied.
///
/// Fields over the limits may be present (a row is parsed before it is validated), but they are ignored by equality,
/// joins and the stored form.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Extra(pub BTreeMap<String, Value>);

/// Compares the stored forms, because the join compares texts: 0.0 and -0.0 are equal numbers with different texts.
impl PartialEq for Extra {
    fn eq(&self, other: &Self) -> bool {
        (self.is_empty() && other.is_empty()) || self.to_text() == other.to_text()
    }
}
impl Eq for Extra {}

impl Extra {
    /// Maximum number of unknown fields in a row.
    pub const MAX_FIELDS: usize = 16;
    /// Maximum size of one field in bytes: its name and its value as JSON.
    pub const MAX_FIELD_BYTES: usize = 4096;
    /// Maximum nesting depth of a value.
    pub const MAX_DEPTH: usize = 32;
    /// Maximum size of the stored form in bytes.
    pub const MAX_BYTES: usize = 2 + Self::MAX_FIELDS * (Self::MAX_FIELD_BYTES + 1);

    /// Returns true if there are no fields, within the limits or over them.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Returns the stored form, within the limits: compact JSON with sorted names, or the empty text for no fields.
    pub fn to_text(&self) -> String {
        if self.is_within_limits() {
            self.to_unlimited_text()
        } else {
            let mut kept = self.clone();
            kept.limit();
            kept.to_unlimited_text()
        }
    }
    /// Parses the stored form and keeps only fields within the limits; a text that is not an object has no fields.
    /// Fields over the limits, which earlier releases could store, are skipped one by one, without parsing all of them
    /// into memory.
    pub fn from_text(text: &str) -> Self {
        if text.is_empty() {
            Self::default()
        } else {
            serde_json::from_str::<Stored>(text).map_or_else(|_| Self::default(), |s| s.0)
        }
    }
    /// Removes fields over the limits. Returns true if any was removed.
    pub fn limit(&mut self) -> bool {
        let before = self.0.len();
        self.0.retain(|name, value| fits(name, value));
        while self.0.len() > Self::MAX_FIELDS {
            self.0.pop_last();
        }
        self.0.len() < before
    }
    fn is_within_limits(&self) -> bool {
        self.0.len() <= Self::MAX_FIELDS && self.0.iter().all(|(name, value)| fits(name, value))
    }
    fn to_unlimited_text(&self) -> String {
        if self.is_empty() {
            String::new()
        } else {
            serde_json::to_string(&self.0).unwrap_or_default()
        }
    }
    pub(crate) fn validate(&self) -> Result<(), Invalid> {
        check(
            // The first release accepted 4 KiB in any number of fields. Such rows remain valid, although not all fields
            // are kept.
            self.is_empty() || self.is_within_limits() || self.to_unlimited_text().len() <= 4096,
            "extra",
            "unknown fields exceed the limits: 16 fields of 4 KiB, nesting depth 32",
        )
    }
}

impl Join for Extra {
    fn join(&mut self, other: &Self) {
        if other.is_empty() {
            self.limit();
            return;
        }
        // A value over the limits must not replace a smaller one within them, so values are checked before they are
        // compared.
        self.0.retain(|name, value| fits(name, value));
        for (name, theirs) in other.0.iter().filter(|(name, value)| fits(name, value)) {
            match self.0.get_mut(name) {
                Some(ours) => {
                    let (their_text, our_text) = (theirs.to_string(), ours.to_string());
                    if their_text > our_text {
                        *ours = theirs.clone();
                    }
                }
                None => {
                    self.0.insert(name.clone(), theirs.clone());
                }
            }
        }
        self.limit();
    }
}

fn fits(name: &str, value: &Value) -> bool {
    // Most values are small, which can be determined without serialising them.
    let small = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => name.len() <= 512,
        Value::String(text) => name.len() <= 256 && text.len() <= 256,
        Value::Array(items) => items.is_empty() && name.len() <= 512,
        Value::Object(fields) => fields.is_empty() && name.len() <= 512,
    };
    small
        || (is_shallow(value, Extra::MAX_DEPTH)
            && field_bytes(name, value) <= Extra::MAX_FIELD_BYTES)
}
fn field_bytes(name: &str, value: &Value) -> usize {
    let name = serde_json::to_string(name).map_or(usize::MAX, |n| n.len());
    name.saturating_add(1).saturating_add(value.to_string().len())
}
fn is_shallow(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(items) => depth > 0 && items.iter().all(|v| is_shallow(v, depth - 1)),
        Value::Object(fields) => depth > 0 && fields.values().all(|v| is_shallow(v, depth - 1)),
        _ => true,
    }
}

/// Parses the stored form; keeps only fields within the limits.
struct Stored(Extra);

impl<'de> Deserialize<'de> for Stored {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Stored;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Stored, A::Error> {
                let mut kept = Extra::default();
                while let Some(name) = map.next_key::<String>()? {
                    let raw: &RawValue = map.next_value()?;
                    // The stored form is compact JSON, so a longer text is over the limit.
                    if raw.get().len() > Extra::MAX_FIELD_BYTES {
                        continue;
                    }
                    let value: Value =
                        serde_json::from_str(raw.get()).map_err(serde::de::Error::custom)?;
                    if fits(&name, &value) {
                        kept.0.insert(name, value);
                        if kept.0.len() > Extra::MAX_FIELDS {
                            kept.0.pop_last();
                        }
                    }
                }
                Ok(Stored(kept))
            }
        }
        d.deserialize_map(Fields)
    }
}
