//! What a learner sets: for a card (suspended, known, buried, hint dismissed), and for all reviews. Each field is a
//! register of its own, so that two devices that change different fields keep both changes.
//!
//! Not here: storing the registers (`carrel-learning`).

use std::collections::BTreeMap;

use carrel_model::{
    CardKey,
    lattice::{CARD, Kv, REVIEW},
};
use carrel_overview::{DEFAULT_DAY_START_MIN, MAX_DAY_START_MIN};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Away, Cards, DueSettings};

const SUSPENDED: &str = "suspended";
const KNOWN: &str = "known";
const BURIED: &str = "buried";
const LEECH: &str = "leech";

/// What the learner set for a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CardMarks {
    /// Not shown until the learner resumes it.
    pub suspended: bool,
    /// Known without reviews.
    pub known: bool,
    /// Not shown before this study day.
    pub buried_until: Option<i32>,
    /// Number of lapses at which the hint about a leech was dismissed.
    pub leech_dismissed: Option<u32>,
}

impl CardMarks {
    /// Returns true if the card is not shown on a study day.
    pub fn is_hidden(&self, day: i32) -> bool {
        self.suspended || self.known || self.buried_until.is_some_and(|until| day < until)
    }
    /// Returns the keys of all registers (namespace `CARD`) of a card.
    pub fn keys(card: &CardKey) -> [String; 4] {
        Self::default().registers().map(|(field, _)| Self::key(field, card))
    }
    /// Returns the key of the register of a field.
    pub fn key(field: &str, card: &CardKey) -> String {
        format!("{field}/{card}")
    }
    /// Returns the names of the fields with their values as they are stored.
    pub fn registers(&self) -> [(&'static str, Value); 4] {
        let number = |n: Option<i64>| n.map_or(Value::Null, Value::from);
        [
            (SUSPENDED, Value::Bool(self.suspended)),
            (KNOWN, Value::Bool(self.known)),
            (BURIED, number(self.buried_until.map(i64::from))),
            (LEECH, number(self.leech_dismissed.map(i64::from))),
        ]
    }
    /// Returns what the learner set, by card. Registers of other namespaces than `CARD` are ignored.
    pub fn of_registers<'a>(
        registers: impl IntoIterator<Item = &'a Kv>,
        cards: &Cards,
    ) -> BTreeMap<CardKey, Self> {
        let mut registers: Vec<&Kv> = registers.into_iter().filter(|kv| kv.ns == CARD).collect();
        // A word without entry may have become a card since: the later value wins.
        registers.sort_by(|a, b| (a.hlc, a.device, &a.value).cmp(&(b.hlc, b.device, &b.value)));
        let mut found: BTreeMap<CardKey, Self> = BTreeMap::new();
        for kv in registers {
            let Some((field, card)) = kv.key.split_once('/') else { continue };
            let Ok(card) = CardKey::new(card) else { continue };
            let marks = found.entry(cards.resolved(&card)).or_default();
            let value: Value = serde_json::from_str(&kv.value).unwrap_or_default();
            let number = value.as_i64();
            match field {
                SUSPENDED => marks.suspended = value == Value::Bool(true),
                KNOWN => marks.known = value == Value::Bool(true),
                BURIED => marks.buried_until = number.and_then(|day| i32::try_from(day).ok()),
                LEECH => marks.leech_dismissed = number.and_then(|n| u32::try_from(n).ok()),
                _ => {}
            }
        }
        found
    }
}

/// Days on which the learner is away, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Absence {
    /// First study day.
    pub from_day: i32,
    /// Last study day.
    pub to_day: i32,
}

/// The settings of reviews.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReviewSettings {
    /// Probability of recall on the due day, 0.70 to 0.97.
    pub retention: f64,
    /// Longest interval in days, 1 to 36500.
    pub max_interval_days: u32,
    /// Minutes after midnight at which a study day starts, 0 to 720.
    pub day_start_minutes: i32,
    /// New cards a day, 0 to 9999.
    pub new_per_day: u32,
    /// Due cards a day, 0 to 9999.
    pub reviews_per_day: u32,
    /// Weight of each day of the week from Monday: 1 normal, 0.5 reduced, 0 none.
    pub easy_days: [f64; 7],
    /// Days of the week from Monday that never count against a streak.
    pub rest_days: [bool; 7],
    /// Absences, at most 20.
    pub away: Vec<Absence>,
    /// Number of lapses at which a card is a leech; 0 for never.
    pub leech_lapses: u32,
    /// Id of the chosen parameter set; empty for the default one.
    pub params: String,
    /// Only "again" and "good" are offered.
    pub two_buttons: bool,
    /// The sound of a word comes before its text.
    pub audio_first: bool,
}

