//! The managed configuration of Android: the restrictions of the app, which a management system sets and the platform
//! passes as one JSON object (docs/MOBILE.md).
//!
//! Android has no type for a list of free texts and none for large numbers: the restrictions use texts for both
//! (`generate::android`). Management systems send empty values for what the administrator left open.
//!
//! Not here: how the platform reads the restrictions.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::{MAX_FILE_BYTES, RawEntry, Source, file, json};
use crate::{
    check::RawValue,
    problem::{Problem, ProblemCode},
    schema::{KEYS, Kind},
};

/// The restrictions that the platform passed last. Clones share them.
#[derive(Clone, Default)]
pub struct ManagedConfiguration(Arc<Mutex<Option<String>>>);

impl ManagedConfiguration {
    /// Returns the restrictions of this process, which `machine_sources` reads on Android.
    pub fn of_this_app() -> Self {
        static OF_THIS_APP: LazyLock<ManagedConfiguration> = LazyLock::new(Default::default);
        OF_THIS_APP.clone()
    }
    /// Stores all restrictions as one JSON object; none: the app is not managed. The platform calls this before the
    /// client is opened, and after each change, before the policies are read again.
    pub fn set(&self, restrictions: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = restrictions;
    }
    pub(super) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl PartialEq for ManagedConfiguration {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl Eq for ManagedConfiguration {}

impl std::fmt::Debug for ManagedConfiguration {
    /// Without the values, which contain secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ManagedConfiguration")
    }
}

/// Returns the keys of a JSON object of restrictions. Keys with an empty value are not set.
pub fn parse(source: &Source, text: &str) -> Result<Vec<RawEntry>, Problem> {
    if text.len() as u64 > MAX_FILE_BYTES {
        let message = format!("it has {} bytes, more than {MAX_FILE_BYTES}", text.len());
        let hint = "check the configuration of the app in the management system";
        return Err(file::ignored(source, ProblemCode::TooLarge, message, hint));
    }
    // The administrator sees a form, not the text that the platform made of it.
    let parsed = json::parse(source, text).map_err(|problem| Problem {
        message: problem.message.replace("the file", "the text"),
        hint: "the app has to pass one JSON object (docs/MOBILE.md)".to_owned(),
        position: None,
        ..problem
    })?;
    let entries = parsed.into_iter().filter(|entry| !is_unset(&entry.value));
    Ok(entries
        .map(|entry| RawEntry {
            value: convert(&entry.name, entry.value),
            name: entry.name,
            position: None,
        })
        .collect())
}

fn is_unset(value: &RawValue) -> bool {
    match value {
        RawValue::Text(text) => text.trim().is_empty(),
        RawValue::List(items) => items.iter().all(is_unset),
        RawValue::Other(name) => *name == json::NULL,
        RawValue::Bool(_) | RawValue::Integer(_) => false,
    }
}

fn convert(name: &str, value: RawValue) -> RawValue {
    let kind = KEYS.iter().find(|key| key.name == name).map(|key| key.kind);
    match (kind, value) {
        (Some(Kind::List(_)), RawValue::Text(text)) => {
            let items = text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty());
            RawValue::List(items.map(|item| RawValue::Text(item.to_owned())).collect())
        }
        // Some management systems send all values as texts.
        (Some(Kind::Bool { .. }), RawValue::Text(text)) => match text.trim() {
            "true" => RawValue::Bool(true),
            "false" => RawValue::Bool(false),
            _ => RawValue::Text(text),
        },
        (_, value) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policies::load_from;

    fn source(text: &str) -> Source {
        let configuration = ManagedConfiguration::default();
        configuration.set(Some(text.to_owned()));
        Source::ManagedConfiguration(configuration)
    }
    fn entries(text: &str) -> Vec<(String, RawValue)> {
        let found = parse(&source(text), text).unwrap();
        found.into_iter().map(|e| (e.name, e.value)).collect()
    }
    fn texts(items: &[&str]) -> RawValue {
        RawValue::List(items.iter().map(|item| RawValue::Text((*item).to_owned())).collect())
    }

    #[test]
    fn each_type_of_restriction_is_read() {
        let found = entries(
            r#"{"ServerAddress": "https://school.example", "KioskMode": true, "DemoLibrary": "false",
            "AllowedServers": "school.example, library.example:8443\n other.example,",
            "SignInMethods": ["password", "guest"], "ContentQuota": "20 GB", "FromTheFuture": 3}"#,
        );
        let expected = [
            ("ServerAddress", RawValue::Text("https://school.example".into())),
            ("KioskMode", RawValue::Bool(true)),
            ("DemoLibrary", RawValue::Bool(false)),
            ("AllowedServers", texts(&["school.example", "library.example:8443", "other.example"])),
            ("SignInMethods", texts(&["password", "guest"])),
            ("ContentQuota", RawValue::Text("20 GB".into())),
            ("FromTheFuture", RawValue::Integer(3)),
        ];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn what_the_administrator_left_empty_is_not_set() {
        let text = r#"{"ServerAddress": "", "ProxyUrl": "  ", "SignInMethods": [], "AllowedServers": null,
            "ProxyBypass": [""], "KioskMode": false}"#;
        assert_eq!(entries(text), [("KioskMode".to_owned(), RawValue::Bool(false))]);
    }

