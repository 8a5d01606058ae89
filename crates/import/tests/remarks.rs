//! Every sentence of a report has a message in all languages of the app, with the same parameters.

use std::{collections::BTreeSet, fs, path::Path};

use carrel_import::RemarkCode;
use serde_json::Value;

/// Returns the names in braces: `{name}`.
fn names(text: &str) -> BTreeSet<&str> {
    text.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
        .filter(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase()))
        .collect()
}

fn catalogue(lang: &str) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/i18n");
    let text = fs::read_to_string(root.join(format!("{lang}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_code_has_a_message_in_every_language() {
    for lang in ["en", "fr", "ar"] {
        let messages = catalogue(lang);
        let mut keys = BTreeSet::new();
        for code in RemarkCode::ALL {
            let name = serde_json::to_value(code).unwrap();
            let key = format!("remark.{}", name.as_str().unwrap());
            let message = messages.get(&key).unwrap_or_else(|| panic!("{lang}: no message {key}"));
            let forms: Vec<&str> = match message {
                Value::String(text) => vec![text],
                Value::Object(forms) => forms.values().filter_map(Value::as_str).collect(),
                other => panic!("{lang}: {key}: {other}"),
            };
            for form in forms {
                assert_eq!(names(form), names(code.template()), "{lang}: {key}");
            }
            keys.insert(key);
        }
        // No message is left of a code that does not exist.
        let all = messages.as_object().unwrap().keys();
        let others: Vec<&String> =
            all.filter(|key| key.starts_with("remark.") && !keys.contains(*key)).collect();
        assert_eq!(others, Vec::<&String>::new(), "{lang}");
    }
}
