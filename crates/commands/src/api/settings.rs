//! Types of the settings command.
//!
//! Not here: storage limits, which belong to the device (`storage`).

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The learner's settings, synced to their other devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    pub theme: Theme,
    /// `en`, `fr`, `ar`, or empty for the system's language.
    pub language: String,
    pub reading_font: ReadingFont,
    /// Percent, 80 to 200.
    pub text_size: u16,
    /// Percent, 120 to 220.
    pub line_height: u16,
    /// Characters, 45 to 90.
    pub measure: u16,
    /// Percent, 50 to 200.
    pub narration_speed: u16,
    pub download_metered: DownloadMetered,
    /// Downloads are paused while the device runs on battery.
    pub download_charging: bool,
    /// Single letter and punctuation keys act as shortcuts, such as `j` for the next section.
    pub key_shortcuts: bool,
    /// The school's server gets durations of actions: names of metrics and milliseconds, nothing else.
    pub send_durations: bool,
    /// Languages in which the learner reads, as language tags in their order. The library shows these first; empty: all.
    pub content_languages: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: Theme::System,
            language: String::new(),
            reading_font: ReadingFont::Literata,
            text_size: 100,
            line_height: 160,
            measure: 66,
            narration_speed: 100,
            download_metered: DownloadMetered::Never,
            download_charging: false,
            key_shortcuts: true,
            send_durations: false,
            content_languages: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    System,
    Paper,
    Night,
    Sepia,
    Contrast,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ReadingFont {
    Literata,
    Atkinson,
    System,
}

/// What may be downloaded over a metered network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum DownloadMetered {
    Never,
    /// Only downloads with at most 5 MB missing.
    Small,
    Always,
}

/// Changes the fields that are present and keeps the others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct SetSettings {
    #[ts(optional)]
    pub theme: Option<Theme>,
    #[ts(optional)]
    pub language: Option<String>,
    #[ts(optional)]
    pub reading_font: Option<ReadingFont>,
    #[ts(optional)]
    pub text_size: Option<u16>,
    #[ts(optional)]
    pub line_height: Option<u16>,
    #[ts(optional)]
    pub measure: Option<u16>,
    #[ts(optional)]
    pub narration_speed: Option<u16>,
    #[ts(optional)]
    pub download_metered: Option<DownloadMetered>,
    #[ts(optional)]
    pub download_charging: Option<bool>,
    #[ts(optional)]
    pub key_shortcuts: Option<bool>,
    #[ts(optional)]
    pub send_durations: Option<bool>,
    #[ts(optional)]
    pub content_languages: Option<Vec<String>>,
}
