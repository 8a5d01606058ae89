//! WordNet's database files (wndb(5WN), Debian package `wordnet-base`): `index.*`, `data.*`, `*.exc` and, if present,
//! `cntlist.rev`. The regular forms of English words are added, because WordNet lists only the irregular ones.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

use super::{BadLine, Source, SourceEntry, word_problem};
use crate::{Entry, Error, Result, Sense};

/// Maximum number of meanings that are kept of one word.
const MAX_SENSES: usize = 12;

/// A part of speech: the extension of its files, its name, and its numbers in sense keys.
const PARTS: [(&str, &str, &[u8]); 4] = [
    ("noun", "noun", &[1]),
    ("verb", "verb", &[2]),
    ("adj", "adjective", &[3, 5]),
    ("adv", "adverb", &[4]),
];

/// Reads the database files in a folder.
///
/// # Errors
/// A file is missing or cannot be read. Lines that cannot be parsed are in `Source::bad`, with the file in the reason.
pub fn read_wordnet(folder: &Path) -> Result<Source> {
    let mut source = Source::default();
    let counts = fs::read_to_string(folder.join("cntlist.rev")).unwrap_or_default();
    let counts = tag_counts(&counts);
    for (extension, name, numbers) in PARTS {
        let read = |file: String| -> Result<String> {
            let path = folder.join(file);
            fs::read_to_string(&path).map_err(|e| Error::Io { action: "read", path, source: e })
        };
        let data = read(format!("data.{extension}"))?;
        let index = read(format!("index.{extension}"))?;
        let irregular = irregular_forms(&read(format!("{extension}.exc"))?);
        for (line, text) in (1..).zip(index.lines()) {
            if text.starts_with("  ") {
                continue;
            }
            match entry(text, name, &data) {
                Ok((lemma, mut entry)) => {
                    let total: u32 =
                        numbers.iter().filter_map(|n| counts.get(&(lemma.clone(), *n))).sum();
                    // Ranks are computed from the counts below.
                    entry.rank = (total > 0).then_some(total);
                    let mut forms = irregular.get(&lemma).cloned().unwrap_or_default();
                    if forms.is_empty() || extension != "adj" {
                        forms.extend(regular_forms(&entry.headword, extension, !forms.is_empty()));
                    }
                    source.entries.push(SourceEntry { line, entry, forms, form_of: None });
                }
                Err(reason) => {
                    source
                        .bad
                        .push(BadLine { line, reason: format!("index.{extension}: {reason}") });
                }
            }
        }
    }
    rank(&mut source.entries);
    Ok(source)
}

/// Replaces the counts in `rank` by ranks: 1 for the greatest count; equal counts have one rank.
fn rank(entries: &mut [SourceEntry]) {
    let mut counts: Vec<u32> = entries.iter().filter_map(|e| e.entry.rank).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    for entry in entries {
        entry.entry.rank = entry.entry.rank.map(|count| {
            u32::try_from(counts.partition_point(|c| *c > count) + 1).unwrap_or(u32::MAX)
        });
    }
}

/// Returns how often each word occurs in the tagged texts, by lemma and number of the part of speech.
fn tag_counts(text: &str) -> HashMap<(String, u8), u32> {
    let mut counts = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(' ');
        let (Some(key), _, Some(count)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let Some((lemma, rest)) = key.split_once('%') else { continue };
        let number = rest.bytes().next().map_or(0, |digit| digit.wrapping_sub(b'0'));
        *counts.entry((lemma.to_owned(), number)).or_insert(0) += count.parse().unwrap_or(0);
    }
    counts
}

/// Returns the irregular forms of each lemma.
fn irregular_forms(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut forms: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split_whitespace();
        let Some(form) = fields.next() else { continue };
        for lemma in fields {
            forms.entry(lemma.to_owned()).or_default().push(form.replace('_', " "));
        }
    }
    forms
}

/// Parses a line of the index: `lemma pos synset_cnt p_cnt [ptr_symbol...] sense_cnt tagsense_cnt offset [offset...]`.
fn entry(line: &str, part: &str, data: &str) -> Result<(String, Entry), String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let number = |at: usize| -> Result<usize, String> {
        let field = fields.get(at).ok_or("the line is too short")?;
        field.parse().map_err(|_| format!("{field:?} is not a number"))
    };
    let lemma = fields.first().copied().unwrap_or_default();
    let offsets_at = number(3)?.checked_add(6).ok_or("the line is too short")?;
    let count = number(2)?;
    let mut entry = Entry {
        part_of_speech: part.to_owned(),
        headword: lemma.replace('_', " "),
        ..Entry::default()
    };
    if let Some(problem) = word_problem(&entry.headword) {
        return Err(format!("the headword {problem}"));
    }
    let offsets = fields.get(offsets_at..).unwrap_or_default();
    for offset in offsets.iter().take(count.min(MAX_SENSES)) {
        let at: usize = offset.parse().map_err(|_| format!("{offset:?} is not a number"))?;
        let synset = data.get(at..).and_then(|rest| rest.lines().next());
        let synset = synset.ok_or_else(|| format!("no data at {offset}"))?;
        let (words, gloss) =
            synset.split_once(" | ").ok_or_else(|| format!("no gloss at {offset}"))?;
        if let Some(written) = as_written(words, lemma) {
            entry.headword = written;
        }
        entry.senses.push(sense(gloss.trim()));
    }
    match entry.senses.is_empty() {
        true => Err("no meaning".to_owned()),
        false => Ok((lemma.to_owned(), entry)),
    }
}

