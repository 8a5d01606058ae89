//! The list of keys in docs/POLICIES.md.

use crate::{
    check::expected,
    schema::{Applies, Group, Key, Kind, UserAccess},
};

const START: &str = "<!-- keys: written by `cargo xtask gen` -->\n";
const END: &str = "<!-- end of keys -->";

/// Replaces the list between the markers.
pub fn update(page: &str) -> Result<String, String> {
    let page = page.replace('\r', "");
    let missing = |marker: &str| format!("the page lacks the line {:?}", marker.trim());
    let (before, rest) = page.split_once(START).ok_or_else(|| missing(START))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| missing(END))?;
    Ok(format!("{before}{START}{}{END}{after}", list()))
}

fn list() -> String {
    let mut out = String::new();
    for group in Group::ALL {
        out += &format!("\n### {}\n", group.title());
        for key in group.keys() {
            out += &section(key);
        }
    }
    out + "\n"
}

fn section(key: &Key) -> String {
    let default = match key.default {
        "" => "the learner or the app decides".to_owned(),
        default => format!("`{default}`"),
    };
    let access = match key.access {
        UserAccess::Locked => "sees the value in Settings and cannot change it".to_owned(),
        UserAccess::ChangeableUnless(lock) => format!("may change it, unless `{lock}` is true"),
        UserAccess::NotASetting => "has no such setting".to_owned(),
    };
    let applies = match key.applies {
        Applies::WhileRunning => "within a minute",
        Applies::AtNextStart => "at the next start",
    };
    let mut out = format!(
        "\n#### {}\n{}\n\n| | |\n|---|---|\n| Value | {} |\n| Without the key | {default} |\n\
         | Example | `\"{}\": {}` |\n| The learner | {access} |\n| A change takes effect | {applies} |\n\
         | Since | {} |\n",
        key.name,
        wrapped(key.description),
        cell(&expected(&key.kind)),
        key.name,
        key.example,
        key.since
    );
    if let Kind::Choice(choices) = key.kind {
        out += "\n| Value | Meaning |\n|---|---|\n";
        for choice in choices {
            out += &format!("| `{}` | {} |\n", choice.name, choice.meaning);
        }
    }
    out
}

/// Escapes what Markdown would read as emphasis.
fn cell(text: &str) -> String {
    text.replace('*', "\\*").replace('_', "\\_")
}

/// Breaks prose at 120 columns.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in cell(text).split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= 120 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}
