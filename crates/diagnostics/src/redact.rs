//! Removes what identifies a person or grants access from texts for support: known names, logins and paths, tokens,
//! e-mail addresses, parts of URLs.
//!
//! A text of a learner (an answer, a note) is removed only if it is known; log lines and reports must not contain any.

use std::{borrow::Cow, collections::BTreeSet};

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use parking_lot::RwLock;

/// Shorter texts are not registered: removing them would damage other words.
const MIN_KNOWN: usize = 3;
/// Length from which a word of letters, digits, `-` and `_` counts as a token if it contains a digit.
const MIN_TOKEN: usize = 20;
/// What a removed text is replaced by.
const REMOVED: &str = "[removed]";
const TOKEN: &str = "[token]";
const HOME: &str = "[home]";

/// Folders of the home folders of all users, with the separator of paths. In parts, because no file of the repository
/// may contain a path of a machine.
const HOMES: [(&str, char); 3] =
    [(concat!("/home", "/"), '/'), (concat!("/Users", "/"), '/'), ("\\Users\\", '\\')];

/// The texts to remove. Used for the log file, crash reports and support bundles.
#[derive(Default)]
pub struct Redactor {
    /// Longest first, so that a text that contains another one is removed as a whole.
    known: RwLock<Vec<(String, &'static str)>>,
    /// The registered texts, of which `known` has all forms.
    registered: RwLock<BTreeSet<String>>,
}

impl Redactor {
    /// Creates a redactor that knows this user's home folder and name in the operating system.
    pub fn of_this_system() -> Self {
        let redactor = Self::default();
        for variable in ["HOME", "USERPROFILE"] {
            if let Ok(home) = std::env::var(variable) {
                // A service may have the root folder as its home.
                if home.len() > 1 {
                    redactor.add_as(home.trim_end_matches(['/', '\\']), HOME);
                }
            }
        }
        for variable in ["USER", "USERNAME", "LOGNAME"] {
            // The name of the administrator is also a common word.
            if let Ok(name) = std::env::var(variable).map(|n| n.trim().to_owned())
                && name != "root"
            {
                redactor.add(&name);
            }
        }
        redactor
    }

    /// Registers a text to remove: a name, a login, a token. Texts of fewer than three characters are ignored.
    pub fn add(&self, text: &str) {
        self.add_as(text.trim(), REMOVED);
    }

    /// Registers the name of a person, and its parts: a text may name a person by one of them.
    pub fn add_person(&self, name: &str) {
        self.add(name);
        name.split_whitespace()
            .filter(|part| part.chars().count() > MIN_KNOWN)
            .for_each(|p| self.add(p));
    }

    fn add_as(&self, text: &str, replacement: &'static str) {
        if text.chars().count() < MIN_KNOWN || !self.registered.write().insert(text.to_owned()) {
            return;
        }
        let mut known = self.known.write();
        for form in forms(text) {
            if !known.iter().any(|(k, _)| *k == form) {
                known.push((form, replacement));
            }
        }
        known.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    }

    /// Returns the text without what must not leave the device.
    pub fn redact(&self, text: &str) -> String {
        let mut text = Cow::Borrowed(text);
        for (known, replacement) in self.known.read().iter() {
            if text.contains(known.as_str()) {
                text = Cow::Owned(text.replace(known.as_str(), replacement));
            }
        }
        let mut out = String::with_capacity(text.len());
        let mut after_bearer = false;
        for piece in text.split_inclusive(is_separator) {
            let end = piece.char_indices().next_back().filter(|(_, c)| is_separator(*c));
            let (word, separator) = piece.split_at(end.map_or(piece.len(), |(at, _)| at));
            if after_bearer && !word.is_empty() {
                out.push_str(TOKEN);
            } else {
                push_word(&mut out, word);
            }
            after_bearer = word.eq_ignore_ascii_case("bearer") || (after_bearer && word.is_empty());
            out.push_str(separator);
        }
        out
    }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '"' | '\'' | '`' | '<' | '>' | '(' | ')' | '{' | '}' | ',' | ';')
}

/// Appends a word without its private parts.
fn push_word(out: &mut String, word: &str) {
    if let Some((scheme, rest)) = word.split_once("://") {
        // Only scheme, host and path: a query may contain anything.
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let scheme = scheme.rsplit('=').next().unwrap_or(scheme);
        out.push_str(scheme);
        out.push_str("://");
        out.push_str(host);
        push_tokens(out, path);
        return;
    }
    let is_mail = |(name, host): (&str, &str)| !name.is_empty() && host.contains('.');
    if word.split_once('@').is_some_and(is_mail) {
        out.push_str(REMOVED);
        return;
    }
    push_tokens(out, &without_home(word));
}

/// Replaces the home folder of any user.
fn without_home(word: &str) -> Cow<'_, str> {
    for (start, separator) in HOMES {
        if let Some(at) = word.find(start) {
            // In JSON a separator is doubled.
            let rest = word[at + start.len()..].trim_start_matches(separator);
            let name = rest.find(separator).unwrap_or(rest.len());
            let before = word[..at].trim_end_matches('\\');
            let before = before.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ':');
            return Cow::Owned(format!("{before}{HOME}{}", &rest[name..]));
        }
    }
    Cow::Borrowed(word)
}

