//! Renders the sides of cards: fields, sections, filters, clozes. The result is HTML, of which only the text is used.

use std::collections::BTreeMap;

use crate::html::plain;

/// Maximum nesting of sections and clozes.
const MAX_DEPTH: usize = 16;
/// Maximum length of a side in bytes.
const MAX_SIDE: usize = 1 << 20;

/// What a template can show.
pub(super) struct Values<'a> {
    pub fields: BTreeMap<&'a str, &'a str>,
    /// Question side, for `{{FrontSide}}`.
    pub front: Option<&'a str>,
    /// Number of the cloze that is asked, from 1; 0 for other notes.
    pub cloze: u32,
    pub deck: &'a str,
    pub tags: &'a str,
    pub note_type: &'a str,
    pub card: &'a str,
}

impl Values<'_> {
    fn is_answer(&self) -> bool {
        self.front.is_some()
    }

    /// Returns the HTML of a name, which may have filters before it: `text:furigana:Reading`.
    fn value(&self, name: &str) -> String {
        let mut parts: Vec<&str> = name.split(':').map(str::trim).collect();
        let field = parts.pop().unwrap_or_default();
        let mut value = match field {
            "FrontSide" => String::new(),
            "Tags" => self.tags.trim().to_owned(),
            "Deck" => self.deck.to_owned(),
            "Subdeck" => self.deck.rsplit("::").next().unwrap_or_default().to_owned(),
            "Type" => self.note_type.to_owned(),
            "Card" => self.card.to_owned(),
            "CardFlag" => String::new(),
            field => self.fields.get(field).map(|v| (*v).to_owned()).unwrap_or_default(),
        };
        for filter in parts.iter().rev() {
            value = match *filter {
                "text" => escaped(&plain::to_plain(&value)),
                "furigana" => furigana(&value, Ruby::Both),
                "kana" => furigana(&value, Ruby::Reading),
                "kanji" => furigana(&value, Ruby::Base),
                "cloze" => cloze(&value, self.cloze, self.is_answer(), false),
                "cloze-only" => cloze(&value, self.cloze, self.is_answer(), true),
                // The field for typing is on the question side, the text on the answer side.
                "type" if !self.is_answer() => String::new(),
                filter if filter == "tts" || filter.starts_with("tts ") => String::new(),
                _ => value,
            };
        }
        value
    }

    fn is_filled(&self, name: &str) -> bool {
        let name = name.trim();
        if let Some(number) = name.strip_prefix('c').and_then(|n| n.parse::<u32>().ok()) {
            return number == self.cloze;
        }
        match name {
            "FrontSide" => self.is_answer(),
            "Tags" => !self.tags.trim().is_empty(),
            "Deck" | "Subdeck" | "Type" | "Card" => true,
            name => {
                let value = self.fields.get(name).copied().unwrap_or_default();
                value.contains("<img") || !plain::to_plain(value).is_empty()
            }
        }
    }
}

/// Returns the HTML of a side.
pub(super) fn render(template: &str, values: &Values<'_>) -> String {
    let replaced;
    let template = match template.trim_start().strip_prefix("{{=<% %>=}}") {
        Some(rest) => {
            replaced = rest.replace("<%", "{{").replace("%>", "}}");
            &replaced
        }
        None => template,
    };
    let mut out = String::new();
    let mut rest = template;
    // Whether each open section is shown.
    let mut shown: Vec<bool> = Vec::new();
    while let Some((before, after)) = rest.split_once("{{") {
        let is_shown = shown.iter().all(|shown| *shown);
        if is_shown {
            out.push_str(before);
        }
        let Some((name, after)) = after.split_once("}}") else {
            rest = "";
            break;
        };
        rest = after;
        let name = name.trim().trim_start_matches('{');
        match name.chars().next() {
            Some('#') if shown.len() < MAX_DEPTH => shown.push(values.is_filled(&name[1..])),
            Some('^') if shown.len() < MAX_DEPTH => shown.push(!values.is_filled(&name[1..])),
            Some('/') => drop(shown.pop()),
            Some('!') => {}
            _ if is_shown && out.len() < MAX_SIDE => out.push_str(&values.value(name)),
            _ => {}
        }
    }
    if shown.iter().all(|shown| *shown) {
        out.push_str(rest);
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\n', "<br>")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ruby {
    Both,
    Base,
    Reading,
}

/// Reads `漢字[かんじ]`: the text before a bracket, back to a space, is the base.
fn furigana(text: &str, what: Ruby) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('[') {
        let Some(length) = rest[open..].find(']') else { break };
        let reading = &rest[open + 1..open + length];
        // Sounds have the same form.
        let is_reading =
            !reading.starts_with("sound:") && !reading.starts_with("anki:") && !reading.is_empty();
        let before = &rest[..open];
        let start = before.rfind([' ', '>', ';', '\n']).map_or(0, |at| at + 1);
        let base = &before[start..];
        if !is_reading || base.is_empty() {
            out.push_str(&rest[..=open + length]);
            rest = &rest[open + length + 1..];
            continue;
        }
        out.push_str(before[..start].strip_suffix(' ').unwrap_or(&before[..start]));
        match what {
            Ruby::Both => out.push_str(&format!("<ruby>{base}<rt>{reading}</rt></ruby>")),
            Ruby::Base => out.push_str(base),
            Ruby::Reading => out.push_str(reading),
        }
        rest = &rest[open + length + 1..];
    }
    out.push_str(rest);
    out
}

