//! The table `[oidc]` of the configuration file, and its mistakes in words.

use std::path::PathBuf;

use serde::Deserialize;
use url::{Host, Url};

/// Longest name of the button, in characters.
const MAX_BUTTON: usize = 60;
/// Longest client secret, in bytes.
const MAX_SECRET: usize = 4096;

/// The table `[oidc]` (docs/OPERATIONS.md lists the keys).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OidcSettings {
    /// Identifier of the provider, exactly as its metadata states it, such as
    /// `https://login.school.example/realms/main`.
    pub issuer: String,
    /// Id of this server at the provider.
    pub client_id: String,
    /// File with the client secret; none: a public client, which is protected by PKCE alone.
    pub client_secret_file: Option<PathBuf>,
    /// Requested scopes; `openid` has to be one of them.
    pub scopes: Vec<String>,
    /// Claim of the login of a new account.
    pub login_claim: String,
    /// Claim of the display name of a new account.
    pub name_claim: String,
    /// Claim with the names of the groups of the person; empty: groups are not read.
    pub groups_claim: String,
    /// Groups whose members are students, instructors or administrators. If all are empty, ranks are not changed.
    pub student_groups: Vec<String>,
    pub instructor_groups: Vec<String>,
    pub administrator_groups: Vec<String>,
    /// Creates an account at the first sign-in of a person who is not linked to one.
    pub create_accounts: bool,
    /// Claim that is compared with the source id of the roster, to link accounts at the first sign-in; empty: none.
    pub source_id_claim: String,
    /// Name of the button in the app.
    pub button: String,
    /// Hosts of endpoints that are not on the host of the issuer.
    pub allowed_hosts: Vec<String>,
    /// Maximum duration of a request to the provider.
    pub timeout_s: u64,
}

impl Default for OidcSettings {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            client_id: String::new(),
            client_secret_file: None,
            scopes: vec!["openid".into(), "profile".into()],
            login_claim: "preferred_username".into(),
            name_claim: "name".into(),
            groups_claim: String::new(),
            student_groups: Vec::new(),
            instructor_groups: Vec::new(),
            administrator_groups: Vec::new(),
            create_accounts: false,
            source_id_claim: String::new(),
            button: "School account".into(),
            allowed_hosts: Vec::new(),
            timeout_s: 10,
        }
    }
}

/// A mistake in the table `[oidc]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("oidc.{key}: {problem}")]
pub struct SettingsProblem {
    pub key: &'static str,
    pub problem: String,
}

fn wrong<T>(key: &'static str, problem: impl Into<String>) -> Result<T, SettingsProblem> {
    Err(SettingsProblem { key, problem: problem.into() })
}

/// What the settings mean, after they were checked.
#[derive(Clone)]
pub(crate) struct Checked {
    pub issuer: Url,
    pub secret: Option<String>,
}

impl OidcSettings {
    /// Returns true if groups determine ranks.
    pub fn maps_groups(&self) -> bool {
        [&self.student_groups, &self.instructor_groups, &self.administrator_groups]
            .iter()
            .any(|groups| !groups.is_empty())
    }

    /// Checks the settings and reads the client secret. Contacts nobody.
    ///
    /// # Errors
    /// The first mistake, with its key.
    pub(crate) fn check(&self) -> Result<Checked, SettingsProblem> {
        let issuer = match Url::parse(&self.issuer) {
            Ok(url) if is_secure(&url) => url,
            Ok(_) => return wrong("issuer", "must be an https address, or one of this computer"),
            Err(e) => return wrong("issuer", format!("{:?} is not an address: {e}", self.issuer)),
        };
        if issuer.query().is_some() || issuer.fragment().is_some() || !issuer.username().is_empty()
        {
            return wrong("issuer", "must not contain a query, a fragment or a user name");
        }
        if self.client_id.trim().is_empty() {
            return wrong(
                "client_id",
                "is missing: the provider shows it where this server is registered",
            );
        }
        if !self.scopes.iter().any(|scope| scope == "openid") {
            return wrong("scopes", "must contain \"openid\"");
        }
        if let Some(scope) =
            self.scopes.iter().find(|s| s.is_empty() || s.contains(char::is_whitespace))
        {
            return wrong("scopes", format!("{scope:?} is not one scope"));
        }
        if self.login_claim.is_empty() {
            return wrong("login_claim", "must not be empty");
        }
        if self.button.trim().is_empty() || self.button.chars().count() > MAX_BUTTON {
            return wrong("button", format!("must have 1 to {MAX_BUTTON} characters"));
        }
        if self.maps_groups() && self.groups_claim.is_empty() {
            return wrong("groups_claim", "is missing, but there are groups with ranks");
        }
        let groups = [&self.student_groups, &self.instructor_groups, &self.administrator_groups];
        let mut seen = std::collections::BTreeSet::new();
        for group in groups.into_iter().flatten() {
            if group.is_empty() || !seen.insert(group) {
                return wrong(
                    "groups",
                    format!("the group {group:?} is empty or has several ranks"),
                );
            }
        }
        if let Some(host) = self.allowed_hosts.iter().find(|host| Host::parse(host).is_err()) {
            return wrong("allowed_hosts", format!("{host:?} is not the name of a host"));
        }
        if !(1..=60).contains(&self.timeout_s) {
            return wrong("timeout_s", "must be 1 to 60");
        }
        Ok(Checked { issuer, secret: self.secret()? })
    }

