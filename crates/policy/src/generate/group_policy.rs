//! The templates of Windows group policies: ADMX (keys and values) and ADML (texts in English).

use super::xml;
use crate::{
    check::expected,
    schema::{Group, KEYS, Key, Kind},
    source::REGISTRY_KEY,
};

const NAMESPACE: &str = "http://schemas.microsoft.com/GroupPolicy/2006/07/PolicyDefinitions";

pub fn admx() -> String {
    let mut out = format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<!-- Written by `cargo xtask gen`. -->
<policyDefinitions xmlns="{NAMESPACE}" revision="1.0" schemaVersion="1.0">
  <policyNamespaces>
    <target prefix="carrel" namespace="Carrel.Policies"/>
  </policyNamespaces>
  <resources minRequiredRevision="1.0"/>
  <supportedOn>
    <definitions>
"#
    );
    for release in releases() {
        let name = supported(release);
        out += &format!("      <definition name=\"{name}\" displayName=\"$(string.{name})\"/>\n");
    }
    out += "    </definitions>\n  </supportedOn>\n  <categories>\n";
    out += "    <category name=\"Carrel\" displayName=\"$(string.Carrel)\"/>\n";
    for group in Group::ALL {
        out += &format!(
            "    <category name=\"{0}\" displayName=\"$(string.{0})\"><parentCategory ref=\"Carrel\"/></category>\n",
            category(group)
        );
    }
    out += "  </categories>\n  <policies>\n";
    for key in KEYS {
        out += &policy(key);
    }
    out += "  </policies>\n</policyDefinitions>\n";
    out
}

/// A policy of a boolean has the value itself; all others have one input field.
fn policy(key: &Key) -> String {
    let name = key.name;
    let (attribute, body) = match key.kind {
        Kind::Bool { only } => {
            let number = |enabled: bool| u8::from(only.unwrap_or(enabled));
            let values = format!(
                "      <enabledValue><decimal value=\"{}\"/></enabledValue>\n      \
                 <disabledValue><decimal value=\"{}\"/></disabledValue>\n",
                number(true),
                number(false)
            );
            (format!("valueName=\"{name}\""), values)
        }
        kind => {
            let field = format!("id=\"{name}_Value\" valueName=\"{name}\" required=\"true\"");
            let element = match kind {
                Kind::Choice(choices) => {
                    let items: String = choices
                        .iter()
                        .map(|choice| {
                            format!(
                                "          <item displayName=\"$(string.{}_{})\"><value><string>{}</string></value></item>\n",
                                name,
                                choice.name.replace('-', "_"),
                                choice.name
                            )
                        })
                        .collect();
                    format!("        <enum {field}>\n{items}        </enum>\n")
                }
                Kind::List(_) => format!("        <multiText {field}/>\n"),
                _ => format!("        <text {field} maxLength=\"4096\"/>\n"),
            };
            let body = format!("      <elements>\n{element}      </elements>\n");
            (format!("presentation=\"$(presentation.{name})\""), body)
        }
    };
    format!(
        "    <policy name=\"{name}\" class=\"Machine\" displayName=\"$(string.{name})\" \
         explainText=\"$(string.{name}_Explain)\" key=\"{REGISTRY_KEY}\" {attribute}>\n      \
         <parentCategory ref=\"{}\"/>\n      <supportedOn ref=\"{}\"/>\n{body}    </policy>\n",
        category(key.group),
        supported(key.since)
    )
}

pub fn adml() -> String {
    let mut strings = vec![("Carrel".to_owned(), "Carrel".to_owned())];
    for release in releases() {
        strings.push((supported(release), format!("Carrel {release} and later")));
    }
    for group in Group::ALL {
        strings.push((category(group), group.title().to_owned()));
    }
    for key in KEYS {
        strings.push((key.name.to_owned(), key.title.to_owned()));
        strings.push((format!("{}_Explain", key.name), explanation(key)));
        if let Kind::Choice(choices) = key.kind {
            strings.extend(choices.iter().map(|choice| {
                let id = format!("{}_{}", key.name, choice.name.replace('-', "_"));
                (id, format!("{}: {}", choice.name, choice.meaning))
            }));
        }
    }
    let mut out = format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<!-- Written by `cargo xtask gen`. -->
<policyDefinitionResources xmlns="{NAMESPACE}" revision="1.0" schemaVersion="1.0">
  <displayName>Carrel</displayName>
  <description>Policies of Carrel</description>
  <resources>
    <stringTable>
"#
    );
    for (id, text) in strings {
        out += &format!("      <string id=\"{id}\">{}</string>\n", xml(&text));
    }
    out += "    </stringTable>\n    <presentationTable>\n";
    for key in KEYS.iter().filter(|key| !matches!(key.kind, Kind::Bool { .. })) {
        let (name, label) = (key.name, xml(key.title));
        let field = match key.kind {
            Kind::Choice(_) => {
                format!(
                    "<dropdownList refId=\"{name}_Value\" noSort=\"true\">{label}</dropdownList>"
                )
            }
            Kind::List(_) => format!("<multiTextBox refId=\"{name}_Value\">{label}</multiTextBox>"),
            _ => format!("<textBox refId=\"{name}_Value\"><label>{label}</label></textBox>"),
        };
        out += &format!("      <presentation id=\"{name}\">{field}</presentation>\n");
    }
    out += "    </presentationTable>\n  </resources>\n</policyDefinitionResources>\n";
    out
}

fn explanation(key: &Key) -> String {
    let value = match key.kind {
        Kind::Bool { only: Some(_) } => String::new(),
        Kind::Bool { only: None } => " Enabled is true, disabled is false.".into(),
        Kind::List(_) => format!(" One entry per line; {}.", expected(&key.kind)),
        _ => format!(" Value: {}.", expected(&key.kind)),
    };
    format!("{}{value}", key.description)
}

fn category(group: Group) -> String {
    format!("Category_{group:?}")
}

fn supported(release: &str) -> String {
    format!("Supported_{}", release.replace('.', "_"))
}

fn releases() -> Vec<&'static str> {
    let mut all: Vec<_> = KEYS.iter().map(|key| key.since).collect();
    all.dedup();
    all.sort_unstable();
    all.dedup();
    all
}
