//! Addresses in the settings of a system, which anybody may have written.

use url::Url;

/// Maximum length of the address of a script in bytes: that of an address in Windows.
const MAX_ADDRESS_BYTES: usize = 2_083;
/// Maximum number of characters of an invalid address in a message.
const MAX_SHOWN_CHARS: usize = 100;

/// Checks the address of a configuration script. `None` if it is empty.
///
/// # Errors
///
/// A message that quotes the beginning of the address, without a password.
pub(super) fn script_address(text: &str) -> Option<Result<Url, String>> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    if text.is_empty() {
        return None;
    }
    let refused = |why: &str| {
        // A password stands before the last `@`.
        let public = text.rsplit('@').next().unwrap_or_default();
        let shown: String = public.chars().take(MAX_SHOWN_CHARS).collect();
        let expected = "expected for example http://proxy.example/proxy.pac";
        Some(Err(format!(
            "the address of the script in the settings of the system, {shown:?}: {why}; {expected}"
        )))
    };
    if text.len() > MAX_ADDRESS_BYTES {
        return refused(&format!("longer than {MAX_ADDRESS_BYTES} bytes"));
    }
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(e) => return refused(&e.to_string()),
    };
    match (url.scheme(), url.host_str()) {
        ("http" | "https", _) => Some(Ok(url)),
        ("file", None) => Some(Ok(url)),
        // Windows would send the user's name and a hash of the password to this host.
        ("file", Some(_)) => refused("a file on another machine"),
        _ => refused("the scheme is none of http, https, file"),
    }
}

/// Returns the address of a proxy from its host, which may be a whole address, and its port; `None` if it is empty or
/// invalid.
#[cfg(any(target_os = "linux", windows, test))]
pub(super) fn proxy_address(scheme: &str, host: &str, port: Option<u16>) -> Option<Url> {
    let host = host.trim();
    let is_whole = host.contains("://");
    let text = if is_whole { host.to_owned() } else { format!("{scheme}://{host}") };
    let mut url = Url::parse(&text).ok().filter(|url| url.host().is_some())?;
    if let Some(port) = port {
        url.set_port(Some(port)).ok()?;
    }
    (matches!(url.path(), "" | "/") && url.query().is_none()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_scripts_are_checked() {
        for (text, expected) in [
            ("http://wpad.school.example/proxy.pac", "http://wpad.school.example/proxy.pac"),
            ("  https://school.example/p?v=1\0\0", "https://school.example/p?v=1"),
            ("HTTP://School.Example", "http://school.example/"),
            ("file:///etc/proxy.pac", "file:///etc/proxy.pac"),
            ("file://localhost/etc/proxy.pac", "file:///etc/proxy.pac"),
            ("http://[2001:db8::1]:8080/p", "http://[2001:db8::1]:8080/p"),
        ] {
            let found = script_address(text).map(|found| found.map(|url| url.to_string()));
            assert_eq!(found, Some(Ok(expected.to_owned())), "{text:?}");
        }
        for text in ["", "  ", "\0", " \0 \r\n"] {
            assert_eq!(script_address(text), None, "{text:?}");
        }
        let long = format!("http://school.example/{}", "a".repeat(MAX_ADDRESS_BYTES));
        for (text, why) in [
            ("proxy.pac", "relative URL"),
            ("school.example/proxy.pac", "relative URL"),
            (r"C:\proxy.pac", "scheme"),
            (r"\\server\share\proxy.pac", "relative URL"),
            ("file://server/share/proxy.pac", "another machine"),
            (r"file:\\server\share\proxy.pac", "another machine"),
            ("data:application/x-ns-proxy-autoconfig,function", "scheme"),
            ("javascript:FindProxyForURL()", "scheme"),
            ("ftp://school.example/proxy.pac", "scheme"),
            ("http://", "empty host"),
            ("http://a b/", "invalid"),
            (&long, "longer than"),
        ] {
            let error = script_address(text).and_then(Result::err);
            let error = error.unwrap_or_else(|| panic!("{text:?}: accepted"));
            assert!(error.contains(why) && error.len() < 400, "{text:?}: {error}");
        }
        let error = script_address("ftp://asha:secret@school.example/").unwrap().unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn addresses_of_proxies_are_completed() {
        for (scheme, host, port, expected) in [
            ("http", "proxy.example", Some(3128), Some("http://proxy.example:3128/")),
            ("http", "proxy.example:8080", None, Some("http://proxy.example:8080/")),
            ("http", " https://proxy.example:443/ ", None, Some("https://proxy.example/")),
            ("socks5h", "10.0.0.1", Some(1080), Some("socks5h://10.0.0.1:1080")),
            ("http", "", Some(8080), None),
            ("http", "proxy.example/path", None, None),
            ("http", "a b", None, None),
            ("http", "proxy:99999", None, None),
        ] {
            let found = proxy_address(scheme, host, port).map(|url| url.to_string());
            assert_eq!(found.as_deref(), expected, "{host:?}");
        }
    }
}