    #[test]
    fn policies_are_loaded_with_problems_that_name_the_source() {
        let from = source(
            r#"{"ServerAddress": "https://school.example", "ServerAddressLocked": true,
            "AllowedServers": "school.example", "KioskMode": "yes", "KioskMod": true, "EnrolmentToken": "short"}"#,
        );
        let loaded = load_from(&[from]);
        let policies = &loaded.policies;
        assert_eq!(policies.server_address.as_deref(), Some("https://school.example"));
        assert!(policies.server_address_locked && !policies.kiosk_mode);
        let problems: Vec<String> =
            loaded.report.problems.iter().map(ToString::to_string).collect();
        for key in ["KioskMode", "KioskMod", "EnrolmentToken"] {
            let names =
                |text: &&String| text.contains("managed configuration") && text.contains(key);
            assert!(problems.iter().any(|text| names(&text)), "{key}: {problems:?}");
        }
        assert!(!problems.iter().any(|text| text.contains("short")), "{problems:?}");
    }

    #[test]
    fn texts_that_are_no_object_are_refused_and_change_nothing() {
        let too_large = format!(r#"{{"ServerAddress": "{}"}}"#, "x".repeat(1024 * 1024));
        for text in ["", "null", "[]", "\"x\"", "{", "{\"a\": }", "{} {}", too_large.as_str()] {
            assert!(parse(&source(text), text).is_err(), "{}", text.get(..20).unwrap_or(text));
            let loaded = load_from(&[source(text)]);
            assert_eq!(loaded.policies, load_from(&[]).policies);
            assert_eq!(loaded.report.problems.len(), 1);
        }
    }

    #[test]
    fn without_restrictions_the_source_is_absent_and_a_change_is_read() {
        let configuration = ManagedConfiguration::default();
        let from = [Source::ManagedConfiguration(configuration.clone())];
        assert!(
            load_from(&from).report.entries.is_empty()
                && load_from(&from).report.problems.is_empty()
        );
        configuration.set(Some(r#"{"KioskMode": true}"#.to_owned()));
        assert!(load_from(&from).policies.kiosk_mode);
        configuration.set(None);
        assert!(!load_from(&from).policies.kiosk_mode);
        let (one, other) =
            (ManagedConfiguration::of_this_app(), ManagedConfiguration::of_this_app());
        assert!(one == other && one != configuration);
        configuration.set(Some(r#"{"EnrolmentToken": "s3cr3t-token"}"#.to_owned()));
        assert!(!format!("{from:?}").contains("s3cr3t"));
    }
}
