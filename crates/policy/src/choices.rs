//! The keys whose value is one of a few names.

use serde::Serialize;

/// An allowed value and its meaning.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    pub name: &'static str,
    pub meaning: &'static str,
}

macro_rules! choices {
    ($($(#[$doc:meta])* $type:ident { $($variant:ident = $name:literal, $meaning:literal;)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        #[serde(into = "&'static str")]
        pub enum $type {
            $(#[doc = $meaning] $variant),*
        }

        impl $type {
            /// The allowed values in policies.
            pub const CHOICES: &'static [Choice] =
                &[$(Choice { name: $name, meaning: $meaning }),*];

            /// Returns the value with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Returns the name in policies.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),*
                }
            }
        }

        impl From<$type> for &'static str {
            fn from(value: $type) -> Self {
                value.name()
            }
        }
    )*};
}

choices! {
    /// When a new version of the app is installed.
    UpdateMode {
        Automatic = "automatic", "New versions are downloaded and installed without a question.";
        Notify = "notify", "The learner is told about a new version and decides when to install it.";
        Off = "off", "The app never looks for a new version.";
    }
    /// Which versions of the app are offered.
    UpdateChannel {
        Stable = "stable", "Released versions.";
        Beta = "beta", "Versions before their release.";
        LongTerm = "long-term", "Only versions that are maintained for a long time.";
    }
    /// How the app finds its proxy. The other fields are in separate keys.
    ProxyMode {
        System = "system", "The proxy settings of the operating system.";
        Direct = "direct", "No proxy.";
        Manual = "manual", "The proxy in ProxyUrl.";
        Pac = "pac", "The script at ProxyPacUrl chooses the proxy for each address.";
    }
    /// What may be downloaded over a metered network.
    MeteredDownloads {
        Never = "never", "Nothing.";
        Small = "small", "Downloads with at most 5 MB missing.";
        Always = "always", "Everything.";
    }
    /// Ways to start using the app, on the first screen.
    SignInMethod {
        Password = "password", "With the user name and password of an account on the server.";
        Provider = "provider", "With a school account, in the browser, if the server offers it.";
        Registration = "registration", "By creating an account on the server.";
        Guest = "guest", "Without an account and without a server.";
    }
    /// How much the log contains.
    LogLevel {
        Error = "error", "Failures only.";
        Warn = "warn", "Also what may become a failure.";
        Info = "info", "Also what the app does.";
        Debug = "debug", "Also details for finding a fault.";
        Trace = "trace", "Everything; slows the app.";
    }
}
