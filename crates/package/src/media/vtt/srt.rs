//! Converts SRT captions to WebVTT.
//!
//! Not here: the check of the result (`vtt`).

use super::ARROW;

/// Number of lines that the conversion adds at the start.
pub(super) const ADDED_LINES: u32 = 2;

/// Returns the captions as WebVTT, with one line for each line of the source. A line that cannot be converted is kept;
/// the parser of WebVTT reports it.
pub(super) fn to_web_vtt(text: &str) -> String {
    let mut out = String::from("WEBVTT\n\n");
    for line in text.split('\n') {
        match line.split_once(ARROW) {
            Some((start, end)) if is_time(start) && is_time(first_word(end)) => {
                // The numbers after the times are a place in the picture, in pixels of an unknown video.
                out.push_str(&format!("{} {ARROW} {}", time(start), time(first_word(end))));
            }
            _ => out.push_str(&text_of(line)),
        }
        out.push('\n');
    }
    out
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

fn is_time(text: &str) -> bool {
    let text = text.trim();
    text.contains(':') && text.chars().all(|c| c.is_ascii_digit() || ":.,".contains(c))
}

/// Returns a time with two digits for hours, minutes and seconds and three for milliseconds: `1:2:3,5` becomes
/// `01:02:03.500`.
fn time(text: &str) -> String {
    let (clock, millis) = text.trim().split_once([',', '.']).unwrap_or((text.trim(), ""));
    let mut parts: Vec<String> = clock.split(':').map(|part| format!("{part:0>2}")).collect();
    if parts.len() == 2 {
        parts.insert(0, "00".to_owned());
    }
    format!("{}.{millis:0<3}", parts.join(":"))
}

/// Removes the tags of SRT that WebVTT does not have, such as `<font color="red">` and `{\an8}`.
fn text_of(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['<', '{']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let close = if rest.starts_with('<') { '>' } else { '}' };
        let Some(end) = rest.find(close) else { break };
        let tag = &rest[..=end];
        let name = tag.trim_start_matches(['<', '/']).trim_end_matches('>').to_ascii_lowercase();
        if ["i", "b", "u"].contains(&name.as_str()) {
            out.push_str(&tag.to_ascii_lowercase());
        } else if tag.starts_with('{') && !tag.starts_with("{\\")
            || tag.starts_with('<') && !name.starts_with("font")
        {
            out.push_str(tag);
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out
}