/// Returns the word with its capitals, from the words of a synset: `offset lex_filenum ss_type w_cnt word lex_id ...`.
fn as_written(synset: &str, lemma: &str) -> Option<String> {
    let mut fields = synset.split(' ').skip(3);
    let count = usize::from_str_radix(fields.next()?, 16).ok()?;
    // An adjective may be followed by its place: "galore(ip)".
    let plain = |word: &'_ str| word.split('(').next().unwrap_or_default().to_owned();
    let words = fields.step_by(2).take(count).map(plain);
    words.into_iter().find(|word| word.to_lowercase() == lemma).map(|word| word.replace('_', " "))
}

/// Splits a gloss into the definition and the examples, which are in quotes.
fn sense(gloss: &str) -> Sense {
    let (definition, examples) = gloss.split_once("; \"").unwrap_or((gloss, ""));
    let examples = examples.split("; \"").map(|e| e.trim().trim_matches('"').to_owned());
    Sense {
        gloss: definition.trim().to_owned(),
        lang: String::new(),
        examples: examples.filter(|e| !e.is_empty()).take(3).collect(),
    }
}

/// Returns the regular forms of an English word. `is_irregular`: only those that irregular words have too.
fn regular_forms(word: &str, part: &str, is_irregular: bool) -> Vec<String> {
    let is_plain = word.len() > 1 && word.bytes().all(|b| b.is_ascii_lowercase());
    if !is_plain {
        return Vec::new();
    }
    let bytes = word.as_bytes();
    let is_vowel = |b: u8| matches!(b, b'a' | b'e' | b'i' | b'o' | b'u');
    let [.., before, last] = *bytes else { return Vec::new() };
    let ends_in_y = last == b'y' && !is_vowel(before);
    let stem = &word[..word.len() - 1];
    let with_s = || {
        if ends_in_y {
            format!("{stem}ies")
        } else if ["s", "x", "z", "ch", "sh"].iter().any(|end| word.ends_with(end)) {
            format!("{word}es")
        } else {
            format!("{word}s")
        }
    };
    // "stop": "stopped". Longer words double the letter only if it is stressed, which is not known here.
    let vowels = bytes.iter().filter(|b| is_vowel(**b)).count();
    let doubles = bytes.len() > 2
        && vowels == 1
        && is_vowel(before)
        && !is_vowel(last)
        && !matches!(last, b'w' | b'x' | b'y');
    let base = match (last, doubles) {
        (b'e', _) => stem.to_owned(),
        (_, true) => format!("{word}{}", char::from(last)),
        _ => word.to_owned(),
    };
    let with_e = |ending: &str| {
        if ends_in_y { format!("{stem}i{ending}") } else { format!("{base}{ending}") }
    };
    // "potatoes" and "pianos": both, because the rule does not tell which.
    let with_es = (last == b'o' && !is_vowel(before)).then(|| format!("{word}es"));
    match part {
        "noun" if is_irregular => Vec::new(),
        "noun" => std::iter::once(with_s()).chain(with_es).collect(),
        "verb" => {
            let ing = match (before, last) {
                (b'i', b'e') => format!("{}ying", &word[..word.len() - 2]),
                (b'e' | b'o' | b'y', b'e') => format!("{word}ing"),
                _ => format!("{base}ing"),
            };
            let mut forms = vec![with_s(), ing];
            forms.extend(with_es);
            if !is_irregular {
                forms.push(with_e("ed"));
            }
            forms
        }
        "adj" if vowels <= 2 && word.len() < 8 => vec![with_e("er"), with_e("est")],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_forms_are_those_of_english() {
        for (word, part, is_irregular, forms) in [
            ("river", "noun", false, "rivers"),
            ("potato", "noun", false, "potatos potatoes"),
            ("go", "verb", true, "gos going goes"),
            ("city", "noun", false, "cities"),
            ("day", "noun", false, "days"),
            ("box", "noun", false, "boxes"),
            ("goose", "noun", true, ""),
            ("New York", "noun", false, ""),
            ("walk", "verb", false, "walks walking walked"),
            ("stop", "verb", false, "stops stopping stopped"),
            ("carry", "verb", false, "carries carrying carried"),
            ("make", "verb", true, "makes making"),
            ("lie", "verb", false, "lies lying lied"),
            ("see", "verb", true, "sees seeing"),
            ("open", "verb", false, "opens opening opened"),
            ("big", "adj", false, "bigger biggest"),
            ("happy", "adj", false, "happier happiest"),
            ("wonderful", "adj", false, ""),
            ("fast", "adv", false, ""),
        ] {
            assert_eq!(regular_forms(word, part, is_irregular).join(" "), forms, "{word}");
        }
    }

    #[test]
    fn a_gloss_is_split_into_definition_and_examples() {
        let read = sense("a large stream; of water; \"the river was navigable\"; \"it flows\"");
        assert_eq!(read.gloss, "a large stream; of water");
        assert_eq!(read.examples, ["the river was navigable", "it flows"]);
        assert_eq!(sense("plain").examples, Vec::<String>::new());
    }
}
