//! The list of policy keys. Readers, checks, the report, the documentation and all files for administrators use it.
//!
//! Not here: rules that concern several keys (`conflicts`), the typed values (`policies`).

use serde::Serialize;

use crate::choices::{
    Choice, LogLevel, MeteredDownloads, ProxyMode, SignInMethod, UpdateChannel, UpdateMode,
};

/// A policy key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The name in every source.
    pub name: &'static str,
    pub group: Group,
    pub kind: Kind,
    /// What holds without the key, as JSON; empty: the learner's or the app's own choice.
    pub default: &'static str,
    /// A short label.
    pub title: &'static str,
    /// Plain sentences. No markup.
    pub description: &'static str,
    /// An example, as JSON.
    pub example: &'static str,
    /// The first release with the key.
    pub since: &'static str,
    pub access: UserAccess,
    pub applies: Applies,
    /// The value is not shown in reports.
    pub is_secret: bool,
}

/// Type and allowed values of a key.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// True or false; with `only`, no other value is possible.
    Bool {
        only: Option<bool>,
    },
    Choice(&'static [Choice]),
    /// An amount of bytes: a number, or a text such as `20 GB`.
    Size {
        min: u64,
        max: u64,
    },
    /// An address with one of these schemes.
    Url {
        schemes: &'static [&'static str],
        may_have_password: bool,
        may_have_query: bool,
    },
    /// An absolute path of a file or folder.
    Path,
    /// A secret of ASCII letters, digits, `.`, `_`, `~` and `-`.
    Token,
    List(ItemKind),
}

/// Type of the entries of a list.
#[derive(Debug, Clone, Copy)]
pub enum ItemKind {
    Choice(&'static [Choice]),
    /// An entry of AllowedServers.
    Server,
    /// A name or address that is reached without the proxy.
    Bypass,
}

/// The sections of the documentation and of the editors for group policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Server,
    Updates,
    Network,
    Content,
    App,
}

/// What the learner may do with the setting while the key is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UserAccess {
    /// The learner sees the value, and cannot change it.
    Locked,
    /// The learner may choose another value, unless this other key is true.
    ChangeableUnless(&'static str),
    /// The app has no such setting.
    NotASetting,
}

/// When a changed value takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applies {
    /// Within a minute.
    WhileRunning,
    AtNextStart,
}

impl Group {
    pub const ALL: [Self; 5] =
        [Self::Server, Self::Updates, Self::Network, Self::Content, Self::App];

    pub fn title(self) -> &'static str {
        match self {
            Self::Server => "Server and sign-in",
            Self::Updates => "Updates of the app",
            Self::Network => "Network",
            Self::Content => "Content and storage",
            Self::App => "The app",
        }
    }

    /// Returns the keys of this section.
    pub fn keys(self) -> impl Iterator<Item = &'static Key> {
        KEYS.iter().filter(move |key| key.group == self)
    }
}

impl Key {
    /// Returns the key with this name. Names are case-sensitive.
    pub fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Returns the name of the known key that is most similar to `name`, if one is similar.
    pub fn nearest(name: &str) -> Option<&'static str> {
        // A longer text is not similar to any key.
        let name: String = name.chars().take(40).flat_map(char::to_lowercase).collect();
        let name: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
        let distance = |key: &Self| strsim::levenshtein(&key.name.to_lowercase(), &name);
        let nearest = KEYS.iter().min_by_key(|key| distance(key))?;
        (distance(nearest) <= nearest.name.len() / 4 + 1).then_some(nearest.name)
    }
}

const WEB: &[&str] = &["https", "http"];

const MB: u64 = 1_000_000;
const TB: u64 = 1_000_000 * MB;

/// A key without the rarely used fields.
const KEY: Key = Key {
    name: "",
    group: Group::App,
    kind: Kind::Bool { only: None },
    default: "",
    title: "",
    description: "",
    example: "",
    since: "0.1.0",
    access: UserAccess::NotASetting,
    applies: Applies::AtNextStart,
    is_secret: false,
};

