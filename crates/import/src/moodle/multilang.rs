//! Texts in several languages: Moodle's filter `multilang` (`<span lang="fr" class="multilang">`) and the plugin
//! `multilang2` (`{mlang fr}...{mlang}`). Moodle shows the text in the language of the reader; a course has one language.

use std::collections::BTreeSet;

/// A part of a text: for all languages, or for those that are listed.
struct Part<'t> {
    text: &'t str,
    langs: Vec<String>,
}

/// Returns the text for a language, and the languages that were removed. A group of parts that has neither the language
/// nor its first subtag keeps its first part, as in Moodle.
pub(super) fn choose(text: &str, lang: &str) -> (String, BTreeSet<String>) {
    let mut removed = BTreeSet::new();
    let text = by_filter(text, lang, &mut removed, next_span, true);
    let text = by_filter(&text, lang, &mut removed, next_mlang, false);
    (text, removed)
}

/// The next part after a position: the start of its markup, the part, and the end of its markup.
type Next = fn(&str) -> Option<(usize, Part<'_>, usize)>;

/// `needs_two`: a part without another one beside it is for every language.
fn by_filter(
    text: &str,
    lang: &str,
    removed: &mut BTreeSet<String>,
    next: Next,
    needs_two: bool,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, first, end)) = next(rest) {
        out.push_str(&rest[..start]);
        let whole = &rest[start..end];
        rest = &rest[end..];
        let mut group = vec![first];
        // Parts with only white space between them are translations of each other.
        while let Some((start, part, end)) = next(rest)
            && rest[..start].trim().is_empty()
        {
            group.push(part);
            rest = &rest[end..];
        }
        if needs_two && group.len() == 1 {
            out.push_str(whole);
            continue;
        }
        let chosen = chosen(&group, lang);
        for (n, part) in group.iter().enumerate() {
            if n == chosen {
                out.push_str(part.text);
            } else {
                removed.extend(part.langs.iter().filter(|l| *l != "other").cloned());
            }
        }
    }
    out.push_str(rest);
    out
}

fn chosen(group: &[Part<'_>], lang: &str) -> usize {
    let base = lang.split('-').next().unwrap_or(lang);
    let with = |wanted: &str| group.iter().position(|part| part.langs.iter().any(|l| l == wanted));
    with(&lang.to_ascii_lowercase()).or_else(|| with(base)).or_else(|| with("other")).unwrap_or(0)
}

/// Returns a language tag as it is compared. Moodle writes `pt_br`.
fn tag(lang: &str) -> String {
    lang.trim().to_ascii_lowercase().replace('_', "-")
}

fn next_span(text: &str) -> Option<(usize, Part<'_>, usize)> {
    let mut from = 0;
    loop {
        let start = from + find_ignoring_case(&text[from..], "<span")?;
        let open_end = start + text[start..].find('>')? + 1;
        let attributes = &text[start + 5..open_end - 1];
        let lang = attribute(attributes, "lang");
        let is_multilang = attribute(attributes, "class")
            .is_some_and(|class| class.split_ascii_whitespace().any(|c| c == "multilang"));
        if let (Some(lang), true) = (lang, is_multilang) {
            let close = end_of_span(&text[open_end..])?;
            let part = Part { text: &text[open_end..open_end + close], langs: vec![tag(lang)] };
            let end = open_end + close + text[open_end + close..].find('>')? + 1;
            return Some((start, part, end));
        }
        from = open_end;
    }
}

/// Returns the position of the end tag that closes a span, after its start tag. Looks at each character once.
fn end_of_span(text: &str) -> Option<usize> {
    let starts = |at: usize, name: &str| {
        text.as_bytes()[at..]
            .get(..name.len())
            .is_some_and(|b| b.eq_ignore_ascii_case(name.as_bytes()))
    };
    let mut depth = 0_usize;
    for (at, _) in text.match_indices('<') {
        if starts(at, "</span") {
            match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return Some(at),
            }
        } else if starts(at, "<span") {
            depth += 1;
        }
    }
    None
}

fn find_ignoring_case(text: &str, name: &str) -> Option<usize> {
    text.as_bytes().windows(name.len()).position(|w| w.eq_ignore_ascii_case(name.as_bytes()))
}

/// Returns the value of an attribute in quotes.
fn attribute<'t>(attributes: &'t str, name: &str) -> Option<&'t str> {
    let mut rest = attributes;
    loop {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, next) = after[1..].split_once(quote)?;
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = next;
    }
}

fn next_mlang(text: &str) -> Option<(usize, Part<'_>, usize)> {
    let mut from = 0;
    loop {
        let start = from + find_ignoring_case(&text[from..], "{mlang ")?;
        let inside = start + 7;
        let open_end = inside + text[inside..].find('}')?;
        let langs: Vec<String> = text[inside..open_end].split(',').map(tag).collect();
        let body = open_end + 1;
        if langs.iter().all(|l| is_tag(l)) {
            let close = find_ignoring_case(&text[body..], "{mlang}")?;
            let part = Part { text: &text[body..body + close], langs };
            return Some((start, part, body + close + 7));
        }
        from = body;
    }
}

fn is_tag(lang: &str) -> bool {
    !lang.is_empty() && lang.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_the_language_of_the_course() {
        let spans = "A <span lang=\"en\" class=\"multilang\">river</span> \
             <span class='multilang' lang='fr'><b>une <span>rivière</span></b></span>\
             <SPAN CLASS=\"multilang\" LANG=\"pt_br\">rio</SPAN>!";
        let mlang = "{mlang en}Hello{mlang}{mlang fr, de}Salut{mlang}{mlang other}-{mlang}.";
        for (text, lang, expected, removed) in [
            (spans, "en", "A river!", "fr pt-br"),
            (spans, "fr-CA", "A <b>une <span>rivière</span></b>!", "en pt-br"),
            (spans, "pt-BR", "A rio!", "en fr"),
            (spans, "sw", "A river!", "fr pt-br"),
            (mlang, "en", "Hello.", "de fr"),
            (mlang, "de", "Salut.", "en"),
            (mlang, "sw", "-.", "de en fr"),
        ] {
            let (chosen, found) = choose(text, lang);
            let found: Vec<String> = found.into_iter().collect();
            assert_eq!((chosen.as_str(), found.join(" ").as_str()), (expected, removed), "{lang}");
        }
    }

    #[test]
    fn other_text_is_not_changed() {
        for text in [
            "",
            "<span lang=\"fr\">mot</span>",
            "<span lang=\"fr\" class=\"multilang\">seul</span>",
            "<span lang=\"fr\" class=\"multilang\">open",
            "<span lang=fr class=multilang>a</span><span lang=en class=multilang>b</span>",
            "<span",
            "{mlang",
            "{mlang en}open",
            "{mlang }x{mlang}",
            "{mlang 中}x{mlang}",
        ] {
            assert_eq!(choose(text, "en"), (text.to_owned(), BTreeSet::new()), "{text}");
        }
    }

    #[test]
    fn a_hostile_text_is_read_in_few_steps() {
        let span = "<span lang=\"fr\" class=\"multilang\">";
        for text in [
            format!("{}</span>", span.repeat(20_000)),
            format!("{}{}", span.repeat(20_000), "</span>".repeat(20_000)),
            format!("{}{{mlang}}", "{mlang !}".repeat(100_000)),
            "{mlang fr}".repeat(100_000),
            format!("{span}x</span>").repeat(20_000),
        ] {
            assert!(choose(&text, "en").0.len() <= text.len());
        }
    }
}
