//! The table `[blobs]` of the configuration file, and its mistakes in words. The secret key is in a file of its own or in
//! the environment, never in the settings.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Environment variables with the keys, which precede those of the settings.
pub const ACCESS_KEY_VARIABLE: &str = "CARREL_BLOBS_ACCESS_KEY";
pub const SECRET_KEY_VARIABLE: &str = "CARREL_BLOBS_SECRET_KEY";

/// Region if none is set; most stores besides AWS accept it.
const DEFAULT_REGION: &str = "us-east-1";

/// The table `[blobs]` (docs/OPERATIONS.md lists the keys).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ObjectStoreSettings {
    /// `s3://BUCKET` or `s3://BUCKET/PREFIX`.
    pub url: String,
    /// Address of the store; none: that of AWS in the region.
    pub endpoint: Option<String>,
    pub region: String,
    /// Names the bucket in the path instead of the host. Default: true if there is an `endpoint`.
    pub path_style: Option<bool>,
    /// Id of the access key.
    pub access_key: Option<String>,
    /// File with the secret of the access key.
    pub secret_key_file: Option<PathBuf>,
    /// Maximum time until the store replies, and between two parts of a reply.
    pub timeout_s: u64,
    /// Number of times that a request is sent before it has failed.
    pub attempts: u32,
    /// Delay before the second attempt, in ms; doubled with each further one, up to 5 s.
    pub retry_ms: u64,
}

impl Default for ObjectStoreSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            endpoint: None,
            region: DEFAULT_REGION.into(),
            path_style: None,
            access_key: None,
            secret_key_file: None,
            // Together less than the time limit of a request to the server.
            timeout_s: 8,
            attempts: 3,
            retry_ms: 200,
        }
    }
}

/// A mistake in the table `[blobs]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("blobs.{key}: {problem}")]
pub struct StoreProblem {
    pub key: &'static str,
    pub problem: String,
}

fn wrong<T>(key: &'static str, problem: impl Into<String>) -> Result<T, StoreProblem> {
    Err(StoreProblem { key, problem: problem.into() })
}

/// An access key with its secret. `Debug` does not print the secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub access_key: String,
    pub secret_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.access_key)
    }
}

/// Where the store is, after the settings were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// `https://HOST[:PORT]`, without a slash at the end.
    pub origin: String,
    /// As in the header `Host`.
    pub host: String,
    /// The path of the bucket: empty, or `/BUCKET`.
    pub bucket_path: String,
    pub bucket: String,
    /// Empty, or ends with a slash.
    pub prefix: String,
    /// The store is on this computer.
    pub is_local: bool,
}