/// Returns the numbers of the clozes in a text.
pub(super) fn cloze_numbers(text: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> = text
        .split("{{c")
        .skip(1)
        .filter_map(|rest| rest.split_once("::")?.0.split(',').next()?.trim().parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Renders `{{c1::text::hint}}`: the asked one is `[hint]` on the question side.
fn cloze(text: &str, asked: u32, is_answer: bool, only: bool) -> String {
    let mut at = 0;
    let (mut out, mut found) = (String::new(), Vec::new());
    part(text, &mut at, asked, is_answer, 0, &mut out, &mut found);
    if only { found.join(", ") } else { out }
}

/// Reads up to the `}}` that closes the cloze around it, or to the end.
fn part(
    text: &str,
    at: &mut usize,
    asked: u32,
    is_answer: bool,
    depth: usize,
    out: &mut String,
    found: &mut Vec<String>,
) {
    while *at < text.len() {
        let rest = &text[*at..];
        if depth > 0 && rest.starts_with("}}") {
            *at += 2;
            return;
        }
        let number = rest.strip_prefix("{{c").and_then(|inside| {
            let (numbers, _) = inside.split_once("::")?;
            let list: Option<Vec<u32>> =
                numbers.split(',').map(|n| n.trim().parse().ok()).collect();
            list.map(|list| (list, numbers.len()))
        });
        if let Some((numbers, length)) = number.filter(|_| depth < MAX_DEPTH) {
            *at += 3 + length + 2;
            let mut inner = String::new();
            part(text, at, asked, is_answer, depth + 1, &mut inner, found);
            let (answer, hint) = match inner.rsplit_once("::") {
                Some((answer, hint)) if !hint.contains('>') => (answer.to_owned(), hint.to_owned()),
                _ => (inner, String::new()),
            };
            match (numbers.contains(&asked), is_answer) {
                (true, false) => {
                    let hidden = if hint.is_empty() { "..." } else { &hint };
                    out.push_str(&format!("[{hidden}]"));
                    found.push(format!("[{hidden}]"));
                }
                (true, true) => {
                    out.push_str(&answer);
                    found.push(answer);
                }
                (false, _) => out.push_str(&answer),
            }
            continue;
        }
        let Some(c) = rest.chars().next() else { return };
        out.push(c);
        *at += c.len_utf8();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<'a>(fields: &[(&'a str, &'a str)], front: Option<&'a str>, cloze: u32) -> Values<'a> {
        Values {
            fields: fields.iter().copied().collect(),
            front,
            cloze,
            deck: "A::B",
            tags: " x y ",
            note_type: "Basic",
            card: "Card 1",
        }
    }

    #[test]
    fn fields_sections_and_filters_are_rendered() {
        let fields = [
            ("Front", "<b>a</b> &amp; b"),
            ("Back", "c"),
            ("Empty", " <br> "),
            ("漢", "日本[にほん] 語[ご]"),
        ];
        for (template, question, answer) in [
            ("{{Front}}/{{Back}}", "<b>a</b> &amp; b/c", "<b>a</b> &amp; b/c"),
            ("{{FrontSide}}<hr id=answer>{{Back}}", "<hr id=answer>c", "<hr id=answer>c"),
            ("{{text:Front}}", "a &amp; b", "a &amp; b"),
            ("{{#Empty}}no{{/Empty}}{{^Empty}}yes{{/Empty}}", "yes", "yes"),
            ("{{#Front}}{{#Empty}}x{{/Empty}}y{{/Front}}", "y", "y"),
            ("{{type:Back}}", "", "c"),
            ("{{hint:Back}}{{tts en_US:Front}}{{unknown:Back}}{{Missing}}", "cc", "cc"),
            (
                "{{Tags}} {{Deck}} {{Subdeck}} {{Type}} {{Card}}",
                "x y A::B B Basic Card 1",
                "x y A::B B Basic Card 1",
            ),
            ("{{kana:漢}} {{kanji:漢}}", "にほんご 日本語", "にほんご 日本語"),
            (
                "{{furigana:漢}}",
                "<ruby>日本<rt>にほん</rt></ruby><ruby>語<rt>ご</rt></ruby>",
                "<ruby>日本<rt>にほん</rt></ruby><ruby>語<rt>ご</rt></ruby>",
            ),
            ("{{=<% %>=}}<%Back%>", "c", "c"),
            ("a {{ b", "a ", "a "),
        ] {
            assert_eq!(render(template, &values(&fields, None, 0)), question, "{template}");
            assert_eq!(render(template, &values(&fields, Some("q"), 0)), answer, "{template}");
        }
    }

    #[test]
    fn clozes_hide_what_is_asked() {
        let text =
            "{{c1::Paris::city}} is in {{c2::France}}, {{c1::Europe}}. {{c3::a {{c1::b}} c}}";
        assert_eq!(cloze_numbers(text), [1, 2, 3]);
        let fields = [("Text", text)];
        let side = |front, n| render("{{cloze:Text}}", &values(&fields, front, n));
        assert_eq!(side(None, 1), "[city] is in France, [...]. a [...] c");
        assert_eq!(side(Some("q"), 1), "Paris is in France, Europe. a b c");
        assert_eq!(side(None, 3), "Paris is in France, Europe. [...]");
        let only = render("{{cloze-only:Text}}", &values(&fields, Some("q"), 1));
        assert_eq!(only, "Paris, Europe, b");
        for damaged in ["{{c1::a", "{{c1", "}}", "{{cx::a}}"] {
            let fields = [("Text", damaged)];
            render("{{cloze:Text}}", &values(&fields, None, 1));
        }
    }

    #[test]
    fn sounds_are_no_readings() {
        assert_eq!(furigana("語[ご][sound:a.mp3]", Ruby::Base), "語[sound:a.mp3]");
    }
}
