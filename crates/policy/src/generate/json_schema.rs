//! The JSON schema of the policy file, for editors.

use serde_json::{Map, Value, json};

use super::example;
use crate::{
    check::expected,
    choices::Choice,
    schema::{ItemKind, KEYS, Key, Kind},
};

pub fn schema() -> String {
    let properties: Map<String, Value> =
        KEYS.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let mut all = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Carrel policies",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    all["properties"]["$schema"] = json!({ "type": "string" });
    format!("{all:#}\n")
}

fn property(key: &Key) -> Value {
    let mut property = match key.kind {
        Kind::Bool { only: None } => json!({ "type": "boolean" }),
        Kind::Bool { only: Some(only) } => json!({ "const": only }),
        Kind::Choice(choices) => json!({ "enum": names(choices) }),
        Kind::Size { min, max } => json!({ "anyOf": [
            { "type": "integer", "minimum": min, "maximum": max },
            { "type": "string", "pattern": "^[0-9]+ ?(MB|GB|TB|MiB|GiB|TiB)?$" },
        ] }),
        Kind::Url { schemes, .. } => {
            json!({ "type": "string", "pattern": format!("^({})://[^/ ]", schemes.join("|")) })
        }
        Kind::Path => json!({ "type": "string", "pattern": r"^(/|[A-Za-z]:\\|\\\\)" }),
        Kind::Token => json!({ "type": "string", "pattern": "^[A-Za-z0-9._~-]{8,512}$" }),
        Kind::List(item) => json!({ "type": "array", "minItems": 1, "items": items(item) }),
    };
    property["title"] = key.title.into();
    property["description"] =
        format!("{} Expected: {}.", key.description, expected(&key.kind)).into();
    property["examples"] = json!([example(key)]);
    if let Ok(default) = serde_json::from_str::<Value>(key.default) {
        property["default"] = default;
    }
    property
}

fn items(kind: ItemKind) -> Value {
    match kind {
        ItemKind::Choice(choices) => json!({ "enum": names(choices) }),
        ItemKind::Server | ItemKind::Bypass => json!({ "type": "string", "minLength": 1 }),
    }
}

fn names(choices: &[Choice]) -> Vec<&'static str> {
    choices.iter().map(|choice| choice.name).collect()
}
