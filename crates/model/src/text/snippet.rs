//! Excerpts of a text around what a query found in it.

use std::ops::{ControlFlow, Range};

use super::{
    query::{Phrase, SearchQuery},
    terms::{Chunk, Term, for_each_chunk},
};

/// Matches that are examined in a text; a long text that consists of matches would take too long.
const MAX_MATCHES: usize = 200;
/// Characters before the first match of an excerpt.
const LEAD_CHARS: usize = 40;

/// Part of a text, with the places of the matches in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Part of the original text, with an ellipsis at each end that is cut.
    pub text: String,
    /// Byte ranges in `text`, in order, not overlapping.
    pub matches: Vec<Range<usize>>,
}

impl Excerpt {
    /// Returns the text with `open` and `close` around each match.
    pub fn marked(&self, open: &str, close: &str) -> String {
        let mut out = String::with_capacity(self.text.len() + self.matches.len() * 8);
        let mut at = 0;
        for found in &self.matches {
            out.push_str(&self.text[at..found.start]);
            out.extend([open, &self.text[found.clone()], close]);
            at = found.end;
        }
        out + &self.text[at..]
    }
}

/// A match: the number of the query's word, and its place in the text.
struct Match {
    word: usize,
    place: Range<usize>,
}

/// Returns at most about `max_chars` characters of `text` where most words of the query are found close together. If
/// none is found, returns the beginning of the text.
pub fn excerpt(text: &str, query: &SearchQuery, max_chars: usize) -> Excerpt {
    let mut found: Vec<Match> = Vec::new();
    let _ = for_each_chunk(text, |chunk| {
        for (word, alternatives) in query.words.iter().enumerate() {
            for phrase in alternatives {
                let places = places(chunk, phrase);
                found.extend(places.into_iter().map(|place| Match { word, place }));
            }
        }
        if found.len() < MAX_MATCHES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    found.sort_by_key(|m| (m.place.start, m.place.end));
    let window = window(text, &found, max_chars);
    let mut matches: Vec<Range<usize>> = Vec::new();
    let lead = if window.start > 0 { "…" } else { "" };
    for m in &found {
        if m.place.start < window.start || m.place.end > window.end {
            continue;
        }
        let place =
            m.place.start - window.start + lead.len()..m.place.end - window.start + lead.len();
        match matches.last_mut() {
            Some(before) if place.start <= before.end => before.end = before.end.max(place.end),
            _ => matches.push(place),
        }
    }
    let tail = if window.end < text.len() { "…" } else { "" };
    Excerpt { text: format!("{lead}{}{tail}", &text[window]), matches }
}

/// Returns the places of a phrase in a chunk.
fn places(chunk: &Chunk, phrase: &Phrase) -> Vec<Range<usize>> {
    let terms: Vec<&Term> = chunk.terms.iter().chain(&chunk.last_single).collect();
    let is_found = |terms: &[&Term]| {
        let last = phrase.terms.len() - 1;
        terms.iter().zip(&phrase.terms).enumerate().all(|(n, (term, wanted))| {
            if n == last && phrase.is_prefix {
                term.text.starts_with(wanted.as_str())
            } else {
                term.text == *wanted
            }
        })
    };
    let mut places: Vec<Range<usize>> = terms
        .windows(phrase.terms.len())
        .filter(|window| is_found(window))
        .map(|window| window[0].place.start..window[window.len() - 1].place.end)
        .collect();
    // Of a pair that begins with the wanted character, only that character is a match.
    if let [single] = phrase.terms.as_slice()
        && phrase.is_prefix
        && single.chars().nth(1).is_none()
    {
        places.clear();
        for term in terms.iter().filter(|t| t.text.starts_with(single.as_str())) {
            let width = if term.is_single { None } else { first_cluster(chunk, term) };
            places.push(term.place.start..width.unwrap_or(term.place.end));
        }
    }
    let others =
        chunk.alternatives.iter().filter(|term| is_found(&[term]) && phrase.terms.len() == 1);
    places.extend(others.map(|term| term.place.clone()));
    places
}

/// Returns the end of the first character of a pair: the start of the pair or single character after it.
fn first_cluster(chunk: &Chunk, pair: &Term) -> Option<usize> {
    let mut terms = chunk.terms.iter().chain(&chunk.last_single);
    let next = terms.find(|t| t.place.start > pair.place.start)?;
    (next.place.start < pair.place.end).then_some(next.place.start)
}

/// Returns the part of the text to show.
fn window(text: &str, found: &[Match], max_chars: usize) -> Range<usize> {
    let forward = |from: usize, chars: usize| {
        text[from..].char_indices().nth(chars).map_or(text.len(), |(at, _)| from + at)
    };
    // The match after which most different words follow; of equal ones the first.
    let span = max_chars.saturating_sub(LEAD_CHARS);
    let mut best = (0, 0);
    for (n, m) in found.iter().enumerate() {
        let end = forward(m.place.start, span);
        let mut words: Vec<usize> =
            found[n..].iter().take_while(|m| m.place.end <= end).map(|m| m.word).collect();
        words.sort_unstable();
        words.dedup();
        if words.len() > best.0 {
            best = (words.len(), m.place.start);
        }
    }
    let mut start = 0;
    if best.0 > 0 {
        let lead = &text[..best.1];
        start = lead.char_indices().rev().nth(LEAD_CHARS - 1).map_or(0, |(at, _)| at);
        // Not in the middle of a word.
        if start > 0
            && let Some(space) = text[start..best.1].find(char::is_whitespace)
        {
            start += space + 1;
        }
        start = forward_to_boundary(text, start);
    }
    let mut end = forward(start, max_chars);
    if end < text.len()
        && let Some(space) = text[start..end].rfind(char::is_whitespace)
        && text[start + space..end].chars().count() <= 20
        && found.iter().all(|m| !(m.place.start < end && m.place.end > start + space))
    {
        end = start + space;
    }
    start..end
}

/// Returns the next position at which no combining mark follows.
fn forward_to_boundary(text: &str, from: usize) -> usize {
    let is_mark = unicode_normalization::char::is_combining_mark;
    text[from..].char_indices().find(|(_, c)| !is_mark(*c)).map_or(text.len(), |(at, _)| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(text: &str, q: &str) -> String {
        excerpt(text, &SearchQuery::parse(q).unwrap(), 60).marked("[", "]")
    }

    #[test]
    fn matches_are_marked_in_the_original_text() {
        let filler = "one two three four five six seven eight nine ten ";
        for (text, q, expected) in [
            ("Die Straße am Fluß.", "STRASSE", "Die [Straße] am Fluß."),
            ("Die Straße am Fluß.", "fluss stra", "Die [Straße] am [Fluß]."),
            ("An ox-bow lake", "oxbow", "An [ox-bow] lake"),
            ("An oxbow lake", "ox-bow", "An [oxbow] lake"),
            ("DNA是生命的密码。河流入海。", "密码", "DNA是生命的[密码]。河流入海。"),
            ("河流入海，河边", "河", "[河]流入海，[河]边"),
            ("大河", "河", "大[河]"),
            ("دَرْسًا فِي المَدْرَسَةِ", "مدرسة", "دَرْسًا فِي [المَدْرَسَةِ]"),
            ("ปลาว่ายในแม่น้ำโขง", "แม่น้ำ", "ปลาว่ายใน[แม่น้ำ]โขง"),
            ("rivers", "riv", "[rivers]"),
            ("nothing here", "river", "nothing here"),
        ] {
            assert_eq!(marked(text, q), expected, "{q}");
        }
        let long = format!("{filler}{filler}a river {filler}and a valley by a river {filler}");
        let text = marked(&long, "river valley");
        assert!(text.starts_with('…') && text.ends_with('…'), "{text}");
        assert!(text.contains("a [valley] by a [river]"), "{text}");
        assert!(text.chars().count() < 70, "{text}");
        let start = marked(&long, "nowhere");
        assert!(start.starts_with("one two") && start.ends_with('…'), "{start}");
    }

    #[test]
    fn any_text_and_query_give_an_excerpt() {
        let texts = [
            "",
            "河",
            "é\u{301}\u{301}",
            "a\u{200B}b",
            "\u{301}",
            "لَ",
            "กำกำกำ",
            "x".repeat(500).as_str(),
            &"河".repeat(300),
        ]
        .map(str::to_owned);
        for text in &texts {
            for q in ["河", "x", "กำ", "\u{301}a", "ل", "xx", "河河河"] {
                let Some(query) = SearchQuery::parse(q) else { continue };
                for chars in [0, 1, 40, 60] {
                    let found = excerpt(text, &query, chars);
                    let plain = found.marked("", "");
                    assert_eq!(plain, found.text);
                }
            }
        }
    }
}
