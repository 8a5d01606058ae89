//! The gaps of Moodle's cloze texts: `{points:KIND:answers}`, with the answers separated by `~`.

use crate::gift::number;
use crate::html::plain;
use crate::question::{Answer, ClozeGap, GAP, NumericAnswer, Text, TextFormat};

/// Returns the text with [`GAP`] for each gap, and the gaps. What is no gap stays as it is.
pub(super) fn parse(text: &str) -> (String, Vec<ClozeGap>) {
    let (mut out, mut gaps) = (String::with_capacity(text.len()), Vec::new());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        match gap(&rest[at..]) {
            Some((gap, length)) => {
                gaps.push(gap);
                out.push(GAP);
                rest = &rest[at + length..];
            }
            None => {
                out.push('{');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    (out, gaps)
}

/// Reads a gap at the start of a text. Returns it with its length.
fn gap(text: &str) -> Option<(ClozeGap, usize)> {
    let (points, rest) = text[1..].split_once(':')?;
    let points = match points.trim() {
        "" => 1.0,
        points => points.parse::<u32>().ok().map(f64::from)?,
    };
    let (kind, rest) = rest.split_once(':')?;
    let end = end_of(rest)?;
    let length = text.len() - rest.len() + end + 1;
    let parts = split(&rest[..end], '~');
    let answers = || parts.iter().map(|part| answer(part)).collect::<Vec<_>>();
    let gap = match kind.trim() {
        "SHORTANSWER" | "SA" | "MW" => ClozeGap::Short { points, answers: answers(), case: false },
        "SHORTANSWER_C" | "SAC" | "MWC" => {
            ClozeGap::Short { points, answers: answers(), case: true }
        }
        "NUMERICAL" | "NM" => {
            let numbers = answers().into_iter().map(|answer| {
                let number = number(&answer.text.text)?;
                Some(NumericAnswer { weight: answer.weight, number, feedback: answer.feedback })
            });
            ClozeGap::Numerical { points, answers: numbers.collect::<Option<Vec<_>>>()? }
        }
        kind if kind.starts_with("MULTICHOICE")
            || is_one_of(kind, "MC", &["", "V", "H", "S", "VS", "HS"]) =>
        {
            ClozeGap::Choice { points, single: true, answers: answers() }
        }
        kind if kind.starts_with("MULTIRESPONSE")
            || is_one_of(kind, "MR", &["", "H", "S", "HS"]) =>
        {
            ClozeGap::Choice { points, single: false, answers: answers() }
        }
        _ => return None,
    };
    Some((gap, length))
}

fn is_one_of(kind: &str, name: &str, ends: &[&str]) -> bool {
    kind.strip_prefix(name).is_some_and(|end| ends.contains(&end))
}

/// Returns the position of the `}` that closes a gap.
fn end_of(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '}' if !is_escaped => return Some(at),
            '{' if !is_escaped => return None,
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    None
}

/// Splits at a separator that has no backslash before it.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut is_escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if c == separator && !is_escaped {
            parts.push(&text[start..at]);
            start = at + c.len_utf8();
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    parts.push(&text[start..]);
    parts
}

/// Reads `=right#feedback`, `%50%partly#feedback` or `wrong#feedback`.
fn answer(part: &str) -> Answer {
    let part = part.trim();
    let (weight, part) = if let Some(rest) = part.strip_prefix('=') {
        (100.0, rest)
    } else {
        let weighted = part.strip_prefix('%').and_then(|rest| {
            let (number, rest) = rest.split_once('%')?;
            Some((number.trim().parse::<f64>().ok()?, rest))
        });
        weighted.unwrap_or((0.0, part))
    };
    let mut parts = split(part, '#').into_iter();
    let text = parts.next().unwrap_or_default();
    let feedback: Vec<&str> = parts.collect();
    let plain = |text: &str| {
        let text = unescaped(text);
        let text = if crate::html::is_markup(&text) { plain::to_plain(&text) } else { text };
        Text::new(TextFormat::Plain, text.trim())
    };
    Answer { weight, text: plain(text), feedback: plain(&feedback.join("#")) }
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(next)
                if c == '\\'
                    && matches!(next, '}' | '{' | '~' | '#' | '=' | '%' | '/' | '"' | '\\') =>
            {
                out.extend(chars.next());
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::Number;

    #[test]
    fn gaps_have_points_kinds_and_answers() {
        let (text, gaps) = parse(
            "A {1:SHORTANSWER:=Berlin#yes~%50%Bonn#partly~*#no} b {:MC:=x~y} c {2:NM:=5:0.1} {x} {1:SAC:=a\\}b}.",
        );
        assert_eq!(text, format!("A {GAP} b {GAP} c {GAP} {{x}} {GAP}."));
        let ClozeGap::Short { points, answers, case: false } = &gaps[0] else { panic!("{gaps:?}") };
        let read: Vec<_> = answers
            .iter()
            .map(|a| (a.weight, a.text.text.as_str(), a.feedback.text.as_str()))
            .collect();
        assert_eq!(*points, 1.0);
        assert_eq!(read, [(100.0, "Berlin", "yes"), (50.0, "Bonn", "partly"), (0.0, "*", "no")]);
        assert!(
            matches!(&gaps[1], ClozeGap::Choice { single: true, answers, .. } if answers.len() == 2)
        );
        assert!(matches!(&gaps[2], ClozeGap::Numerical { points: 2.0, answers }
            if answers[0].number == Number::Value { value: 5.0, tolerance: 0.1 }));
        assert!(matches!(&gaps[3], ClozeGap::Short { case: true, answers, .. }
            if answers[0].text.text == "a}b"));
    }

    #[test]
    fn what_is_no_gap_stays_text() {
        for text in ["{", "{1:XX:=a}", "{1:SA", "{a:SA:=b}", "f(x) = {x : x > 0}", "{1:NM:=abc}"] {
            assert_eq!(parse(text), (text.to_owned(), vec![]), "{text}");
        }
    }
}