    fn secret(&self) -> Result<Option<String>, SettingsProblem> {
        let Some(path) = &self.client_secret_file else { return Ok(None) };
        let secret = match std::fs::read_to_string(path) {
            Ok(text) => text.trim().to_owned(),
            Err(e) => return wrong("client_secret_file", format!("cannot read {path:?}: {e}")),
        };
        if secret.is_empty() || secret.len() > MAX_SECRET || secret.contains(char::is_whitespace) {
            return wrong(
                "client_secret_file",
                format!("{path:?} must contain the secret alone, in one line"),
            );
        }
        Ok(Some(secret))
    }
}

/// Returns true for `https`, and for `http` on this computer.
pub(crate) fn is_secure(url: &Url) -> bool {
    let is_local = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => return false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> OidcSettings {
        OidcSettings {
            issuer: "https://login.school.example/main".into(),
            client_id: "carrel".into(),
            ..OidcSettings::default()
        }
    }

    #[test]
    fn each_mistake_names_its_key() {
        assert!(good().check().is_ok());
        let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        type Change = fn(&mut OidcSettings);
        let cases: [(&str, Change); 15] = [
            ("issuer", |s| s.issuer = String::new()),
            ("issuer", |s| s.issuer = "login.school.example".into()),
            ("issuer", |s| s.issuer = "http://login.school.example".into()),
            ("issuer", |s| s.issuer = "https://login.school.example/?a=1".into()),
            ("issuer", |s| s.issuer = "https://user@login.school.example/".into()),
            ("client_id", |s| s.client_id = " ".into()),
            ("scopes", |s| s.scopes = vec!["profile".into()]),
            ("scopes", |s| s.scopes = vec!["openid".into(), "a b".into()]),
            ("login_claim", |s| s.login_claim = String::new()),
            ("button", |s| s.button = "x".repeat(61)),
            ("groups_claim", |s| s.instructor_groups = vec!["staff".into()]),
            ("groups", |s| {
                s.groups_claim = "groups".into();
                s.instructor_groups = vec!["staff".into()];
                s.administrator_groups = vec!["staff".into()];
            }),
            ("allowed_hosts", |s| s.allowed_hosts = vec!["https://x".into()]),
            ("timeout_s", |s| s.timeout_s = 0),
            ("client_secret_file", |s| s.client_secret_file = Some("/nonexistent/secret".into())),
        ];
        for (key, change) in cases {
            let mut settings = good();
            change(&mut settings);
            let problem = settings.check().err().expect(key);
            assert_eq!(problem.key, key);
            assert!(problem.to_string().len() > key.len() + 10, "{problem}");
        }
        // A folder cannot be read as a file.
        let folder = OidcSettings { client_secret_file: Some(dir), ..good() };
        assert_eq!(folder.check().err().map(|p| p.key), Some("client_secret_file"));
    }

    #[test]
    fn http_is_for_this_computer_only() {
        for (issuer, is_allowed) in [
            ("http://127.0.0.1:9000", true),
            ("http://localhost:9000/realm", true),
            ("http://[::1]:9000", true),
            ("http://192.168.1.4", false),
            ("ftp://127.0.0.1", false),
        ] {
            let settings = OidcSettings { issuer: issuer.into(), ..good() };
            assert_eq!(settings.check().is_ok(), is_allowed, "{issuer}");
        }
    }
}
