//! Decides whether a download may run, by network, battery, and the rules of the learner and the
//! organisation. Pure.
//!
//! Not here: where conditions come from (`conditions`), waiting (`task`).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::download::Reason;

/// State of the network. An unknown state counts as unmetered; otherwise downloads would be blocked on
/// systems that do not report it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// Connected, and not known to be metered.
    #[default]
    Unmetered,
    /// Connected, and data may cost money.
    Metered,
    /// No network, as reported by the system.
    Offline,
}

/// Source of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Power {
    /// Plugged in, no battery, or unknown.
    #[default]
    Mains,
    /// On battery, with the charge in percent.
    Battery(u8),
}

/// Conditions that a download depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conditions {
    /// State of the network.
    pub network: Network,
    /// Source of power.
    pub power: Power,
}

/// Setting: downloads allowed over a metered network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Metered {
    /// No downloads.
    #[default]
    Never,
    /// Downloads with at most `SMALL_DOWNLOAD` missing bytes.
    Small,
    /// All downloads.
    Always,
}

/// The rules of the learner and the organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// Use of metered networks.
    pub metered: Metered,
    /// The organisation decided on metered networks: the learner cannot allow one for a single download.
    pub metered_fixed: bool,
    /// Downloads only while charging.
    pub only_charging: bool,
    /// The organisation forbids downloads.
    pub forbidden: bool,
}

impl Rules {
    /// Reads the learner's settings; missing or invalid values are replaced by defaults.
    pub fn of_settings(settings: &BTreeMap<String, Value>) -> Self {
        let metered = match settings.get("downloadMetered").and_then(Value::as_str) {
            Some("small") => Metered::Small,
            Some("always") => Metered::Always,
            _ => Metered::Never,
        };
        let only_charging =
            settings.get("downloadCharging").and_then(Value::as_bool).unwrap_or(false);
        Self { metered, only_charging, ..Self::default() }
    }
}

/// Upper limit of a small download, in bytes.
pub const SMALL_DOWNLOAD: u64 = 5_000_000;
/// Battery charge, in percent, below which downloads wait.
pub const LOW_BATTERY: u8 = 15;
/// Largest number of concurrent transfers of one download.
pub const MAX_TRANSFERS: usize = 4;
/// Largest number over a metered network, where bytes of aborted transfers may cost money.
pub const MAX_TRANSFERS_METERED: usize = 2;

/// Properties of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PolicyInput {
    /// Missing bytes, if known.
    pub missing: Option<u64>,
    /// The learner allowed metered networks and low battery for this download.
    pub anyway: bool,
    /// Requested by the learner, as opposed to an automatic update.
    pub is_requested: bool,
}

/// Returns the number of concurrent transfers allowed, or why the download must wait.
pub fn allow(conditions: Conditions, rules: Rules, input: PolicyInput) -> Result<usize, Reason> {
    if rules.forbidden {
        return Err(Reason::Policy);
    }
    let metered = match conditions.network {
        Network::Offline => return Err(Reason::Offline),
        Network::Metered => true,
        Network::Unmetered => false,
    };
    if input.anyway && !(metered && rules.metered_fixed) {
        return Ok(if metered { MAX_TRANSFERS_METERED } else { MAX_TRANSFERS });
    }
    if let Power::Battery(percent) = conditions.power
        && !input.anyway
        && (rules.only_charging || percent < LOW_BATTERY)
    {
        return Err(Reason::Battery);
    }
    if !metered {
        return Ok(MAX_TRANSFERS);
    }
    let fits = match rules.metered {
        Metered::Never => false,
        // An unknown size is allowed: the manifest, from which it is determined, is small.
        Metered::Small => input.missing.is_none_or(|n| n <= SMALL_DOWNLOAD),
        Metered::Always => true,
    };
    // Automatic updates wait for an unmetered network.
    if fits && input.is_requested { Ok(MAX_TRANSFERS_METERED) } else { Err(Reason::Metered) }
}

#[cfg(test)]
mod tests;
