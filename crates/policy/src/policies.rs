//! Reads the sources, and returns the policies in force with the report.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    check::{self, Value},
    choices::{LogLevel, MeteredDownloads, ProxyMode, SignInMethod, UpdateChannel, UpdateMode},
    conflicts,
    problem::{Effect, Position, Problem, ProblemCode, quoted},
    report::{PolicyReport, SourceState, SourceStatus},
    schema::Key,
    server_pattern::ServerPattern,
    source::{Contents, RawEntry, Source, machine_sources},
};

/// The policies in force. `None`: the learner or the app decides.
#[derive(Clone, PartialEq, Eq)]
pub struct Policies {
    /// Without the slash at the end.
    pub server_address: Option<String>,
    /// True only with `server_address`.
    pub server_address_locked: bool,
    pub allowed_servers: Option<Vec<ServerPattern>>,
    pub sign_in_methods: Option<Vec<SignInMethod>>,
    pub enrolment_token: Option<String>,
    pub update_mode: Option<UpdateMode>,
    pub update_channel: Option<UpdateChannel>,
    pub update_url: Option<String>,
    pub self_update_managed_packages: bool,
    pub proxy: ProxyPolicy,
    /// A PEM file.
    pub extra_ca: Option<PathBuf>,
    /// Base address without the slash at the end.
    pub mirror: Option<String>,
    /// Bytes.
    pub content_quota: Option<u64>,
    pub content_folder: Option<PathBuf>,
    pub download_on_metered: Option<MeteredDownloads>,
    pub demo_library: bool,
    pub import_courses: bool,
    pub import_work: bool,
    pub kiosk_mode: bool,
    pub log_level: Option<LogLevel>,
}

/// How the proxy is found.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum ProxyPolicy {
    /// The settings of the operating system.
    #[default]
    System,
    Direct,
    Manual {
        /// May contain a user name and a password.
        url: String,
        bypass: Vec<String>,
    },
    Pac {
        url: String,
    },
}

/// Secrets stay out of logs.
impl std::fmt::Debug for ProxyPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::System => f.write_str("System"),
            Self::Direct => f.write_str("Direct"),
            Self::Manual { .. } => f.write_str("Manual"),
            Self::Pac { .. } => f.write_str("Pac"),
        }
    }
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policies").field("proxy", &self.proxy).finish_non_exhaustive()
    }
}

/// The policies of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    pub policies: Policies,
    pub report: PolicyReport,
}

/// A value in force, and where it is from.
#[derive(Debug)]
pub struct InForce {
    pub value: Value,
    pub source: String,
    pub position: Option<Position>,
    /// Later sources with the same key.
    pub overrides: Vec<String>,
}

/// The values in force by key.
pub type Values = BTreeMap<&'static str, InForce>;

/// Reads the policies of this machine. Reads files, so it blocks.
pub fn load() -> Loaded {
    load_from(&machine_sources())
}

/// Reads these sources. Of several with the same key, the first one counts.
pub fn load_from(sources: &[Source]) -> Loaded {
    let mut values = Values::new();
    let mut problems = Vec::new();
    let mut states = Vec::new();
    for source in sources {
        let (status, keys) = match source.read() {
            Ok(None) => (SourceStatus::Absent, 0),
            Ok(Some(contents)) => {
                (SourceStatus::Read, add(source, contents, &mut values, &mut problems))
            }
            Err(problem) => {
                problems.push(problem);
                (SourceStatus::Failed, 0)
            }
        };
        states.push(SourceState { name: source.name(), status, keys });
    }
    conflicts::resolve(&mut values, &mut problems);
    Loaded {
        policies: Policies::new(&values),
        report: PolicyReport::new(states, &values, problems),
    }
}

impl Loaded {
    /// Returns true if the learner cannot change the setting of this key.
    pub fn is_locked(&self, key: &str) -> bool {
        self.report.entries.iter().any(|entry| entry.key == key && entry.locked)
    }
}

impl Default for Loaded {
    /// Returns the policies of a machine without any.
    fn default() -> Self {
        load_from(&[])
    }
}

impl Default for Policies {
    fn default() -> Self {
        Self::new(&Values::new())
    }
}