impl ObjectStoreSettings {
    /// Returns true if both name the same bucket and prefix of the same store.
    pub fn is_same_place(&self, other: &Self) -> bool {
        matches!((self.place(), other.place()), (Ok(a), Ok(b))
            if (&a.origin, &a.bucket_path, &a.prefix) == (&b.origin, &b.bucket_path, &b.prefix))
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s.max(1))
    }

    /// Checks the settings without contacting anybody.
    ///
    /// # Errors
    /// The first mistake, with its key.
    pub(crate) fn place(&self) -> Result<Place, StoreProblem> {
        let Some(rest) = self.url.strip_prefix("s3://") else {
            return wrong("url", format!("{:?} is not s3://BUCKET/PREFIX", self.url));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_bucket = (3..=63).contains(&bucket.len())
            && bucket
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'));
        if !is_bucket {
            return wrong("url", format!("{bucket:?} is not the name of a bucket"));
        }
        let prefix = prefix.trim_matches('/');
        let is_part = |part: &str| {
            let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            !part.is_empty() && part != "." && part != ".." && part.bytes().all(is_allowed)
        };
        if !prefix.is_empty() && !prefix.split('/').all(is_part) {
            let allowed = "use letters, digits, hyphens, dots and underscores";
            return wrong("url", format!("{prefix:?} cannot be a prefix; {allowed}"));
        }
        let is_region = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if self.region.is_empty() || !self.region.bytes().all(is_region) {
            return wrong("region", format!("{:?} is not a region", self.region));
        }
        if !(1..=10).contains(&self.attempts) {
            return wrong("attempts", "must be 1 to 10");
        }
        if !(1..=300).contains(&self.timeout_s) {
            return wrong("timeout_s", "must be 1 to 300");
        }
        let address = match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => format!("https://s3.{}.amazonaws.com", self.region),
        };
        let url = match Url::parse(&address) {
            Ok(url) if matches!(url.scheme(), "https" | "http") && url.path() == "/" => url,
            _ => {
                let expected = "is not an address such as https://s3.example:9000";
                return wrong("endpoint", format!("{address:?} {expected}"));
            }
        };
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            return wrong("endpoint", "must not contain a user name or a query");
        }
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let host = url.host_str().unwrap_or_default();
        let is_local = match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        let path_style = self.path_style.unwrap_or(self.endpoint.is_some());
        let host = match path_style {
            true => format!("{host}{port}"),
            false => format!("{bucket}.{host}{port}"),
        };
        Ok(Place {
            origin: format!("{}://{host}", url.scheme()),
            host,
            bucket_path: if path_style { format!("/{bucket}") } else { String::new() },
            bucket: bucket.to_owned(),
            prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}/") },
            is_local,
        })
    }

    /// Returns the keys of the environment, else those of the settings and of the file.
    ///
    /// # Errors
    /// Which of them is missing or cannot be read.
    pub(crate) fn credentials(&self) -> Result<Credentials, StoreProblem> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let Some(access_key) = variable(ACCESS_KEY_VARIABLE).or_else(|| self.access_key.clone())
        else {
            return wrong("access_key", format!("is missing; set it or {ACCESS_KEY_VARIABLE}"));
        };
        let secret_key = match (variable(SECRET_KEY_VARIABLE), &self.secret_key_file) {
            (Some(secret), _) => secret,
            (None, Some(path)) => match std::fs::read_to_string(path) {
                Ok(text) => text,
                Err(e) => return wrong("secret_key_file", format!("cannot read {path:?}: {e}")),
            },
            (None, None) => {
                let problem = format!("is missing; set it or {SECRET_KEY_VARIABLE}");
                return wrong("secret_key_file", problem);
            }
        };
        let [access_key, secret_key] = [access_key, secret_key].map(|key| key.trim().to_owned());
        let is_key = |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_graphic());
        if !is_key(&access_key) || access_key.contains(['/', ',']) {
            return wrong("access_key", "is not the id of an access key");
        }
        if !is_key(&secret_key) {
            return wrong("secret_key_file", "must contain the secret alone, in one line");
        }
        Ok(Credentials { access_key, secret_key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> ObjectStoreSettings {
        ObjectStoreSettings { url: "s3://library/school".into(), ..Default::default() }
    }

    #[test]
    fn a_bucket_is_named_in_the_host_or_the_path() {
        let place = good().place().unwrap();
        assert_eq!(place.origin, "https://library.s3.us-east-1.amazonaws.com");
        assert_eq!((&*place.bucket_path, &*place.prefix), ("", "school/"));
        let own = ObjectStoreSettings {
            endpoint: Some("http://127.0.0.1:9000".into()),
            url: "s3://library".into(),
            ..good()
        };
        let place = own.place().unwrap();
        assert_eq!((&*place.origin, &*place.host), ("http://127.0.0.1:9000", "127.0.0.1:9000"));
        assert_eq!((&*place.bucket_path, &*place.prefix), ("/library", ""));
        assert!(place.is_local && !own.is_same_place(&good()) && own.is_same_place(&own));
        let virtual_host = ObjectStoreSettings { path_style: Some(false), ..own };
        let host = virtual_host.place().unwrap().host;
        assert_eq!(host, "library.127.0.0.1:9000");
    }

    #[test]
    fn each_mistake_names_its_key() {
        type Change = fn(&mut ObjectStoreSettings);
        let cases: [(&str, Change); 13] = [
            ("url", |s| s.url = String::new()),
            ("url", |s| s.url = "https://library".into()),
            ("url", |s| s.url = "s3://".into()),
            ("url", |s| s.url = "s3://Library".into()),
            ("url", |s| s.url = "s3://library/a//b".into()),
            ("url", |s| s.url = "s3://library/../b".into()),
            ("url", |s| s.url = "s3://library/a b".into()),
            ("region", |s| s.region = "eu/x".into()),
            ("attempts", |s| s.attempts = 0),
            ("timeout_s", |s| s.timeout_s = 0),
            ("endpoint", |s| s.endpoint = Some("minio:9000".into())),
            ("endpoint", |s| s.endpoint = Some("https://a.example/path".into())),
            ("endpoint", |s| s.endpoint = Some("https://u:p@a.example".into())),
        ];
        for (key, change) in cases {
            let mut settings = good();
            change(&mut settings);
            assert_eq!(settings.place().err().map(|p| p.key), Some(key), "{settings:?}");
        }
    }

    #[test]
    fn the_secret_is_read_from_a_file_and_not_printed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        let with = |access_key: Option<&str>, file: Option<PathBuf>| ObjectStoreSettings {
            access_key: access_key.map(str::to_owned),
            secret_key_file: file,
            ..good()
        };
        let key_of = |s: &ObjectStoreSettings| s.credentials().err().map(|p| p.key);
        assert_eq!(key_of(&with(None, None)), Some("access_key"));
        assert_eq!(key_of(&with(Some("AKIA"), None)), Some("secret_key_file"));
        assert_eq!(key_of(&with(Some("AKIA"), Some(file.clone()))), Some("secret_key_file"));
        std::fs::write(&file, "two lines\nof text").unwrap();
        assert_eq!(key_of(&with(Some("AKIA"), Some(file.clone()))), Some("secret_key_file"));
        std::fs::write(&file, "topsecret/+\n").unwrap();
        let settings = with(Some("AKIA"), Some(file));
        let credentials = settings.credentials().unwrap();
        assert_eq!(credentials.secret_key, "topsecret/+");
        assert!(!format!("{credentials:?} {settings:?}").contains("topsecret"));
    }
}
