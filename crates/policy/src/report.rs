//! The report: what is in force, from where, and what is wrong.

use std::fmt;

use serde::Serialize;
use url::Url;

use crate::{
    check::{Value, size_text},
    policies::Values,
    problem::{Position, Problem},
    schema::{KEYS, Key, Kind, UserAccess},
};

/// Most problems in a report.
const MAX_PROBLEMS: usize = 100;

/// What is shown instead of a secret.
const HIDDEN: &str = "(not shown)";

/// The report about the policies of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyReport {
    /// In the order in which they count.
    pub sources: Vec<SourceState>,
    /// The keys in force, in the order of the documentation.
    pub entries: Vec<Entry>,
    pub problems: Vec<Problem>,
    /// Problems that are not listed.
    pub more_problems: usize,
}

/// A source and what was found there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceState {
    pub name: String,
    pub status: SourceStatus,
    /// Known keys in the source, refused ones included.
    pub keys: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceStatus {
    /// There is no such file or registry key.
    Absent,
    Read,
    /// It exists, but nothing of it is in force.
    Failed,
}

/// A key in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub key: &'static str,
    /// Without secrets.
    pub value: serde_json::Value,
    /// The value as text.
    pub text: String,
    pub source: String,
    pub position: Option<Position>,
    /// The learner cannot change the setting.
    pub locked: bool,
    /// Sources whose value of this key does not count.
    pub overrides: Vec<String>,
}

impl PolicyReport {
    pub(crate) fn new(
        sources: Vec<SourceState>,
        values: &Values,
        mut problems: Vec<Problem>,
    ) -> Self {
        let more_problems = problems.len().saturating_sub(MAX_PROBLEMS);
        problems.truncate(MAX_PROBLEMS);
        let entries = KEYS.iter().filter_map(|key| {
            let in_force = values.get(key.name)?;
            let locked = match key.access {
                UserAccess::Locked => true,
                UserAccess::NotASetting => false,
                UserAccess::ChangeableUnless(lock) => {
                    values.get(lock).is_some_and(|lock| lock.value == Value::Bool(true))
                }
            };
            let value = shown(key, &in_force.value);
            Some(Entry {
                key: key.name,
                text: text(key, &value),
                value: value.to_json(),
                source: in_force.source.clone(),
                position: in_force.position,
                locked,
                overrides: in_force.overrides.clone(),
            })
        });
        Self { sources, entries: entries.collect(), problems, more_problems }
    }

    /// Returns true if a source exists that could not be used at all.
    pub fn has_failed_source(&self) -> bool {
        self.sources.iter().any(|source| source.status == SourceStatus::Failed)
    }
}

/// Returns the value without secrets.
fn shown(key: &Key, value: &Value) -> Value {
    match value {
        _ if key.is_secret => Value::Text(HIDDEN.to_owned()),
        Value::Text(address) if matches!(key.kind, Kind::Url { may_have_password: true, .. }) => {
            Value::Text(without_password(address))
        }
        value => value.clone(),
    }
}

fn without_password(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else { return HIDDEN.to_owned() };
    if url.username().is_empty() && url.password().is_none() {
        return address.to_owned();
    }
    // The user name can be a secret too.
    let removed = url.set_username("").and_then(|()| url.set_password(None));
    match removed {
        Ok(()) => {
            format!("{} (user name and password not shown)", url.as_str().trim_end_matches('/'))
        }
        Err(()) => HIDDEN.to_owned(),
    }
}

fn text(key: &Key, value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Bytes(bytes) if matches!(key.kind, Kind::Size { .. }) => size_text(*bytes),
        Value::Bytes(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::List(items) => items.join(", "),
    }
}

impl fmt::Display for PolicyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sources, the first one counts:\n")?;
        for SourceState { name, status, keys } in &self.sources {
            match status {
                SourceStatus::Absent => writeln!(f, "  {name}: not present")?,
                SourceStatus::Read => writeln!(f, "  {name}: {keys} known keys")?,
                SourceStatus::Failed => writeln!(f, "  {name}: not usable, see the problems")?,
            }
        }
        if self.entries.is_empty() {
            f.write_str("\nNo policy is in force.\n")?;
        } else {
            f.write_str("\nIn force:\n")?;
        }
        for entry in &self.entries {
            write!(f, "  {} = {}\n    from {}", entry.key, entry.text, entry.source)?;
            if let Some(Position { line, .. }) = entry.position {
                write!(f, ", line {line}")?;
            }
            if entry.locked {
                f.write_str("; learners cannot change it")?;
            }
            if !entry.overrides.is_empty() {
                write!(f, "; not used: the value in {}", entry.overrides.join(", "))?;
            }
            f.write_str("\n")?;
        }
        if self.problems.is_empty() {
            return f.write_str("\nNo problems.\n");
        }
        f.write_str("\nProblems:\n")?;
        for problem in &self.problems {
            writeln!(f, "  {}", problem.to_string().replace('\n', "\n  "))?;
        }
        if self.more_problems > 0 {
            writeln!(f, "  and {} more", self.more_problems)?;
        }
        Ok(())
    }
}
