//! Addresses of servers as typed or pasted: the one place that cleans them.
//!
//! Not here: whether a server answers at an address (`server`).

use carrel_net::{Error, Result};
use url::{Host, Url};

/// Returns the addresses to try for an address as typed, in order.
///
/// What comes with copied text or from a keyboard of another script is removed or mapped: invisible characters, quotes
/// and brackets around it, full-width and look-alike signs, digits of other scripts, spaces beside signs, a missing or
/// repeated part of the scheme, dots and slashes at the end.
///
/// Without a scheme, hosts of the local network get http and then https, because they usually have no certificate; all
/// others get https only, because a password is sent.
///
/// # Errors
///
/// `Error::Invalid` with the reason, if the rest is not the address of a web server.
pub fn addresses(typed: &str) -> Result<Vec<String>> {
    let invalid = |why: &str| {
        let typed: String = typed.trim().chars().take(100).collect();
        Error::Invalid(format!(
            "{typed:?} is not a valid address: {why}; hint: use an address such as school.example or 192.168.1.4:7300"
        ))
    };
    let cleaned = cleaned(typed);
    let (scheme, rest) = split_scheme(&cleaned);
    if rest.is_empty() {
        return Err(invalid("it is empty"));
    }
    if rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(invalid("it contains spaces or control characters"));
    }
    if rest.contains("://") {
        return Err(invalid("only http and https are supported"));
    }
    if !rest.contains(|c: char| !c.is_ascii_digit()) {
        return Err(invalid("it is only a number"));
    }
    let parsed = Url::parse(&format!("{}://{rest}", scheme.unwrap_or("https")));
    let url = parsed.map_err(|e| invalid(&e.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("it must not contain a user name or password"));
    }
    let host = url.host().ok_or_else(|| invalid("it has no host"))?;
    let path = url.path().trim_end_matches(['/', '.']);
    let path = path
        .strip_suffix("/api/meta")
        .or_else(|| path.strip_suffix("/api"))
        .unwrap_or(path)
        .trim_end_matches('/');
    let name = host.to_string();
    let name = name.trim_end_matches('.');
    if name.is_empty() {
        return Err(invalid("it has no host"));
    }
    // `Url::port` omits the default port of the parsed scheme, so 443 after https or no scheme is left out.
    let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
    let base = |scheme: &str| format!("{scheme}://{name}{port}{path}");
    Ok(if let Some(scheme) = scheme {
        vec![base(scheme)]
    } else if is_local_network(&host) {
        vec![base("http"), base("https")]
    } else {
        vec![base("https")]
    })
}

/// Removes and maps characters that are not meant, and trims what surrounds the address.
fn cleaned(typed: &str) -> String {
    // Line ends and tabs within are from wrapped text.
    let visible = typed.chars().filter(|c| !is_invisible(*c) && !matches!(c, '\r' | '\n' | '\t'));
    let mut mapped: String = visible.map(ascii_sign).collect();
    if !mapped.chars().any(|c| c.is_alphabetic() && !c.is_ascii()) {
        // Not in an internationalised name, whose digits may be its own.
        mapped = mapped.chars().map(ascii_digit).collect();
    }
    let is_around = |c: char| {
        c.is_whitespace()
            || matches!(c, '<' | '>' | '"' | '\'' | '`' | ',' | ';' | '!' | '(' | ')')
            || matches!(c, '\u{ab}' | '\u{bb}' | '\u{2018}'..='\u{201f}' | '\u{2039}' | '\u{203a}' | '\u{300c}'..='\u{300f}')
    };
    let trimmed =
        mapped.trim_matches(is_around).trim_end_matches(['.', '/']).trim_matches(is_around);
    // Spaces beside signs are inserted by keyboards.
    let words: Vec<&str> = trimmed.split_whitespace().collect();
    let chars: Vec<char> = words.join(" ").chars().collect();
    let is_sign = |at: Option<usize>| {
        at.and_then(|at| chars.get(at)).is_some_and(|c| matches!(c, ':' | '/' | '.'))
    };
    let is_kept = |(at, c): &(usize, &char)| {
        **c != ' ' || !(is_sign(at.checked_sub(1)) || is_sign(Some(at + 1)))
    };
    chars.iter().enumerate().filter(is_kept).map(|(_, c)| *c).collect()
}

/// Returns the scheme, if there is one, and the rest. Accepts `http//`, `http:/`, `https;//`, `//` and a scheme that was
/// pasted behind another one, which then counts.
fn split_scheme(text: &str) -> (Option<&'static str>, &str) {
    let (mut scheme, mut rest) = (None, text);
    loop {
        rest = rest.trim_start_matches('/');
        let found = ["https", "http"].into_iter().find_map(|name| {
            let start = rest.get(..name.len()).filter(|s| s.eq_ignore_ascii_case(name))?;
            let after = &rest[start.len()..];
            let left = after.trim_start_matches([':', ';', '/']);
            let signs = &after[..after.len() - left.len()];
            // `http:8080` is a host with a port, `http.example` and `httpd/x` are hosts.
            let is_scheme = signs.contains('/')
                && (signs.starts_with([':', ';']) || signs.starts_with("//"))
                || signs == ":" && !left.starts_with(|c: char| c.is_ascii_digit());
            is_scheme.then_some((name, left))
        });
        match found {
            Some((name, left)) => (scheme, rest) = (Some(name), left),
            None => return (scheme, rest),
        }
    }
}

/// Returns true for characters that are displayed as nothing.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Maps full-width forms and signs that look like those of an address to ASCII.
fn ascii_sign(c: char) -> char {
    match c {
        // U+FF01 to U+FF5E are U+0021 to U+007E at full width.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3002}' | '\u{ff61}' | '\u{fe52}' | '\u{2024}' => '.',
        '\u{2236}' | '\u{a789}' | '\u{fe55}' | '\u{fe13}' | '\u{2d0}' => ':',
        '\u{2044}' | '\u{2215}' | '\u{29f8}' | '\\' => '/',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' => '-',
        c if c.is_whitespace() => ' ',
        c => c,
    }
}

/// Maps decimal digits of other scripts to ASCII.
fn ascii_digit(c: char) -> char {
    /// The digits 0 of Arabic, Persian, Devanagari, Bengali, Gujarati, Tamil, Thai, Lao, Myanmar, Khmer.
    const ZEROS: [u32; 10] =
        [0x660, 0x6f0, 0x966, 0x9e6, 0xae6, 0xbe6, 0xe50, 0xed0, 0x1040, 0x17e0];
    let code = u32::from(c);
    let value = ZEROS.iter().find_map(|zero| code.checked_sub(*zero).filter(|value| *value < 10));
    value.and_then(|value| char::from_digit(value, 10)).unwrap_or(c)
}

/// Returns true for this machine, private addresses, and local names: without a dot, or below `.local`, `.localhost` or
/// `.home.arpa`.
fn is_local_network(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Host::Ipv6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            !name.contains('.')
                || name.ends_with(".local")
                || name.ends_with(".localhost")
                || name.ends_with(".home.arpa")
        }
    }
}