/// Appends a word; long runs of letters and digits are replaced.
fn push_tokens(out: &mut String, word: &str) {
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+');
    let mut rest = word;
    // The parts of a signed token are short and separated by dots; the first one starts so.
    if let Some((before, token)) = word.split_once("eyJ") {
        let end = token.find(|c| !is_of_token(c) && c != '.').unwrap_or(token.len());
        push_tokens(out, before);
        out.push_str(TOKEN);
        push_tokens(out, &token[end..]);
        return;
    }
    while !rest.is_empty() {
        let run = rest.find(|c| !is_of_token(c)).unwrap_or(rest.len());
        let (token, after) = rest.split_at(run);
        let is_token = token.len() >= MIN_TOKEN && token.bytes().any(|b| b.is_ascii_digit());
        out.push_str(if is_token { TOKEN } else { token });
        let next = after.find(is_of_token).unwrap_or(after.len());
        out.push_str(&after[..next]);
        rest = &after[next..];
    }
}

/// Returns the forms in which a text may appear: as it is, in lower case, in JSON, in a URL, in Base64 and in hex.
fn forms(text: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    for text in [text.to_owned(), text.to_lowercase()] {
        if let Ok(json) = serde_json::to_string(&text) {
            forms.insert(json[1..json.len() - 1].to_owned());
        }
        let utf16: String = text
            .encode_utf16()
            .map(|unit| match u8::try_from(unit) {
                Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
                _ => format!("\\u{unit:04x}"),
            })
            .collect();
        forms.insert(utf16);
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        forms.insert(encoded.replace('+', "%20"));
        forms.insert(encoded);
        forms.insert(HEXLOWER.encode(text.as_bytes()));
        for encoding in [BASE64_NOPAD, BASE64URL_NOPAD] {
            // Within a longer text it may start at each of three positions; characters that depend on its
            // neighbours are left out.
            for offset in 0..3 {
                let mut bytes = vec![0; offset];
                bytes.extend(text.as_bytes());
                let whole = bytes.len() * 4 / 3;
                let encoded = encoding.encode(&bytes);
                let from = (offset * 4).div_ceil(3);
                let to = if bytes.len() % 3 == 0 { encoded.len() } else { whole };
                if to.saturating_sub(from) >= 8 {
                    forms.insert(encoded[from..to].to_owned());
                }
            }
        }
        forms.insert(text);
    }
    forms.retain(|form| form.chars().count() >= MIN_KNOWN);
    forms
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;

    #[test]
    fn known_texts_are_removed_in_every_form() {
        let redactor = Redactor::default();
        let name = "Amina \"Mimi\" Diallo-Bä";
        redactor.add(name);
        redactor.add("ab");
        let json = serde_json::to_string(name).unwrap();
        let url: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
        let mut texts = vec![
            name.to_owned(),
            name.to_lowercase(),
            json,
            url.clone(),
            url.replace('+', "%20"),
            HEXLOWER.encode(name.as_bytes()),
        ];
        for before in ["", "x", "xy", "xyz"] {
            texts.push(BASE64.encode(format!("{before}{name}!!").as_bytes()));
            texts.push(BASE64URL_NOPAD.encode(format!("{before}{name}").as_bytes()));
        }
        for text in texts {
            let redacted = redactor.redact(&format!("start {text} end"));
            assert!(redacted.contains(REMOVED) || redacted.contains(TOKEN), "{text}: {redacted}");
            assert!(!redacted.to_lowercase().contains("amina"), "{redacted}");
            assert!(redacted.starts_with("start ") && redacted.ends_with(" end"), "{redacted}");
        }
        assert_eq!(redactor.redact("about"), "about", "too short a text is not registered");
    }

    #[test]
    fn tokens_addresses_and_paths_are_removed_without_being_known() {
        let redactor = Redactor::default();
        for (text, expected) in [
            ("sync ended", "sync ended"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer [token]"),
            ("token=eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln", "token=[token]"),
            (
                "https://amina:geheim@school.example:7300/api/meta?code=1#x failed",
                "https://school.example:7300/api/meta failed",
            ),
            ("sent to amina@school.example", "sent to [removed]"),
            (concat!("/home", "/amina/.local/share/x: denied"), "[home]/.local/share/x: denied"),
            (concat!("open \"/Users", "/amina/Library\""), "open \"[home]/Library\""),
            (concat!(r"C:\", r"Users\amina\AppData"), r"[home]\AppData"),
            (concat!(r"C:\\", r"Users\\amina\\AppData"), r"[home]\\AppData"),
            ("a-long-name-of-a-course-without-digits", "a-long-name-of-a-course-without-digits"),
            ("account 0190a000-0000-7000-8000-000000000001", "account [token]"),
            ("carrel_client::open_account: 12 rows", "carrel_client::open_account: 12 rows"),
        ] {
            assert_eq!(redactor.redact(text), expected);
        }
    }
}
