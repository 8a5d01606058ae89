//! Settings: last-writer-wins registers with JSON values.

use std::collections::BTreeMap;

use carrel_model::lattice::Kv;
use serde_json::Value;

use crate::{Learning, Result, store::checked};

const SETTING: &str = "setting";

impl Learning {
    /// Returns the settings as JSON values, without those that were never set or were reset.
    pub async fn settings(&self) -> Result<BTreeMap<String, Value>> {
        self.store
            .read(|conn| {
                let set = checked::query::<Kv>(conn, "WHERE ns = ?1", [SETTING])?.into_iter();
                // Invalid JSON, which is never written here, counts as not set.
                let values = set.filter_map(|kv| {
                    Some((kv.key, serde_json::from_str::<Value>(&kv.value).ok()?))
                });
                Ok(values.filter(|(_, v)| !v.is_null()).collect())
            })
            .await
    }

    /// Stores several settings; `null` resets one to its default.
    pub async fn set_settings(&self, values: BTreeMap<String, Value>) -> Result<()> {
        self.store
            .write("set_settings", move |tx| {
                for (key, value) in &values {
                    tx.set_register(SETTING, key, value)?;
                }
                Ok(())
            })
            .await
    }
}
