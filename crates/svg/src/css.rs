//! Sanitises style sheets and `style` attributes: a rule or declaration that loads an address or might execute code is
//! removed, the others are kept. The result is written anew, without comments.
//!
//! Not here: which attributes contain CSS (`cleaner`).

/// Maximum size of the embedded fonts of a style sheet in bytes, as base64.
const MAX_FONTS: usize = 2 << 20;
/// Maximum depth of rules inside rules.
const MAX_NESTING: usize = 8;

/// A sanitised style sheet or list of declarations.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Css {
    pub text: String,
    /// The start of each removed part.
    pub removed: Vec<String>,
    font_bytes: usize,
}

/// Sanitises a style sheet.
pub(super) fn sheet(text: &str) -> Css {
    let mut css = Css::default();
    css.rules(&without_comments(text), 0);
    css
}

/// Sanitises the value of a `style` attribute.
pub(super) fn declarations(text: &str) -> Css {
    let mut css = Css::default();
    let text = without_comments(text);
    if is_plain(&text) && text == text.trim() {
        css.text = text;
        return css;
    }
    css.declarations(&text);
    css
}

impl Css {
    fn remove(&mut self, what: &str) {
        let start: String = what.trim().chars().take(40).collect();
        self.removed.push(start);
    }

    fn rules(&mut self, text: &str, depth: usize) {
        let mut rest = text;
        while !rest.trim_start().is_empty() {
            rest = rest.trim_start();
            let Some((end, separator)) = find(rest, &[';', '{', '}']) else {
                return self.remove(rest);
            };
            let head = rest[..end].trim();
            rest = &rest[end + 1..];
            if separator != '{' {
                // `@import` and other rules without a block.
                if !head.is_empty()
                    && !head.starts_with("@charset")
                    && !head.starts_with("@namespace")
                {
                    self.remove(head);
                }
                continue;
            }
            let (body, after) = match find(rest, &['}']) {
                Some((end, _)) => (&rest[..end], &rest[end + 1..]),
                // A browser closes the last block.
                None if is_closed(rest) => (rest, ""),
                None => return self.remove(head),
            };
            rest = after;
            self.rule(head, body, depth);
        }
    }

    fn rule(&mut self, head: &str, body: &str, depth: usize) {
        let name =
            head.split([' ', '(', '\n', '\t']).next().unwrap_or_default().to_ascii_lowercase();
        match name.as_str() {
            "@font-face" => match font(body) {
                Some(size) if self.font_bytes + size <= MAX_FONTS => {
                    self.font_bytes += size;
                    self.text.push_str(&format!("@font-face{{{}}}", body.trim()));
                }
                _ => self.remove("@font-face"),
            },
            "@media" | "@supports" | "@layer" | "@keyframes" | "@-webkit-keyframes"
                if depth < MAX_NESTING && is_plain(head) =>
            {
                self.text.push_str(&format!("{head}{{"));
                self.rules(body, depth + 1);
                self.text.push('}');
            }
            _ if name.starts_with('@') || !is_plain(head) || head.contains('\\') => {
                self.remove(head)
            }
            _ => {
                self.text.push_str(&format!("{head}{{"));
                self.declarations(body);
                self.text.push('}');
            }
        }
    }

    fn declarations(&mut self, text: &str) {
        let mut rest = text;
        while !rest.trim().is_empty() {
            let (part, after) = match find(rest, &[';']) {
                Some((end, _)) => (&rest[..end], &rest[end + 1..]),
                None => (rest, ""),
            };
            rest = after;
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            let is_kept = part.split_once(':').is_some_and(|(name, value)| {
                let name = name.trim();
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
                !name.is_empty()
                    && name.chars().all(is_name)
                    && !name.eq_ignore_ascii_case("behavior")
                    && !name.to_ascii_lowercase().ends_with("binding")
                    && is_plain(value)
                    && is_closed(value)
                    && find(value, &['{', '}']).is_none()
            });
            if is_kept {
                self.text.push_str(part);
                self.text.push(';');
            } else {
                self.remove(part);
            }
        }
    }
}

fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = find_comment(rest) {
        out.push_str(&rest[..start]);
        // A comment separates tokens.
        out.push(' ');
        rest = rest[start + 2..].split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out.replace("<!--", " ").replace("-->", " ")
}

