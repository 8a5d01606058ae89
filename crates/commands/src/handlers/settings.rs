//! Commands for the learner's settings.
//!
//! Not here: storage limits (`storage`).

use std::collections::BTreeMap;

use carrel_client::OpenAccount;
use serde_json::Value;

use super::Result;
use crate::{
    api::settings::{SetSettings, Settings},
    host::{Host, account},
};

/// Returns the learner's settings. A value that cannot be parsed (from a newer release) counts as not set.
pub(crate) async fn settings_of(account: &OpenAccount) -> Result<Settings> {
    let stored = account.learning.settings().await?;
    let mut settings = serde_json::to_value(Settings::default()).unwrap_or_default();
    for (key, value) in stored {
        let mut candidate = settings.clone();
        if let Some(field) = candidate.get_mut(&key) {
            *field = value;
            if serde_json::from_value::<Settings>(candidate.clone()).is_ok() {
                settings = candidate;
            }
        }
    }
    Ok(serde_json::from_value(settings).unwrap_or_default())
}

pub async fn set_settings(host: &dyn Host, request: SetSettings) -> Result<Settings> {
    let account = account(host)?;
    let clamp = |n: Option<u16>, low, high| n.map(|n| n.clamp(low, high));
    let request = SetSettings {
        text_size: clamp(request.text_size, 80, 200),
        line_height: clamp(request.line_height, 120, 220),
        measure: clamp(request.measure, 45, 90),
        narration_speed: clamp(request.narration_speed, 50, 200),
        ..request
    };
    let changed = match serde_json::to_value(request).unwrap_or_default() {
        Value::Object(fields) => fields.into_iter().filter(|(_, v)| !v.is_null()).collect(),
        _ => BTreeMap::new(),
    };
    account.learning.set_settings(changed).await?;
    settings_of(&account).await
}
