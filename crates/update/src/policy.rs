//! What the organisation or the user decided about updates.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Channel;

/// When an update is downloaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Found and downloaded in the background, installed at the end of the program.
    #[default]
    Automatic,
    /// Found in the background; the user decides.
    Notify,
    /// Never.
    Off,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 3] = [Self::Automatic, Self::Notify, Self::Off];

    /// Returns the name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Notify => "notify",
            Self::Off => "off",
        }
    }
}
impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl FromStr for Mode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|m| m.as_str() == text)
            .ok_or_else(|| format!("unknown mode {text:?}; hint: use automatic, notify or off"))
    }
}

/// The rules for updates of this installation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdatePolicy {
    /// When an update is downloaded.
    pub mode: Mode,
    /// Channel.
    pub channel: Channel,
    /// Base addresses of the feed, tried in this order; empty: those of the build.
    pub urls: Vec<String>,
    /// Packages of the system (deb, rpm, MSI) update themselves too.
    pub managed_packages: bool,
}
