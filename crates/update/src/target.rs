//! The channel, the kind of package and the target of an installation.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A channel. Each has a feed of its own.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// Releases for everyone.
    #[default]
    Stable,
    /// Releases for tests.
    Beta,
    /// Corrections only, for organisations.
    LongTerm,
}

impl Channel {
    /// All channels.
    pub const ALL: [Self; 3] = [Self::Stable, Self::Beta, Self::LongTerm];

    /// Returns the name, as in the names of files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Beta => "beta",
            Self::LongTerm => "long-term",
        }
    }
    /// Returns the file name of the feed.
    pub fn feed_name(self) -> String {
        format!("{self}.json")
    }
}
impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl FromStr for Channel {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|c| c.as_str() == text)
            .ok_or_else(|| format!("unknown channel {text:?}; hint: use stable, beta or long-term"))
    }
}

/// The kind of package from which the program was installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PackageKind {
    /// A single file that contains the program and its libraries (Linux).
    AppImage,
    /// The program file in any folder, with the libraries of the system (Linux).
    Program,
    /// A Debian package.
    Deb,
    /// An RPM package.
    Rpm,
    /// A Flatpak.
    Flatpak,
    /// An installer for one Windows user.
    Nsis,
    /// An installer for all users of a Windows machine.
    Msi,
    /// An application folder (macOS).
    App,
}

impl PackageKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::AppImage,
        Self::Program,
        Self::Deb,
        Self::Rpm,
        Self::Flatpak,
        Self::Nsis,
        Self::Msi,
        Self::App,
    ];

    /// Returns the name, as in a target.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AppImage => "appimage",
            Self::Program => "program",
            Self::Deb => "deb",
            Self::Rpm => "rpm",
            Self::Flatpak => "flatpak",
            Self::Nsis => "nsis",
            Self::Msi => "msi",
            Self::App => "app",
        }
    }
    /// Returns true if the system or the organisation updates the package, so that the app does so only if the policy
    /// says it.
    pub fn is_managed(self) -> bool {
        matches!(self, Self::Deb | Self::Rpm | Self::Flatpak | Self::Msi)
    }
    /// Returns true if an update replaces one file, which this crate does itself.
    pub fn is_single_file(self) -> bool {
        matches!(self, Self::AppImage | Self::Program)
    }
}
impl fmt::Display for PackageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The operating system, the processor and the kind of package: `linux-x86_64-appimage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// `linux`, `windows` or `macos`.
    pub os: &'static str,
    /// `x86_64`, `aarch64` or `universal`.
    pub arch: &'static str,
    /// Kind of package.
    pub package: PackageKind,
}

impl Target {
    /// Returns the target of this program. macOS has one package for all processors.
    pub fn of_this_program(package: PackageKind) -> Self {
        let arch = match package {
            PackageKind::App => "universal",
            _ => std::env::consts::ARCH,
        };
        Self { os: std::env::consts::OS, arch, package }
    }
}
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.os, self.arch, self.package)
    }
}