/// Returns the position of `/*` outside of strings.
fn find_comment(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (_, '\\') => {
                chars.next();
            }
            (Some(open), c) if c == open || c == '\n' => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '/') if text[at + 1..].starts_with('*') => return Some(at),
            (None, _) => {}
        }
    }
    None
}

/// Returns the first of these characters outside of strings and brackets.
fn find(text: &str, wanted: &[char]) -> Option<(usize, char)> {
    let mut scan = Scan::default();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if scan.is_outside() && wanted.contains(&c) {
            return Some((at, c));
        }
        if c == '\\' {
            chars.next();
            continue;
        }
        scan.add(c);
    }
    None
}

/// Returns whether all strings and brackets are closed.
fn is_closed(text: &str) -> bool {
    let mut scan = Scan::default();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            chars.next();
            continue;
        }
        scan.add(c);
    }
    scan.is_outside() && !scan.is_broken
}

#[derive(Default)]
struct Scan {
    quote: Option<char>,
    depth: i32,
    /// A string with a line break, or a bracket too many.
    is_broken: bool,
}

impl Scan {
    fn is_outside(&self) -> bool {
        self.quote.is_none() && self.depth == 0
    }
    fn add(&mut self, c: char) {
        match (self.quote, c) {
            (Some(open), c) if c == open => self.quote = None,
            (Some(_), '\n') => (self.quote, self.is_broken) = (None, true),
            (Some(_), _) => {}
            (None, '"' | '\'') => self.quote = Some(c),
            (None, '(' | '[' | '{') => self.depth += 1,
            (None, ')' | ']' | '}') if self.depth > 0 => self.depth -= 1,
            (None, ')' | ']' | '}') => self.is_broken = true,
            _ => {}
        }
    }
}

/// Returns the size of the embedded fonts of a `@font-face` block; `None` if it loads an address.
fn font(body: &str) -> Option<usize> {
    const TYPES: [&str; 14] = [
        "font/woff2",
        "font/woff",
        "font/ttf",
        "font/otf",
        "font/opentype",
        "font/truetype",
        "font/sfnt",
        "application/font-woff",
        "application/font-woff2",
        "application/x-font-woff",
        "application/x-font-ttf",
        "application/x-font-opentype",
        "application/octet-stream",
        "application/x-font-truetype",
    ];
    let mut size = 0;
    let mut others = String::new();
    let mut rest = body;
    while let Some(at) = rest.to_ascii_lowercase().find("url(") {
        others.push_str(&rest[..at]);
        let (address, after) = rest[at + 4..].split_once(')')?;
        let address = address.trim().trim_matches(['"', '\'']);
        let (kind, data) = address.strip_prefix("data:")?.split_once(",")?;
        let kind = kind.to_ascii_lowercase();
        let (kind, encoding) = kind.rsplit_once(';')?;
        let kind = kind.split(';').next().unwrap_or_default();
        let is_base64 = |c: char| {
            c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=') || c.is_whitespace()
        };
        if encoding.trim() != "base64" || !TYPES.contains(&kind) || !data.chars().all(is_base64) {
            return None;
        }
        size += data.len();
        others.push_str("url(#)");
        rest = after;
    }
    others.push_str(rest);
    let is_harmless =
        is_plain(&others) && is_closed(&others) && find(&others, &['{', '}']).is_none();
    (is_harmless && !others.contains('\\')).then_some(size)
}

/// Returns true if the value refers only to parts of this file and contains nothing that a browser might execute.
pub(super) fn is_plain(value: &str) -> bool {
    let normalized: String = value
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .flat_map(char::to_lowercase)
        .collect();
    // An escape can encode any character.
    if normalized.contains('\\') && (normalized.contains(':') || normalized.contains('(')) {
        return false;
    }
    // Functions that load an address without `url()`.
    let fetching_functions = ["image-set(", "src(", "image(", "cross-fade(", "element(", "paint("];
    let script_tokens =
        ["javascript:", "vbscript:", "expression(", "@import", "-moz-binding", "behavior:"];
    if script_tokens.iter().chain(&fetching_functions).any(|w| normalized.contains(w)) {
        return false;
    }
    normalized
        .match_indices("url(")
        .all(|(at, _)| normalized[at + 4..].trim_start_matches(['"', '\'']).starts_with('#'))
}

#[cfg(test)]
mod tests;