/// All keys, in the order of the documentation.
pub const KEYS: &[Key] = &[
    Key {
        name: "ServerAddress",
        group: Group::Server,
        kind: Kind::Url { schemes: WEB, may_have_password: false, may_have_query: false },
        title: "Server address",
        description: "The address of the organisation's Carrel server. The sign-in form contains it.",
        example: r#""https://school.example""#,
        access: UserAccess::ChangeableUnless("ServerAddressLocked"),
        applies: Applies::WhileRunning,
        ..KEY
    },
    Key {
        name: "ServerAddressLocked",
        group: Group::Server,
        default: "false",
        title: "Lock the server address",
        description: "Learners can sign in to the server in ServerAddress only. Needs ServerAddress.",
        example: "true",
        access: UserAccess::Locked,
        applies: Applies::WhileRunning,
        ..KEY
    },
    Key {
        name: "AllowedServers",
        group: Group::Server,
        kind: Kind::List(ItemKind::Server),
        title: "Allowed servers",
        description: "Learners can sign in to these servers only. An entry is a name (school.example), a name with a \
            port (school.example:8443), an address (https://school.example/carrel), or all names below a name \
            (*.school.example). Without a scheme, both http and https are allowed; without a port, every port is. An \
            account that already exists for another server stays on the machine, but is not opened.",
        example: r#"["school.example", "*.schools.example"]"#,
        access: UserAccess::Locked,
        applies: Applies::WhileRunning,
        ..KEY
    },
    Key {
        name: "SignInMethods",
        group: Group::Server,
        kind: Kind::List(ItemKind::Choice(SignInMethod::CHOICES)),
        default: r#"["password", "provider", "registration", "guest"]"#,
        title: "Ways to sign in",
        description: "The ways to start that the first screen offers. All others are refused.",
        example: r#"["password"]"#,
        access: UserAccess::Locked,
        applies: Applies::WhileRunning,
        ..KEY
    },
    Key {
        name: "EnrolmentToken",
        group: Group::Server,
        kind: Kind::Token,
        title: "Enrolment token",
        description: "An enrolment token of the server in ServerAddress (carrel-server token add). It is sent to this \
            server only, when a learner creates an account or signs in: learners can register although registration \
            is closed, and are enrolled in the courses of the token. 8 to 512 ASCII letters, digits and the characters \
            . _ ~ -. Reports never contain it. All users of the machine can read the policies, so give the token an \
            end and a number of uses.",
        example: r#""Zk3p-9fQ2-xv81-Lm0c""#,
        is_secret: true,
        applies: Applies::WhileRunning,
        ..KEY
    },
    Key {
        name: "UpdateMode",
        group: Group::Updates,
        kind: Kind::Choice(UpdateMode::CHOICES),
        title: "How the app is updated",
        description: "Whether the app looks for new versions of itself and installs them. Packages that the system \
            manages (deb, rpm, MSI) also need SelfUpdateManagedPackages.",
        example: r#""automatic""#,
        access: UserAccess::Locked,
        applies: Applies::WhileRunning,
        ..KEY
    },
    Key {
        name: "UpdateChannel",
        group: Group::Updates,
        kind: Kind::Choice(UpdateChannel::CHOICES),
        title: "Update channel",
        description: "Which versions are offered.",
        example: r#""long-term""#,
        access: UserAccess::Locked,
        applies: Applies::WhileRunning,
        ..KEY
    },
    Key {
        name: "UpdateUrl",
        group: Group::Updates,
        kind: Kind::Url { schemes: WEB, may_have_password: false, may_have_query: false },
        title: "Update feed",
        description: "The address of the organisation's own update feed, instead of the public one. Updates are \
            signed, so the feed needs no trust.",
        example: r#""https://updates.school.example/carrel""#,
        applies: Applies::WhileRunning,
        ..KEY
    },
    Key {
        name: "SelfUpdateManagedPackages",
        group: Group::Updates,
        default: "false",
        title: "Self-update of managed packages",
        description: "Also updates an app that was installed from a package for all users of the machine (deb, rpm, \
            MSI). Without this, the package manager or the administrator updates it.",
        example: "true",
        applies: Applies::WhileRunning,
        ..KEY
    },
    Key {
        name: "ProxyMode",
        group: Group::Network,
        kind: Kind::Choice(ProxyMode::CHOICES),
        default: r#""system""#,
        title: "Proxy",
        description: "How the app finds its proxy. Holds for sync, content, media and updates.",
        example: r#""manual""#,
        ..KEY
    },
    Key {
        name: "ProxyUrl",
        group: Group::Network,
        kind: Kind::Url {
            schemes: &["http", "https", "socks5", "socks5h"],
            may_have_password: true,
            may_have_query: false,
        },
        title: "Address of the proxy",
        description: "The proxy of all connections with ProxyMode manual. May contain a user name and a password, \
            which reports do not show.",
        example: r#""http://proxy.school.example:3128""#,
        ..KEY
    },
    Key {
        name: "ProxyPacUrl",
        group: Group::Network,
        kind: Kind::Url { schemes: WEB, may_have_password: false, may_have_query: true },
        title: "Address of the proxy script",
        description: "The script (PAC) of ProxyMode pac.",
        example: r#""http://proxy.school.example/proxy.pac""#,
        ..KEY
    },
    Key {
        name: "ProxyBypass",
        group: Group::Network,
        kind: Kind::List(ItemKind::Bypass),
        title: "Reached without the proxy",
        description: "Names and addresses that are reached without the proxy in ProxyUrl: a name, all names below a \
            name (*.school.example), an IP address or a range (10.0.0.0/8).",
        example: r#"["localhost", "*.school.example", "10.0.0.0/8"]"#,
        ..KEY
    },
    Key {
        name: "ExtraCaFile",
        group: Group::Network,
        kind: Kind::Path,
        title: "Additional certificate authorities",
        description: "The absolute path of a PEM file with certificate authorities that are trusted in addition to \
            those of the operating system.",
        example: r#""/etc/carrel/school-ca.pem""#,
        ..KEY
    },
    Key {
        name: "MirrorUrl",
        group: Group::Network,
        kind: Kind::Url { schemes: WEB, may_have_password: false, may_have_query: false },
        title: "Mirror of content and updates",
        description: "The base address of a mirror in the local network. Content and updates are asked for there \
            first. All of it is verified, so the mirror needs no trust.",
        example: r#""http://mirror.school.example""#,
        ..KEY
    },
    Key {
        name: "ContentQuota",
        group: Group::Content,
        kind: Kind::Size { min: 100 * MB, max: 100 * TB },
        title: "Space for content",
        description: "The largest space that downloaded content may use: a number of bytes, or a text such as 20 GB. \
            Units are MB, GB and TB (powers of 1000) and MiB, GiB and TiB (powers of 1024). Learners may choose less.",
        example: r#""20 GB""#,
        access: UserAccess::Locked,
        applies: Applies::WhileRunning,
        ..KEY
    },
    Key {
        name: "ContentFolder",
        group: Group::Content,
        kind: Kind::Path,
        title: "Content folder of the machine",
        description: "The absolute path of one content folder for all users of the machine. A user who may write to \
            it stores content there. Other users read it, and store what it lacks in a folder of their own.",
        example: r#""/srv/carrel/content""#,
        access: UserAccess::Locked,
        ..KEY
    },
    Key {
        name: "DownloadOnMetered",
        group: Group::Content,
        kind: Kind::Choice(MeteredDownloads::CHOICES),
        title: "Downloads on metered networks",
        description: "What may be downloaded over a network whose data costs money.",
        example: r#""never""#,
        access: UserAccess::Locked,
        applies: Applies::WhileRunning,
        ..KEY
    },
    Key {
        name: "DemoLibrary",
        group: Group::Content,
        default: "true",
        title: "Demo library",
        description: "Offers the demo library of the app on the first screen, and to guests.",
        example: "false",
        access: UserAccess::Locked,
        applies: Applies::WhileRunning,
        ..KEY
    },
    Key {
        name: "ImportCourses",
        group: Group::Content,
        default: "true",
        title: "Import of course files",
        description: "Learners may import courses from files.",
        example: "false",
        access: UserAccess::Locked,
        applies: Applies::WhileRunning,
        ..KEY
    },
    Key {
        name: "ImportWork",
        group: Group::Content,
        default: "true",
        title: "Import of work",
        description: "Learners may import their work from a file, for example after using another machine.",
        example: "false",
        access: UserAccess::Locked,
        applies: Applies::WhileRunning,
        ..KEY
    },
    Key {
        name: "KioskMode",
        group: Group::App,
        default: "false",
        title: "Kiosk",
        description: "For machines that many people use one after the other under one user of the operating system. \
            A sign-out, and the sign-in of somebody else, sends the work to the server for at most 15 seconds and then \
            deletes it from the machine. Work that the server does not have, and the work of guests, is kept in an \
            encrypted file; the first screen shows the code with which it is claimed in Settings.",
        example: "true",
        applies: Applies::WhileRunning,
        ..KEY
    },
    Key {
        name: "Telemetry",
        group: Group::App,
        kind: Kind::Bool { only: Some(false) },
        default: "false",
        title: "Telemetry",
        description: "Carrel sends no telemetry, whatever this key says. It exists so that a checklist can contain it.",
        example: "false",
        ..KEY
    },
    Key {
        name: "LogLevel",
        group: Group::App,
        kind: Kind::Choice(LogLevel::CHOICES),
        title: "Log level",
        description: "How much the log contains, whatever CARREL_LOG says. The log never contains tokens, answers or contents of files.",
        example: r#""debug""#,
        ..KEY
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_texts_are_complete() {
        let names: HashSet<_> = KEYS.iter().map(|key| key.name.to_lowercase()).collect();
        assert_eq!(names.len(), KEYS.len());
        for key in KEYS {
            assert!(key.name.bytes().all(|b| b.is_ascii_alphanumeric()), "{}", key.name);
            assert!(
                key.description.ends_with('.') && !key.description.contains("  "),
                "{}",
                key.name
            );
            assert!(!key.title.is_empty() && !key.title.ends_with('.'), "{}", key.name);
            if let UserAccess::ChangeableUnless(lock) = key.access {
                assert!(Key::find(lock).is_some(), "{}", key.name);
            }
        }
        let in_groups: usize = Group::ALL.into_iter().map(|group| group.keys().count()).sum();
        assert_eq!(in_groups, KEYS.len());
    }

    #[test]
    fn a_misspelled_name_is_near_to_its_key_and_other_names_are_near_to_none() {
        for (name, key) in [
            ("UpdateMod", "UpdateMode"),
            ("serveraddress", "ServerAddress"),
            ("server_address", "ServerAddress"),
            ("proxy.url", "ProxyUrl"),
            ("ProxyURL", "ProxyUrl"),
            ("AllowedServer", "AllowedServers"),
            ("Telemetrie", "Telemetry"),
        ] {
            assert_eq!(Key::nearest(name), Some(key), "{name}");
        }
        for name in ["", "HomepageLocation", "x", &"ServerAddress".repeat(20)] {
            assert_eq!(Key::nearest(name), None, "{name}");
        }
    }
}
