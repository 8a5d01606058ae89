//! What a learner sets: for a card (suspended, known, buried, hint dismissed), and for all reviews. Each field is a
//! register of its own, so that two devices that change different fields keep both changes.

use std::collections::BTreeMap;

use carrel_model::{
    CardKey,
    lattice::{CARD, Kv, REVIEW},
};
use carrel_scheduling::{Away, DueSettings};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Result,
    store::{
        Tx, checked,
        study_day::{DEFAULT_DAY_START_MIN, MAX_DAY_START_MIN},
    },
    words::Cards,
};

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
}

/// Returns what the learner set, by card.
pub(super) fn marks(conn: &Connection, cards: &Cards) -> Result<BTreeMap<CardKey, CardMarks>> {
    Ok(collect(checked::query::<Kv>(conn, &format!("WHERE ns = ?1 {BY_TIME}"), [CARD])?, cards))
}

/// Returns what the learner set for one card. `cards` has the words of the card.
pub(crate) fn marks_of(conn: &Connection, cards: &Cards, card: &CardKey) -> Result<CardMarks> {
    let items = cards.items_of(card);
    let own = items.iter().map(CardKey::of_item).chain([card.clone()]);
    let fields = [SUSPENDED, KNOWN, BURIED, LEECH];
    let keys: Vec<String> =
        own.flat_map(|card| fields.map(|field| format!("{field}/{card}"))).collect();
    let clause = format!("WHERE ns = ?1 AND key IN (SELECT value FROM json_each(?2)) {BY_TIME}");
    let keys = serde_json::to_string(&keys)?;
    let found = checked::query::<Kv>(conn, &clause, [CARD, keys.as_str()])?;
    Ok(collect(found, cards).remove(card).unwrap_or_default())
}

/// A word without entry may have become a card since: the later value wins.
const BY_TIME: &str = "ORDER BY hlc, device, value";

fn collect(registers: Vec<Kv>, cards: &Cards) -> BTreeMap<CardKey, CardMarks> {
    let mut found: BTreeMap<CardKey, CardMarks> = BTreeMap::new();
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

/// Stores what differs from the present marks of a card.
pub(crate) fn set_marks(
    tx: &mut Tx<'_>,
    card: &CardKey,
    before: &CardMarks,
    after: &CardMarks,
) -> Result<()> {
    let number = |n: Option<i64>| n.map_or(Value::Null, Value::from);
    let fields = |marks: &CardMarks| {
        [
            (SUSPENDED, Value::Bool(marks.suspended)),
            (KNOWN, Value::Bool(marks.known)),
            (BURIED, number(marks.buried_until.map(i64::from))),
            (LEECH, number(marks.leech_dismissed.map(i64::from))),
        ]
    };
    for ((field, value), (_, old)) in fields(after).into_iter().zip(fields(before)) {
        if value != old {
            tx.set_register(CARD, &format!("{field}/{card}"), &value)?;
        }
    }
    Ok(())
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

    pub(super) fn load(conn: &Connection) -> Result<Self> {
        let stored = checked::query::<Kv>(conn, "WHERE ns = ?1", [REVIEW])?;
        let mut settings = Self::default().fields();
        for kv in stored {
            let Some(default) = settings.get(&kv.key).cloned() else { continue };
            let Ok(value) = serde_json::from_str::<Value>(&kv.value) else { continue };
            settings.insert(kv.key.clone(), value);
            // A value that this release cannot use counts as not set.
            if Self::of(&settings).is_none() {
                settings.insert(kv.key, default);
            }
        }
        Ok(Self::of(&settings).unwrap_or_default().limited())
    }
    /// Stores the fields that differ from `before`.
    pub(super) fn store(&self, tx: &mut Tx<'_>, before: &Self) -> Result<()> {
        let old = before.fields();
        for (name, value) in self.clone().limited().fields() {
            if old.get(&name) != Some(&value) {
                tx.set_register(REVIEW, &name, &value)?;
            }
        }
        Ok(())
    }
    pub(super) fn due(&self) -> DueSettings {
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
    fn limited(mut self) -> Self {
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
    fn fields(&self) -> Map<String, Value> {
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
            fields.contains_key(crate::store::study_day::DAY_START),
            "one register for the day's start"
        );
    }
}
