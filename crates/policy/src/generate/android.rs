//! The managed configuration of Android: the restrictions, and the texts to which they refer.

use super::xml;
use crate::{
    check::expected,
    choices::Choice,
    schema::{ItemKind, KEYS, Key, Kind},
};

pub fn restrictions() -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- Written by `cargo xtask gen`. -->\n\
         <restrictions xmlns:android=\"http://schemas.android.com/apk/res/android\">\n",
    );
    for key in KEYS {
        let resource = resource(key);
        let choices = match choices(key) {
            Some(_) => format!(
                "\n      android:entries=\"@array/{resource}_entries\"\n      \
                 android:entryValues=\"@array/{resource}_values\""
            ),
            None => String::new(),
        };
        let kind = match key.kind {
            Kind::Bool { .. } => "bool",
            Kind::Choice(_) => "choice",
            Kind::List(ItemKind::Choice(_)) => "multi-select",
            _ => "string",
        };
        let default = match (key.kind, key.default) {
            (Kind::Bool { .. } | Kind::Choice(_), default) if !default.is_empty() => {
                format!("\n      android:defaultValue=\"{}\"", default.trim_matches('"'))
            }
            _ => String::new(),
        };
        out += &format!(
            "  <restriction\n      android:key=\"{}\"\n      android:restrictionType=\"{kind}\"\n      \
             android:title=\"@string/{resource}_title\"\n      \
             android:description=\"@string/{resource}_description\"{choices}{default}/>\n",
            key.name
        );
    }
    out + "</restrictions>\n"
}

pub fn strings() -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- Written by `cargo xtask gen`. -->\n<resources>\n",
    );
    for key in KEYS {
        let resource = resource(key);
        let value = match key.kind {
            Kind::Bool { .. } => String::new(),
            Kind::List(ItemKind::Server | ItemKind::Bypass) => {
                format!(" Separate the entries by commas; {}.", expected(&key.kind))
            }
            _ => format!(" Value: {}.", expected(&key.kind)),
        };
        out += &format!("  <string name=\"{resource}_title\">{}</string>\n", text(key.title));
        let description = text(&format!("{}{value}", key.description));
        out += &format!("  <string name=\"{resource}_description\">{description}</string>\n");
        let Some(choices) = choices(key) else { continue };
        out += &array(&format!("{resource}_entries"), choices.iter().map(|choice| choice.meaning));
        out += &array(&format!("{resource}_values"), choices.iter().map(|choice| choice.name));
    }
    out + "</resources>\n"
}

fn array(name: &str, items: impl Iterator<Item = &'static str>) -> String {
    let items: String = items.map(|item| format!("    <item>{}</item>\n", text(item))).collect();
    format!("  <string-array name=\"{name}\" translatable=\"false\">\n{items}  </string-array>\n")
}

fn choices(key: &Key) -> Option<&'static [Choice]> {
    match key.kind {
        Kind::Choice(choices) | Kind::List(ItemKind::Choice(choices)) => Some(choices),
        _ => None,
    }
}

/// Returns the name of a key's resources: `policy_server_address`.
fn resource(key: &Key) -> String {
    let mut name = String::from("policy");
    for c in key.name.chars() {
        if c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// Returns a text for a resource, in which apostrophes and backslashes are special.
fn text(text: &str) -> String {
    xml(&text.replace('\\', "\\\\").replace('\'', "\\'").replace('"', "\\\""))
}
