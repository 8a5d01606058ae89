//! Whether a download may run now: the network and the battery on one side, what the learner and the organisation allow on the other.
//! Pure: conditions come in, a verdict comes out.
//!
//! Not here: where conditions come from (`conditions`), what waits and how (`task`).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::download::Reason;

/// What is known of the network. What is not known counts as unmetered: a wrong "metered" would stop people who pay nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    #[default]
    Unmetered,
    /// Somebody pays for each byte.
    Metered,
    /// The system says that there is none.
    Offline,
}

/// What is known of the current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Power {
    /// Plugged in, or a machine without a battery, or nobody knows.
    #[default]
    Mains,
    /// On battery, with so many percent left.
    Battery(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conditions {
    pub network: Network,
    pub power: Power,
}

/// What may be fetched over a metered network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Metered {
    #[default]
    Never,
    /// Downloads that lack at most `SMALL` bytes.
    Small,
    Always,
}

/// What people allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    pub metered: Metered,
    pub only_charging: bool,
    /// The organisation allows none now.
    pub forbidden: bool,
}

impl Rules {
    /// From the learner's settings; what is not set, or from a newer version, is as it is by default.
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

/// A small download, in bytes.
pub const SMALL: u64 = 5_000_000;
/// Below this charge a download leaves the rest of the battery to reading.
pub const LOW: u8 = 15;
/// Transfers at once for one download ...
pub const PARALLEL: usize = 4;
/// ... and where somebody pays for what is thrown away.
pub const PARALLEL_METERED: usize = 2;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PolicyInput {
    /// Bytes that are missing, as far as they are known.
    pub missing: Option<u64>,
    /// The learner said "now, whatever it costs".
    pub anyway: bool,
    /// The learner's own wish, and not an update that the app fetches by itself.
    pub own: bool,
}

/// How many transfers may run, or why none.
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
        // What is not known yet is found out: a manifest is small.
        Metered::Small => ask.missing.is_none_or(|n| n <= SMALL),
        Metered::Always => true,
    };
    // An update that nobody asked for can always wait for a network that costs nothing.
    if fits && ask.own { Ok(PARALLEL_METERED) } else { Err(Reason::Metered) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table() {
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