impl Default for ReviewSettings {
    fn default() -> Self {
        Self {
            retention: 0.9,
            max_interval_days: 36_500,
            day_start_minutes: DEFAULT_DAY_START_MIN,
            new_per_day: 10,
            reviews_per_day: 200,
            easy_days: [1.0; 7],
            rest_days: [false; 7],
            away: Vec::new(),
            leech_lapses: 8,
            params: String::new(),
            two_buttons: false,
            audio_first: false,
        }
    }
}

impl ReviewSettings {
    /// Maximum number of absences.
    pub const MAX_AWAY: usize = 20;
    const MAX_PER_DAY: u32 = 9_999;

    /// Reads the settings from registers of the namespace `REVIEW`. Others are ignored.
    pub fn of_registers<'a>(registers: impl IntoIterator<Item = &'a Kv>) -> Self {
        let mut settings = Self::default().fields();
        for kv in registers.into_iter().filter(|kv| kv.ns == REVIEW) {
            let Some(default) = settings.get(&kv.key).cloned() else { continue };
            let Ok(value) = serde_json::from_str::<Value>(&kv.value) else { continue };
            settings.insert(kv.key.clone(), value);
            // A value that this release cannot use counts as not set.
            if Self::of(&settings).is_none() {
                settings.insert(kv.key.clone(), default);
            }
        }
        Self::of(&settings).unwrap_or_default().limited()
    }
    /// Returns the settings that decide due days.
    pub fn due(&self) -> DueSettings {
        DueSettings {
            retention: self.retention,
            max_interval: self.max_interval_days,
            easy_days: self.easy_days.map(|weight| (weight * 100.0) as u8),
            away: self
                .away
                .iter()
                .map(|away| Away { from_day: away.from_day, to_day: away.to_day })
                .collect(),
        }
    }
    /// Returns the settings with all values within their ranges.
    #[must_use]
    pub fn limited(mut self) -> Self {
        let finite = |n: f64, default: f64| if n.is_finite() { n } else { default };
        self.retention = finite(self.retention, 0.9)
            .clamp(DueSettings::MIN_RETENTION, DueSettings::MAX_RETENTION);
        self.max_interval_days = self.max_interval_days.clamp(1, 36_500);
        self.day_start_minutes = self.day_start_minutes.clamp(0, MAX_DAY_START_MIN);
        self.new_per_day = self.new_per_day.min(Self::MAX_PER_DAY);
        self.reviews_per_day = self.reviews_per_day.min(Self::MAX_PER_DAY);
        self.easy_days = self.easy_days.map(|weight| finite(weight, 1.0).clamp(0.0, 1.0));
        self.away.retain(|away| away.from_day <= away.to_day);
        self.away.truncate(Self::MAX_AWAY);
        self
    }
    /// Returns the names of the registers with their values as they are stored.
    pub fn fields(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        }
    }
    fn of(fields: &Map<String, Value>) -> Option<Self> {
        serde_json::from_value(Value::Object(fields.clone())).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_limited_to_their_ranges() {
        let strange = ReviewSettings {
            retention: 0.1,
            max_interval_days: 0,
            day_start_minutes: 1_000,
            new_per_day: u32::MAX,
            easy_days: [f64::NAN, 2.0, -1.0, 0.5, 1.0, 1.0, 1.0],
            away: vec![Absence { from_day: 2, to_day: 1 }; 3],
            ..ReviewSettings::default()
        }
        .limited();
        assert_eq!((strange.retention, strange.max_interval_days), (0.7, 1));
        assert_eq!((strange.day_start_minutes, strange.new_per_day), (720, 9_999));
        assert_eq!(strange.easy_days[..4], [1.0, 1.0, 0.0, 0.5]);
        assert!(strange.away.is_empty());
        assert_eq!(ReviewSettings::default().limited(), ReviewSettings::default());
        let fields = ReviewSettings::default().fields();
        assert_eq!(ReviewSettings::of(&fields), Some(ReviewSettings::default()));
        assert!(
            fields.contains_key(carrel_overview::DAY_START),
            "one register for the day's start"
        );
    }
}
