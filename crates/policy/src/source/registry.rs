//! Group policies in the Windows registry.

use windows_registry::{Key, LOCAL_MACHINE, Type};

use super::{Contents, RawEntry, Source, file};
use crate::{
    check::RawValue,
    problem::{Problem, ProblemCode},
    schema::{self, Kind},
};

/// `ERROR_FILE_NOT_FOUND` as an HRESULT.
const NOT_FOUND: u32 = 0x8007_0002;

/// Reads the values of a key below `HKEY_LOCAL_MACHINE`. `None` if it does not exist.
pub fn read(source: &Source, path: &str) -> Result<Option<Contents>, Problem> {
    let key = match LOCAL_MACHINE.open(path) {
        Ok(key) => key,
        Err(e) if e.code().0.cast_unsigned() == NOT_FOUND => return Ok(None),
        Err(e) => return Err(failed(source, &e)),
    };
    let mut entries: Vec<RawEntry> = key
        .values()
        .map_err(|e| failed(source, &e))?
        // The value without a name is the default of the key.
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| RawEntry {
            value: convert(&name, value),
            name: written(name),
            position: None,
        })
        .collect();
    // Some management systems write a list as a sub-key with the values 1, 2, 3, ...
    for name in key.keys().map_err(|e| failed(source, &e))? {
        let value = list_of(&key, &name);
        entries.push(RawEntry { value, name: written(name), position: None });
    }
    Ok(Some(Contents { entries, warnings: Vec::new() }))
}

/// Returns the drive of Windows, for example `C:`.
pub fn system_drive() -> Option<String> {
    let key = LOCAL_MACHINE.open(r"Software\Microsoft\Windows NT\CurrentVersion").ok()?;
    let root = key.get_string("SystemRoot").ok()?;
    root.get(..2).filter(|drive| drive.ends_with(':')).map(str::to_owned)
}

fn failed(source: &Source, e: &dyn std::fmt::Display) -> Problem {
    let message = format!("the registry key cannot be read: {e}");
    let hint = "give all users the right to read the key";
    file::ignored(source, ProblemCode::Unreadable, message, hint)
}

/// Returns the name as in the list of keys: names in the registry are not case-sensitive.
fn written(name: String) -> String {
    let known = schema::KEYS.iter().find(|key| key.name.eq_ignore_ascii_case(&name));
    known.map_or(name, |key| key.name.to_owned())
}

fn is_bool(name: &str) -> bool {
    schema::KEYS
        .iter()
        .any(|key| key.name.eq_ignore_ascii_case(name) && matches!(key.kind, Kind::Bool { .. }))
}

fn convert(name: &str, value: windows_registry::Value) -> RawValue {
    match value.ty() {
        // The registry has no type for true and false.
        Type::U32 | Type::U64 => match u64::try_from(value) {
            Ok(number @ (0 | 1)) if is_bool(name) => RawValue::Bool(number == 1),
            Ok(number) => RawValue::Integer(number.into()),
            Err(_) => RawValue::Other("a number that cannot be read"),
        },
        Type::String => String::try_from(value)
            .map_or(RawValue::Other("a text that is not UTF-16"), RawValue::Text),
        Type::MultiString => match Vec::<String>::try_from(value) {
            Ok(items) => {
                let lines = items.into_iter().filter(|item| !item.is_empty());
                RawValue::List(lines.map(RawValue::Text).collect())
            }
            Err(_) => RawValue::Other("a list that cannot be read"),
        },
        // Expanding it would use variables that a learner can set.
        Type::ExpandString => RawValue::Other("a text with variables (REG_EXPAND_SZ)"),
        Type::Bytes => RawValue::Other("data (REG_BINARY)"),
        Type::Other(_) => RawValue::Other("another type"),
    }
}

fn list_of(parent: &Key, name: &str) -> RawValue {
    let Ok(key) = parent.open(name) else { return RawValue::Other("a key that cannot be read") };
    let Ok(values) = key.values() else { return RawValue::Other("a key that cannot be read") };
    let mut items: Vec<(u64, String, RawValue)> = values
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| {
            (name.parse().unwrap_or(u64::MAX), name.clone(), convert(&name, value))
        })
        .collect();
    items.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    RawValue::List(items.into_iter().map(|(_, _, value)| value).collect())
}
