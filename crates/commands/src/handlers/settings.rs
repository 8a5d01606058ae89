//! Commands for the learner's settings.
//!
//! Not here: storage limits (`storage`).

use std::collections::BTreeMap;

use carrel_client::{Client, Error, OpenAccount, carrel_policy::MeteredDownloads};
use serde_json::Value;

use super::Result;
use crate::{
    api::settings::{DownloadMetered, SetSettings, Settings},
    host::{Host, account},
};

/// Maximum number of languages in which a learner reads.
const MAX_LANGUAGES: usize = 20;

/// Returns the learner's settings, with those that the organisation fixes. A value that cannot be parsed (from a newer release) counts as not set.
pub(crate) async fn settings_of(client: &Client, account: &OpenAccount) -> Result<Settings> {
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
    let mut settings: Settings = serde_json::from_value(settings).unwrap_or_default();
    if let Some(fixed) = fixed_metered(client) {
        settings.download_metered = fixed;
    }
    Ok(settings)
}

/// Returns what the organisation allows over metered networks, if it fixes this.
fn fixed_metered(client: &Client) -> Option<DownloadMetered> {
    Some(match client.policies().policies.download_on_metered? {
        MeteredDownloads::Never => DownloadMetered::Never,
        MeteredDownloads::Small => DownloadMetered::Small,
        MeteredDownloads::Always => DownloadMetered::Always,
    })
}

/// Returns the language tags without repetitions and without texts that are none.
fn tags(tags: Vec<String>) -> Vec<String> {
    let is_tag = |tag: &String| {
        (2..=35).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let mut kept: Vec<String> = Vec::new();
    for tag in tags.into_iter().filter(is_tag).take(MAX_LANGUAGES) {
        if !kept.contains(&tag) {
            kept.push(tag);
        }
    }
    kept
}

pub async fn set_settings(host: &dyn Host, request: SetSettings) -> Result<Settings> {
    let (client, account) = (host.client(), account(host)?);
    let mut request = request;
    if let Some(fixed) = fixed_metered(client)
        && let Some(chosen) = request.download_metered.take()
        && chosen != fixed
    {
        let what = "another choice for downloads on metered networks".to_owned();
        return Err(Error::Managed { what, key: "DownloadOnMetered" }.into());
    }
    let clamp = |n: Option<u16>, low, high| n.map(|n| n.clamp(low, high));
    let request = SetSettings {
        text_size: clamp(request.text_size, 80, 200),
        line_height: clamp(request.line_height, 120, 220),
        measure: clamp(request.measure, 45, 90),
        narration_speed: clamp(request.narration_speed, 50, 200),
        content_languages: request.content_languages.map(tags),
        ..request
    };
    let changed = match serde_json::to_value(request).unwrap_or_default() {
        Value::Object(fields) => fields.into_iter().filter(|(_, v)| !v.is_null()).collect(),
        _ => BTreeMap::new(),
    };
    account.learning.set_settings(changed).await?;
    settings_of(client, &account).await
}
