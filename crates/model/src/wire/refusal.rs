//! Reasons of refused rows: a name with parameters, which the UI translates, and an English text for logs.

use std::{collections::BTreeMap, fmt::Display};

/// The name and the parameters of a reason.
///
/// The text of a refusal (`PushResult::reason`) has the form `name(key=value, key=value): English text`. Names never
/// change their meaning; a reader falls back to the result code if it does not know a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalReason {
    /// For example `quota`.
    pub name: String,
    /// For example `rows` = `50000`. Values consist of letters, digits and `._/-`.
    pub params: BTreeMap<String, String>,
}

impl RefusalReason {
    /// Returns the text of a refusal. Other characters than letters, digits and `._/-` in a value become `_`.
    pub fn text(name: &str, params: &[(&str, &dyn Display)], english: impl Display) -> String {
        let params: Vec<String> = params
            .iter()
            .map(|(key, value)| {
                let value: String =
                    value.to_string().chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
                format!("{key}={value}")
            })
            .collect();
        format!("{name}({}): {english}", params.join(", "))
    }

    /// Parses the text of a refusal. `None` if it has no name, as those of older servers.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('(')?;
        let (params, _) = rest.split_once("): ")?;
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        };
        if !is_name(name) {
            return None;
        }
        let mut found = BTreeMap::new();
        for param in params.split(", ").filter(|param| !param.is_empty()) {
            let (key, value) = param.split_once('=')?;
            if !is_name(key) || !value.chars().all(is_plain) {
                return None;
            }
            found.insert(key.to_owned(), value.to_owned());
        }
        Some(Self { name: name.to_owned(), params: found })
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._/-".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_parsed_from_its_text() {
        let text = RefusalReason::text(
            "quota",
            &[("rows", &50_000), ("mib", &64)],
            "over the quota (50000 rows)",
        );
        assert_eq!(text, "quota(rows=50000, mib=64): over the quota (50000 rows)");
        let reason = RefusalReason::parse(&text).expect("a reason");
        assert_eq!(reason.name, "quota");
        assert_eq!((&*reason.params["rows"], &*reason.params["mib"]), ("50000", "64"));
        let text = RefusalReason::text("server_only", &[], "x");
        assert_eq!(text, "server_only(): x");
        assert!(RefusalReason::parse(&text).is_some_and(|r| r.params.is_empty()));
        let text = RefusalReason::text("unknown_type", &[("type", &"a, b=c): d")], "x");
        assert_eq!(RefusalReason::parse(&text).expect("a reason").params["type"], "a__b_c___d");
    }

    #[test]
    fn other_texts_have_no_reason() {
        for text in [
            "",
            "percent: is greater than 10000",
            "over the quota (50000 rows)",
            "Quota(rows=1): x",
            "quota(rows): x",
            "quota(rows=a b): x",
            "(rows=1): x",
            "quota(rows=1)",
        ] {
            assert_eq!(RefusalReason::parse(text), None, "{text}");
        }
    }
}