/// Adds the good values of a source, and reports the others. Returns the number of known keys in the source.
fn add(
    source: &Source,
    contents: Contents,
    values: &mut Values,
    problems: &mut Vec<Problem>,
) -> usize {
    problems.extend(contents.warnings);
    let mut own: BTreeMap<&'static str, Option<InForce>> = BTreeMap::new();
    for RawEntry { name, value, position } in contents.entries {
        let problem = |code, message: String, expected: String, hint: String| Problem {
            code,
            effect: Effect::KeyIgnored,
            source: source.name(),
            key: Some(shown_name(&name)),
            position,
            message,
            expected,
            hint,
        };
        let Some(key) = Key::find(&name) else {
            let hint = match Key::nearest(&name) {
                Some(key) => format!("did you mean {key}?"),
                None => "remove it; docs/POLICIES.md lists all keys".into(),
            };
            let message = "there is no such key".to_owned();
            problems.push(problem(ProblemCode::UnknownKey, message, String::new(), hint));
            continue;
        };
        if own.contains_key(key.name) {
            let message = "the key is repeated; the last one counts".to_owned();
            let hint = "remove the others".to_owned();
            let repeated = problem(ProblemCode::DuplicateKey, message, String::new(), hint);
            problems.push(Problem { effect: Effect::InForce, ..repeated });
        }
        let checked = match check::check(key, &value) {
            Ok(value) => {
                Some(InForce { value, source: source.name(), position, overrides: Vec::new() })
            }
            Err(e) => {
                problems.push(problem(e.code, e.message, e.expected, e.hint));
                None
            }
        };
        own.insert(key.name, checked);
    }
    let known = own.len();
    for (key, value) in own {
        let Some(value) = value else { continue };
        match values.get_mut(key) {
            Some(in_force) => in_force.overrides.push(value.source),
            None => {
                values.insert(key, value);
            }
        }
    }
    known
}

/// Returns a known name as it is, and another one in a form that can be shown.
fn shown_name(name: &str) -> String {
    if Key::find(name).is_some() { name.to_owned() } else { quoted(name) }
}

impl Policies {
    fn new(values: &Values) -> Self {
        let value = |key: &str| {
            debug_assert!(Key::find(key).is_some(), "{key}");
            values.get(key).map(|in_force| &in_force.value)
        };
        let text = |key: &str| match value(key) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let list = |key: &str| match value(key) {
            Some(Value::List(items)) => Some(items.as_slice()),
            _ => None,
        };
        let owned = |key: &str| text(key).map(str::to_owned);
        let flag = |key: &str, default: bool| match value(key) {
            Some(Value::Bool(value)) => *value,
            _ => default,
        };
        let proxy = match (text("ProxyMode").and_then(ProxyMode::from_name), owned("ProxyUrl")) {
            (Some(ProxyMode::Direct), _) => ProxyPolicy::Direct,
            (Some(ProxyMode::Manual), Some(url)) => ProxyPolicy::Manual {
                url,
                bypass: list("ProxyBypass").unwrap_or_default().to_vec(),
            },
            (Some(ProxyMode::Pac), _) => match owned("ProxyPacUrl") {
                Some(url) => ProxyPolicy::Pac { url },
                None => ProxyPolicy::System,
            },
            _ => ProxyPolicy::System,
        };
        let patterns = |items: &[String]| {
            items.iter().filter_map(|item| ServerPattern::parse(item).ok()).collect()
        };
        let methods = |items: &[String]| {
            items.iter().filter_map(|item| SignInMethod::from_name(item)).collect()
        };
        Self {
            server_address: owned("ServerAddress"),
            server_address_locked: flag("ServerAddressLocked", false),
            allowed_servers: list("AllowedServers").map(patterns),
            sign_in_methods: list("SignInMethods").map(methods),
            enrolment_token: owned("EnrolmentToken"),
            update_mode: text("UpdateMode").and_then(UpdateMode::from_name),
            update_channel: text("UpdateChannel").and_then(UpdateChannel::from_name),
            update_url: owned("UpdateUrl"),
            self_update_managed_packages: flag("SelfUpdateManagedPackages", false),
            proxy,
            extra_ca: text("ExtraCaFile").map(PathBuf::from),
            mirror: owned("MirrorUrl"),
            content_quota: match value("ContentQuota") {
                Some(Value::Bytes(bytes)) => Some(*bytes),
                _ => None,
            },
            content_folder: text("ContentFolder").map(PathBuf::from),
            download_on_metered: text("DownloadOnMetered").and_then(MeteredDownloads::from_name),
            demo_library: flag("DemoLibrary", true),
            import_courses: flag("ImportCourses", true),
            import_work: flag("ImportWork", true),
            kiosk_mode: flag("KioskMode", false),
            log_level: text("LogLevel").and_then(LogLevel::from_name),
        }
    }

    /// Returns true if learners may sign in to the server with this address (`https://host:port/path`).
    pub fn allows_server(&self, address: &str) -> bool {
        let address = address.trim_end_matches('/');
        if self.server_address_locked {
            return self.server_address.as_deref() == Some(address);
        }
        self.allowed_servers
            .as_ref()
            .is_none_or(|allowed| allowed.iter().any(|pattern| pattern.matches(address)))
    }

    /// Returns true if learners may start in this way.
    pub fn allows_sign_in(&self, method: SignInMethod) -> bool {
        self.sign_in_methods.as_ref().is_none_or(|methods| methods.contains(&method))
    }
}
