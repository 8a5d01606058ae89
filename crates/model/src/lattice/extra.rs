//! Fields that a newer version knows and this one does not: kept, joined and sent back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Invalid, Join, check};

/// Unknown fields by name. Join: union; for one name the greater compact JSON text (by bytes) wins.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Extra(pub BTreeMap<String, Value>);

/// Equal when the stored forms are: the join goes by text, and 0.0 and -0.0 are equal numbers with different texts.
impl PartialEq for Extra {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.to_text() == other.to_text()
    }
}
impl Eq for Extra {}

impl Extra {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Compact JSON with sorted names, or the empty text for no fields: the stored form.
    pub fn to_text(&self) -> String {
        if self.is_empty() {
            String::new()
        } else {
            serde_json::to_string(&self.0).unwrap_or_default()
        }
    }
    /// The stored form read back; text that is not an object reads as empty.
    pub fn from_text(text: &str) -> Self {
        if text.is_empty() {
            Self::default()
        } else {
            serde_json::from_str(text).unwrap_or_default()
        }
    }
    pub(crate) fn validate(&self) -> Result<(), Invalid> {
        check(
            self.is_empty() || self.to_text().len() <= 4096,
            "extra",
            "unknown fields are over 4 KiB",
        )
    }
}

impl Join for Extra {
    fn join(&mut self, other: &Self) {
        for (name, theirs) in &other.0 {
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
    }
}
