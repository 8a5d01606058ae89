//! E-mail addresses as messages are sent to them.

/// Maximum length of an address in bytes (RFC 5321).
const MAX_ADDRESS: usize = 254;
/// Maximum length of the part before the `@`.
const MAX_LOCAL: usize = 64;
/// Maximum length of a part of the domain.
const MAX_LABEL: usize = 63;

/// Returns the address that a text contains, also as `mailto:ADDRESS` or `NAME <ADDRESS>`, or `None` if there is none.
/// Quoted local parts and letters outside a to z are not accepted: many mail servers do not either.
pub fn email_address(text: &str) -> Option<String> {
    let text = text.trim();
    let inner = text.strip_suffix('>').and_then(|text| text.rsplit_once('<'));
    let text = inner.map_or(text, |(_, address)| address);
    let is_link = text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("mailto:"));
    let address = if is_link { &text[7..] } else { text }.trim();
    let (local, domain) = address.rsplit_once('@')?;
    let is_local = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let has_local = (1..=MAX_LOCAL).contains(&local.len())
        && local.chars().all(is_local)
        && local.split('.').all(|part| !part.is_empty());
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let has_domain = domain.contains('.') && domain.split('.').all(is_label);
    (address.len() <= MAX_ADDRESS && has_local && has_domain).then(|| address.to_owned())
}

/// Returns the key that is equal for addresses which are looked up as one.
pub fn email_key(address: &str) -> String {
    address.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_what_people_write() {
        for (text, address) in [
            ("noor@school.example", "noor@school.example"),
            (" Noor.Khan+5a@mail.school.example ", "Noor.Khan+5a@mail.school.example"),
            ("mailto:noor@school.example", "noor@school.example"),
            ("Noor Khan <noor@school.example>", "noor@school.example"),
            ("o'neill@x-1.example", "o'neill@x-1.example"),
        ] {
            assert_eq!(email_address(text).as_deref(), Some(address), "{text}");
        }
        let long = format!("{}@school.example", "a".repeat(65));
        for text in [
            "",
            "noor",
            "@school.example",
            "noor@",
            "noor@school",
            "noor@@school.example",
            "noor@school..example",
            "noor@-school.example",
            ".noor@school.example",
            "no or@school.example",
            "noor@school.example\r\nBcc: all@school.example",
            "noor@school.example,peter@school.example",
            "\"noor\"@school.example",
            "nöör@school.example",
            "noor@école.example",
            &long,
        ] {
            assert_eq!(email_address(text), None, "{text:?}");
        }
        assert_eq!(email_key("Noor@School.example"), "noor@school.example");
    }
}
