//! The entries of AllowedServers.

use std::fmt;

use serde::Serialize;
use url::Url;

/// An allowed server: `https://school.example`, `school.example`, `school.example:8443` or `*.school.example`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct ServerPattern {
    /// None: http and https.
    scheme: Option<String>,
    /// Matches all names below `host`, and not `host` itself.
    below: bool,
    host: String,
    /// None: any port; with a scheme, the scheme's own port.
    port: Option<u16>,
    /// Without the slash at the end. Matches this path and all below it.
    path: String,
}

impl ServerPattern {
    /// Parses an entry. `Err` with what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, text),
        };
        if scheme.as_deref().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
            return Err("only http and https are possible");
        }
        let (below, rest) = match rest.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        if rest.contains('*') {
            return Err("`*` is possible only as the first part of a name: *.school.example");
        }
        if rest.contains(['@', '?', '#']) || rest.contains(char::is_whitespace) {
            return Err("only a name, a port and a path are possible");
        }
        let known_scheme = scheme.as_deref().unwrap_or("https");
        let url = Url::parse(&format!("{known_scheme}://{rest}"))
            .map_err(|_| "it is not the address of a server")?;
        let host = url.host_str().ok_or("it has no host")?.trim_end_matches('.').to_owned();
        if host.is_empty() {
            return Err("it has no host");
        }
        let written_port = rest.rsplit_once(':').is_some_and(|(_, port)| {
            let digits = port.split('/').next().unwrap_or_default();
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
        });
        let port = url.port_or_known_default().filter(|_| scheme.is_some() || written_port);
        let path = url.path().trim_end_matches('/').to_owned();
        Ok(Self { scheme, below, host, port, path })
    }

    /// Returns true if the address of a server (`https://host:port/path`) is allowed.
    pub fn matches(&self, address: &str) -> bool {
        let Ok(url) = Url::parse(address) else { return false };
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        let host_matches = if self.below {
            host.strip_suffix(&self.host).is_some_and(|rest| rest.ends_with('.') && rest.len() > 1)
        } else {
            host == self.host
        };
        let path = url.path().trim_end_matches('/');
        let path_matches = path
            .strip_prefix(&self.path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let scheme_matches = match &self.scheme {
            Some(scheme) => url.scheme() == scheme,
            None => matches!(url.scheme(), "http" | "https"),
        };
        host_matches
            && path_matches
            && scheme_matches
            && self.port.is_none_or(|port| url.port_or_known_default() == Some(port))
    }
}

impl fmt::Display for ServerPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default_port = match self.scheme.as_deref() {
            Some("http") => Some(80),
            Some(_) => Some(443),
            None => None,
        };
        if let Some(scheme) = &self.scheme {
            write!(f, "{scheme}://")?;
        }
        f.write_str(if self.below { "*." } else { "" })?;
        f.write_str(&self.host)?;
        if let Some(port) = self.port.filter(|port| Some(*port) != default_port) {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

impl From<ServerPattern> for String {
    fn from(pattern: ServerPattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_matches_the_servers_that_it_names_and_no_others() {
        // (entry, matching addresses, other addresses)
        let cases: &[(&str, &[&str], &[&str])] = &[
            (
                "school.example",
                &[
                    "https://school.example",
                    "http://school.example:7300",
                    "https://school.example/carrel",
                ],
                &[
                    "https://school.example.evil.example",
                    "https://a.school.example",
                    "ftp://school.example",
                ],
            ),
            (
                "*.school.example",
                &["https://a.school.example", "https://a.b.school.example:8443"],
                &[
                    "https://school.example",
                    "https://xschool.example",
                    "https://evil.example/.school.example",
                ],
            ),
            (
                "https://school.example",
                &[
                    "https://school.example",
                    "https://school.example:443/carrel",
                    "https://school.example.",
                ],
                &[
                    "http://school.example",
                    "https://school.example:8443",
                    "https://school.example@evil.example",
                ],
            ),
            (
                "https://school.example/carrel/",
                &["https://school.example/carrel", "https://school.example/carrel/b"],
                &["https://school.example", "https://school.example/carrel2"],
            ),
            ("school.example:8443", &["https://school.example:8443"], &["https://school.example"]),
            ("school.example:443", &["https://school.example"], &["https://school.example:8443"]),
            ("[::1]:7300", &["http://[::1]:7300"], &["http://[::1]:7301"]),
            ("SCHOOL.example", &["https://school.example"], &[]),
        ];
        for (entry, matching, others) in cases {
            let pattern = ServerPattern::parse(entry).unwrap();
            for address in *matching {
                assert!(pattern.matches(address), "{entry}: {address}");
            }
            for address in *others {
                assert!(!pattern.matches(address), "{entry}: {address}");
            }
            let again = ServerPattern::parse(&pattern.to_string()).unwrap();
            assert_eq!(again, pattern, "{entry}");
        }
    }

    #[test]
    fn entries_that_name_no_server_are_refused() {
        for entry in [
            "*",
            "*.",
            "a.*.example",
            "",
            "https://",
            "ftp://school.example",
            "javascript:alert(1)",
            "file:///srv",
            "school.example?x",
            "user@school.example",
            "school .example",
            "http://[::1",
        ] {
            assert!(ServerPattern::parse(entry).is_err(), "{entry}");
        }
    }
}
