//! Managed preferences of macOS, which a configuration profile writes.

use std::io::Cursor;

use plist::Value;

use super::{RawEntry, Source, file};
use crate::{
    check::RawValue,
    problem::{Problem, ProblemCode},
};

/// Returns the keys of a property list, XML or binary.
pub fn parse(source: &Source, bytes: &[u8]) -> Result<Vec<RawEntry>, Problem> {
    let hint = "install the configuration profile again";
    let read = Value::from_reader(Cursor::new(bytes)).map_err(|e| {
        let message = format!("the file is not a property list: {e}");
        file::ignored(source, ProblemCode::Syntax, message, hint)
    })?;
    let Value::Dictionary(keys) = read else {
        let message = "the file contains something other than a dictionary";
        return Err(file::ignored(source, ProblemCode::NotAnObject, message, hint));
    };
    // Names with a prefix are added by the system.
    let own =
        keys.into_iter().filter(|(name, _)| !name.starts_with("Payload") && !name.contains('.'));
    Ok(own.map(|(name, item)| RawEntry { name, value: value(item), position: None }).collect())
}

fn value(value: Value) -> RawValue {
    match value {
        Value::Boolean(value) => RawValue::Bool(value),
        Value::String(text) => RawValue::Text(text),
        Value::Integer(number) => {
            let number =
                number.as_signed().map(i128::from).or(number.as_unsigned().map(i128::from));
            number.map_or(RawValue::Other("a number"), RawValue::Integer)
        }
        Value::Array(items) => RawValue::List(items.into_iter().map(self::value).collect()),
        Value::Dictionary(_) => RawValue::Other("a dictionary"),
        Value::Real(_) => RawValue::Other("a number that is not whole"),
        Value::Data(_) => RawValue::Other("data"),
        Value::Date(_) => RawValue::Other("a date"),
        _ => RawValue::Other("another type"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_list_is_read_and_names_of_the_system_are_skipped() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict>
            <key>KioskMode</key><true/>
            <key>ServerAddress</key><string>https://school.example</string>
            <key>ContentQuota</key><integer>20000000000</integer>
            <key>AllowedServers</key><array><string>school.example</string><integer>3</integer></array>
            <key>LogLevel</key><real>1.5</real>
            <key>PayloadUUID</key><string>x</string>
            <key>com.apple.thing</key><string>x</string>
        </dict></plist>"#;
        let source = Source::PropertyList { path: "managed.plist".into() };
        let entries = parse(&source, text.as_bytes()).unwrap();
        let found: Vec<_> = entries.into_iter().map(|e| (e.name, e.value)).collect();
        let list = vec![RawValue::Text("school.example".into()), RawValue::Integer(3)];
        assert_eq!(
            found,
            [
                ("KioskMode".into(), RawValue::Bool(true)),
                ("ServerAddress".into(), RawValue::Text("https://school.example".into())),
                ("ContentQuota".into(), RawValue::Integer(20_000_000_000)),
                ("AllowedServers".into(), RawValue::List(list)),
                ("LogLevel".into(), RawValue::Other("a number that is not whole")),
            ]
        );
        for bad in ["", "{}", "<plist", "<plist version=\"1.0\"><array/></plist>"] {
            assert!(parse(&source, bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
