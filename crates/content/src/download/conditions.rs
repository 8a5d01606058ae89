//! Network and battery conditions, from the UI and the system. Web views on Linux report neither
//! batteries nor metered networks; on Linux the kernel and NetworkManager are queried.
//!
//! Not here: the decision (`policy`).

use std::{fs, path::Path};

use crate::download::{Conditions, Network, Power};

/// Conditions reported by one source; `None` if unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportedConditions {
    /// Whether there is a network.
    pub online: Option<bool>,
    /// Whether the network is metered.
    pub metered: Option<bool>,
    /// Source of power.
    pub power: Option<Power>,
}

impl ReportedConditions {
    /// Returns these conditions, with unknown ones replaced by those of `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            online: self.online.or(other.online),
            metered: self.metered.or(other.metered),
            power: self.power.or(other.power),
        }
    }
    /// Returns the conditions; unknown ones count as an unmetered network and mains power.
    pub fn conditions(self) -> Conditions {
        let network = match (self.online, self.metered) {
            (Some(false), _) => Network::Offline,
            (_, Some(true)) => Network::Metered,
            _ => Network::Unmetered,
        };
        Conditions { network, power: self.power.unwrap_or_default() }
    }
}

/// Reads the conditions from the system. Blocking, usually for a few milliseconds.
pub trait Sensors: Send + Sync + 'static {
    /// Returns the current conditions.
    fn read(&self) -> ReportedConditions;
}

/// The sensors of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemSensors;

impl Sensors for SystemSensors {
    fn read(&self) -> ReportedConditions {
        ReportedConditions {
            online: None,
            metered: metered(),
            power: power(Path::new("/sys/class/power_supply")),
        }
    }
}

/// Returns the power source according to the kernel: battery if a battery of the machine is
/// discharging; `None` if the machine has no battery.
fn power(supplies: &Path) -> Option<Power> {
    let read =
        |dir: &Path, name: &str| Some(fs::read_to_string(dir.join(name)).ok()?.trim().to_owned());
    let mut found = None;
    for supply in fs::read_dir(supplies).ok()?.flatten() {
        let dir = supply.path();
        // Batteries of peripherals have the scope "Device".
        let own = read(&dir, "scope").is_none_or(|s| s != "Device");
        if !own || read(&dir, "type").as_deref() != Some("Battery") {
            continue;
        }
        let left = read(&dir, "capacity").and_then(|c| c.parse::<u8>().ok()).unwrap_or(100);
        let drains = read(&dir, "status").as_deref() == Some("Discharging");
        let this = if drains { Power::Battery(left.min(100)) } else { Power::Mains };
        found = Some(match (found, this) {
            // Of several discharging batteries, the charge of the fullest is returned.
            (Some(Power::Battery(a)), Power::Battery(b)) => Power::Battery(a.max(b)),
            (Some(Power::Battery(a)), Power::Mains) => Power::Battery(a),
            (_, this) => this,
        });
    }
    found
}

#[cfg(target_os = "linux")]
fn metered() -> Option<bool> {
    use dbus::blocking::{Connection, stdintf::org_freedesktop_dbus::Properties};
    let bus = Connection::new_system().ok()?;
    let timeout = std::time::Duration::from_millis(500);
    let manager = bus.with_proxy(
        "org.freedesktop.NetworkManager",
        "/org/freedesktop/NetworkManager",
        timeout,
    );
    // NMMetered: 0 unknown, 1 yes, 2 no, 3 guessed yes, 4 guessed no.
    match manager.get::<u32>("org.freedesktop.NetworkManager", "Metered").ok()? {
        1 | 3 => Some(true),
        2 | 4 => Some(false),
        _ => None,
    }
}
#[cfg(not(target_os = "linux"))]
fn metered() -> Option<bool> {
    None
}

#[cfg(test)]
mod tests;
