//! The strict parser of `carrel://` links. A link comes from anywhere, so every part that is not expected is an error.

use std::fmt;

use carrel_model::Slug;
use url::{Host, Url};

use crate::account::address;

/// Maximum length of a link in bytes.
pub const MAX_LINK_BYTES: usize = 2048;
/// Maximum length of an enrolment token in characters.
const MAX_TOKEN: usize = 256;
const PREFIX: &str = "carrel://";

/// A valid link. `server` is the address to use, with its scheme if the link states one; names of hosts are in ASCII.
#[derive(Clone, PartialEq, Eq)]
pub enum Link {
    /// `carrel://server?url=ADDRESS`
    Server { server: String },
    /// `carrel://course/ID`, `carrel://course/ID?server=ADDRESS`
    Course { course: Slug, server: Option<String> },
    /// `carrel://enrol?server=ADDRESS&token=TOKEN`
    Enrol { server: String, token: String },
    /// `carrel://sign-in?server=ADDRESS&code=CODE`: the end of a sign-in in the browser.
    SignIn { server: String, code: String },
}

impl fmt::Debug for Link {
    /// Without the token and the code, which must not get into a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { server } => write!(f, "Server({server})"),
            Self::Course { course, server } => write!(f, "Course({course}, {server:?})"),
            Self::Enrol { server, .. } => write!(f, "Enrol({server})"),
            Self::SignIn { server, .. } => write!(f, "SignIn({server})"),
        }
    }
}

/// Why a link is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("the link is longer than {MAX_LINK_BYTES} bytes")]
    TooLong,
    #[error("the link contains spaces, control characters or characters outside ASCII")]
    Characters,
    #[error("links of this kind are not opened")]
    Scheme,
    #[error("the link is not a server, course, enrolment or sign-in link")]
    Malformed,
    #[error("the link contains no valid address of a server")]
    Server,
    #[error("the link contains no valid course")]
    Course,
    #[error("the link contains no valid code")]
    Token,
}

impl LinkError {
    /// Name of the error in messages of the UI.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Characters => "characters",
            Self::Scheme => "scheme",
            Self::Malformed => "malformed",
            Self::Server => "server",
            Self::Course => "course",
            Self::Token => "token",
        }
    }
}

/// Returns true if the text begins with a scheme, such as `https:`. One letter is a drive of Windows.
pub(super) fn has_scheme(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else { return false };
    scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.'))
}

/// Checks length and characters. Parsers of URLs remove some control characters instead of refusing them.
pub(super) fn check_text(text: &str) -> Result<(), LinkError> {
    if text.len() > MAX_LINK_BYTES {
        return Err(LinkError::TooLong);
    }
    let is_allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '\\' | '"' | '<' | '>' | '`');
    if text.chars().all(is_allowed) { Ok(()) } else { Err(LinkError::Characters) }
}

impl Link {
    /// Parses a link.
    ///
    /// # Errors
    ///
    /// Each text that is not exactly of one of these forms.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        check_text(text)?;
        let rest = match text.get(..PREFIX.len()) {
            Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => &text[PREFIX.len()..],
            _ => return Err(LinkError::Scheme),
        };
        if rest.contains('#') {
            return Err(LinkError::Malformed);
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (kind, path) = place.split_once('/').unwrap_or((place, ""));
        let is_kind = |name: &str| kind.eq_ignore_ascii_case(name);
        if is_kind("server") && path.is_empty() {
            let [url] = values(query, ["url"])?;
            Ok(Self::Server { server: server(url)? })
        } else if is_kind("course") {
            let [from] = values(query, ["server"])?;
            let course = Slug::new(path.strip_suffix('/').unwrap_or(path));
            Ok(Self::Course {
                course: course.map_err(|_| LinkError::Course)?,
                server: from.map(|from| server(Some(from))).transpose()?,
            })
        } else if is_kind("enrol") && path.is_empty() {
            let [from, code] = values(query, ["server", "token"])?;
            Ok(Self::Enrol { server: server(from)?, token: token(code)? })
        } else if is_kind("sign-in") && path.is_empty() {
            let [from, code] = values(query, ["server", "code"])?;
            Ok(Self::SignIn { server: server(from)?, code: token(code)? })
        } else {
            Err(LinkError::Malformed)
        }
    }
}

/// Returns the values of these names in the query. Each other name and each repeated one is an error.
fn values<const N: usize>(query: &str, names: [&str; N]) -> Result<[Option<String>; N], LinkError> {
    let mut out = [const { None }; N];
    for pair in query.split('&').filter(|_| !query.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(LinkError::Malformed)?;
        let at = names.iter().position(|known| *known == name).ok_or(LinkError::Malformed)?;
        if out[at].replace(decoded(value)?).is_some() {
            return Err(LinkError::Malformed);
        }
    }
    Ok(out)
}

/// Decodes `%xx`. A sign `+` stays one.
fn decoded(value: &str) -> Result<String, LinkError> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let mut digit = || {
                let digit = rest.next().and_then(|c| char::from(c).to_digit(16));
                digit.ok_or(LinkError::Malformed)
            };
            let (high, low) = (digit()?, digit()?);
            u8::try_from(high * 16 + low).map_err(|_| LinkError::Malformed)?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).map_err(|_| LinkError::Malformed)
}

/// Returns the address of a server in the form in which it is shown and used. In contrast to a typed address, nothing
/// is cleaned: an address that looks different from what it is must not come from a link.
fn server(value: Option<String>) -> Result<String, LinkError> {
    let value = value.filter(|v| !v.is_empty()).ok_or(LinkError::Server)?;
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || "\\\"'<>`^{}|@?#%,;".contains(c);
    if value.chars().any(is_odd) {
        return Err(LinkError::Server);
    }
    let lower = value.to_ascii_lowercase();
    let has_scheme = lower.starts_with("https://") || lower.starts_with("http://");
    let full = if has_scheme { value.clone() } else { format!("https://{value}") };
    let url = Url::parse(&full).map_err(|_| LinkError::Server)?;
    let host = url.host().ok_or(LinkError::Server)?;
    if let Host::Domain(name) = &host {
        // Url keeps some signs in names that no server has.
        let is_name = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_');
        if !name.bytes().all(is_name) || name.trim_matches('.').is_empty() {
            return Err(LinkError::Server);
        }
    }
    // Numbers such as 0x7f.1 are addresses in disguise: the host has to be written as it is shown.
    let written = full.split_once("://").map_or("", |(_, rest)| rest);
    let is_disguised = matches!(host, Host::Ipv4(_)) && !written.starts_with(&host.to_string());
    if is_disguised || written.contains("//") {
        return Err(LinkError::Server);
    }
    let last = address::addresses(&full).map_err(|_| LinkError::Server)?.pop();
    let address = last.ok_or(LinkError::Server)?;
    Ok(if has_scheme { address } else { address.trim_start_matches("https://").to_owned() })
}

fn token(value: Option<String>) -> Result<String, LinkError> {
    let is_token = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.' | b'~');
    value
        .filter(|v| (1..=MAX_TOKEN).contains(&v.len()) && v.bytes().all(is_token))
        .ok_or(LinkError::Token)
}
