//! The managed configuration of Android: the restrictions of the app, which a management system sets and the activity
//! writes to a file as one JSON object (docs/MOBILE.md).
//!
//! Android has no type for a list of free texts and none for large numbers: the restrictions use texts for both
//! (`generate::android`). Management systems send empty values for what the administrator left open.
//!
//! Not here: how the platform reads the restrictions, how the file is read (`file`).

use super::{RawEntry, Source, json};
use crate::{
    check::RawValue,
    problem::Problem,
    schema::{KEYS, Kind},
};

/// Returns the keys of a JSON object of restrictions. Keys with an empty value are not set.
pub fn parse(source: &Source, text: &str) -> Result<Vec<RawEntry>, Problem> {
    // The administrator sees a form, not the text that the platform made of it.
    let parsed = json::parse(source, text).map_err(|problem| Problem {
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
    use std::fs;

    use super::*;
    use crate::policies::{Loaded, load_from};

    /// A file with this text, in a folder that is deleted with it.
    fn written(text: &str) -> (tempfile::TempDir, Source) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("managed-configuration.json");
        fs::write(&path, text).unwrap();
        (dir, Source::ManagedConfiguration { path })
    }
    fn load(text: &str) -> Loaded {
        let (_dir, source) = written(text);
        load_from(&[source])
    }
    fn entries(text: &str) -> Vec<(String, RawValue)> {
        let source = Source::ManagedConfiguration { path: "x".into() };
        let found = parse(&source, text).unwrap();
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
        let loaded = load(
            r#"{"ServerAddress": "https://school.example", "ServerAddressLocked": true,
            "AllowedServers": "school.example", "KioskMode": "yes", "KioskMod": true, "EnrolmentToken": "short"}"#,
        );
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
            let loaded = load(text);
            assert_eq!(
                loaded.policies,
                load_from(&[]).policies,
                "{}",
                text.get(..20).unwrap_or(text)
            );
            assert_eq!(loaded.report.problems.len(), 1);
        }
    }

    #[test]
    fn without_the_file_the_source_is_absent_and_a_change_is_read() {
        let (dir, source) = written(r#"{"KioskMode": true}"#);
        let path = dir.path().join("managed-configuration.json");
        let from = [source];
        assert!(load_from(&from).policies.kiosk_mode);
        fs::write(&path, "{}").unwrap();
        assert!(!load_from(&from).policies.kiosk_mode);
        fs::remove_file(&path).unwrap();
        let report = load_from(&from).report;
        assert!(report.entries.is_empty() && report.problems.is_empty());
    }
}
