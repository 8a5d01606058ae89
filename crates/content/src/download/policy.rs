//! Decides whether a download may run, from the conditions of network and battery and the rules of
//! the learner and the organisation. Pure.
//!
//! Not here: where conditions come from (`conditions`), waiting (`task`).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::download::Reason;

/// State of the network. Unknown counts as unmetered, because a wrong "metered" would block users
/// on free networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// Connected, and not known to be metered.
    #[default]
    Unmetered,
    /// Connected, with a cost per byte.
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

/// Setting: what may be fetched over a metered network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Metered {
    /// Nothing.
    #[default]
    Never,
    /// Downloads with at most `SMALL` missing bytes.
    Small,
    /// Everything.
    Always,
}

/// What the learner and the organisation allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// Use of metered networks.
    pub metered: Metered,
    /// Download only while charging.
    pub only_charging: bool,
    /// Set if the organisation forbids downloads at the moment.
    pub forbidden: bool,
}

impl Rules {
    /// Reads the learner's settings; missing or unknown values are defaults.
    pub fn of_settings(settings: &BTreeMap<String, Value>) -> Self {
        let metered = match settings.get("downloadMetered").and_then(Value::as_str) {
            Some("small") => Metered::Small,
            Some("always") => Metered::Always,
            _ => Metered::Never,
        };
        let only_charging =
            settings.get("downloadCharging").and_then(Value::as_bool).unwrap_or(false);
        Self { metered, only_charging, forbidden: false }
    }
}

/// Upper limit of a small download, in bytes.
pub const SMALL: u64 = 5_000_000;
/// Battery charge in percent below which downloads wait.
pub const LOW: u8 = 15;
/// Concurrent transfers of one download.
pub const PARALLEL: usize = 4;
/// Concurrent transfers over a metered network, where discarded bytes cost money.
pub const PARALLEL_METERED: usize = 2;

/// Properties of the download to be decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PolicyInput {
    /// Missing bytes, if known.
    pub missing: Option<u64>,
    /// The learner allowed metered networks and low battery for this download.
    pub anyway: bool,
    /// Requested by the learner, as opposed to an automatic update.
    pub own: bool,
}

/// Returns the number of concurrent transfers allowed, or the reason why there are none.
pub fn allow(conditions: Conditions, rules: Rules, ask: PolicyInput) -> Result<usize, Reason> {
    if rules.forbidden {
        return Err(Reason::Policy);
    }
    let metered = match conditions.network {
        Network::Offline => return Err(Reason::Offline),
        Network::Metered => true,
        Network::Unmetered => false,
    };
    if ask.anyway {
        return Ok(if metered { PARALLEL_METERED } else { PARALLEL });
    }
    if let Power::Battery(percent) = conditions.power
        && (rules.only_charging || percent < LOW)
    {
        return Err(Reason::Battery);
    }
    if !metered {
        return Ok(PARALLEL);
    }
    let fits = match rules.metered {
        Metered::Never => false,
        // While unknown, the download may find out: a manifest is small.
        Metered::Small => ask.missing.is_none_or(|n| n <= SMALL),
        Metered::Always => true,
    };
    // An automatic update can always wait for an unmetered network.
    if fits && ask.own { Ok(PARALLEL_METERED) } else { Err(Reason::Metered) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_decides_as_documented() {
        let mains = |network| Conditions { network, power: Power::Mains };
        let battery = |network, left| Conditions { network, power: Power::Battery(left) };
        let rules = |metered| Rules { metered, ..Rules::default() };
        let charging =
            Rules { only_charging: true, metered: super::Metered::Always, forbidden: false };
        let own = |missing| PolicyInput { missing: Some(missing), anyway: false, own: true };
        let anyway = PolicyInput { anyway: true, ..own(SMALL * 9) };
        let update = PolicyInput { own: false, ..own(1) };
        use Network::{Offline, Unmetered};

        use super::Metered::{Always, Never, Small};
        for (n, (conditions, rules, ask, expected)) in [
            (mains(Unmetered), rules(Never), own(SMALL * 9), Ok(PARALLEL)),
            (mains(Unmetered), rules(Never), update, Ok(PARALLEL)),
            (mains(Offline), rules(Always), own(1), Err(Reason::Offline)),
            (mains(Offline), rules(Always), anyway, Err(Reason::Offline)),
            (mains(Network::Metered), rules(Never), own(1), Err(Reason::Metered)),
            (mains(Network::Metered), rules(Small), own(SMALL), Ok(PARALLEL_METERED)),
            (mains(Network::Metered), rules(Small), own(SMALL + 1), Err(Reason::Metered)),
            (
                mains(Network::Metered),
                rules(Small),
                PolicyInput { missing: None, ..own(0) },
                Ok(PARALLEL_METERED),
            ),
            (mains(Network::Metered), rules(Always), own(SMALL * 9), Ok(PARALLEL_METERED)),
            (mains(Network::Metered), rules(Always), update, Err(Reason::Metered)),
            (mains(Network::Metered), rules(Never), anyway, Ok(PARALLEL_METERED)),
            (battery(Unmetered, 80), rules(Never), own(1), Ok(PARALLEL)),
            (battery(Unmetered, LOW), rules(Never), own(1), Ok(PARALLEL)),
            (battery(Unmetered, LOW - 1), rules(Never), own(1), Err(Reason::Battery)),
            (battery(Unmetered, LOW - 1), rules(Never), anyway, Ok(PARALLEL)),
            (battery(Unmetered, 100), charging, own(1), Err(Reason::Battery)),
            (mains(Unmetered), charging, own(1), Ok(PARALLEL)),
            (mains(Unmetered), Rules { forbidden: true, ..charging }, anyway, Err(Reason::Policy)),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(allow(conditions, rules, ask), expected, "row {n}");
        }
    }
}
