//! Builds a pack: resolves forms, writes the database, signs it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::File,
    io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::Path,
};

use carrel_bundle::{DICTIONARY_FORMAT, DictionaryBundle, DictionaryFacts, MAX_DICTIONARY_BYTES};
use carrel_model::{BlobHash, Slug, text::fold_word};
use ed25519_dalek::SigningKey;
use rusqlite::Connection;

use crate::{
    Error, Result,
    pack::{APPLICATION_ID, MAX_SENSES_BYTES, MAX_WORDS, SCHEMA, SCHEMA_VERSION},
    source::{BadLine, MAX_FORMS, Source, SourceEntry},
    stem::stem,
};

/// Maximum number of pointers from a form to its headword that are followed.
const MAX_POINTERS: usize = 8;
/// Maximum number of words of a headword or form that counts for phrases.
const MAX_PHRASE_WORDS: usize = 8;

/// What the author states about a pack.
#[derive(Debug, Clone)]
pub struct Facts {
    pub id: Slug,
    pub name: String,
    /// BCP 47 tag of the words.
    pub lang: String,
    /// BCP 47 tag of the meanings without a language of their own.
    pub gloss_lang: String,
    pub license: String,
    pub source: String,
    /// UTC, ms since 1970.
    pub made_ms: i64,
    /// Keeps the good lines of a source with bad ones.
    pub skips_bad_lines: bool,
}

/// What a pack contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildReport {
    pub entries: u64,
    pub forms: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Lines that were left out.
    pub skipped: Vec<BadLine>,
}

/// Why no pack was built.
#[derive(Debug, thiserror::Error)]
pub enum BuildFault {
    /// Nothing was written.
    #[error("{} lines cannot be used", .0.len())]
    BadLines(Vec<BadLine>),
    #[error("the source has no entry")]
    Empty,
    #[error(transparent)]
    Pack(#[from] Error),
}

/// Builds a pack from a source, signs it, and writes it to the file `to`, which is replaced at the end.
///
/// # Errors
/// `BadLines`, unless `Facts::skips_bad_lines`: bad lines of the source, forms of missing words.
pub fn build(
    source: Source,
    facts: &Facts,
    key: &SigningKey,
    to: &Path,
) -> Result<BuildReport, BuildFault> {
    let mut skipped = source.bad;
    let entries = resolve(source.entries, &facts.gloss_lang, &mut skipped);
    skipped.sort_by_key(|bad| bad.line);
    if !skipped.is_empty() && !facts.skips_bad_lines {
        return Err(BuildFault::BadLines(skipped));
    }
    if entries.is_empty() {
        return Err(BuildFault::Empty);
    }
    let folder = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let io = |action| move |source| Error::Io { action, path: to.to_owned(), source };
    let work = tempfile::tempdir_in(folder).map_err(io("create a folder beside"))?;
    let database = work.path().join("pack.sqlite");
    let forms = write_database(&database, &entries, &facts.lang)?;
    let (bytes, hash) = measure(&database).map_err(io("read the database of"))?;
    if bytes > MAX_DICTIONARY_BYTES {
        return Err(Error::File(carrel_bundle::Fault::SizeTooLarge).into());
    }
    let langs: BTreeSet<&str> = entries
        .iter()
        .flat_map(|e| &e.entry.senses)
        .map(|sense| if sense.lang.is_empty() { facts.gloss_lang.as_str() } else { &sense.lang })
        .collect();
    let signed = DictionaryFacts {
        format: DICTIONARY_FORMAT.to_owned(),
        id: facts.id.clone(),
        name: facts.name.clone(),
        lang: facts.lang.clone(),
        gloss_langs: langs.into_iter().map(str::to_owned).collect(),
        license: facts.license.clone(),
        source: facts.source.clone(),
        entries: entries.len() as u64,
        made_ms: facts.made_ms,
        bytes,
        hash,
    };
    let bundle = DictionaryBundle::sign(&signed, key).map_err(Error::File)?;
    let header = bundle.prefix_and_header().map_err(Error::File)?;
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        let mut out = BufWriter::new(file.as_file_mut());
        out.write_all(&header)?;
        std::io::copy(&mut File::open(&database)?, &mut out)?;
        out.flush()?;
        drop(out);
        file.as_file().sync_all()?;
        file.persist(to).map_err(|e| e.error)?;
        Ok(())
    };
    write().map_err(io("write"))?;
    Ok(BuildReport { entries: entries.len() as u64, forms, bytes: bundle.len(), skipped })
}

/// Merges the lines of one word, and makes entries that only point to another word forms of that word.
fn resolve(all: Vec<SourceEntry>, gloss_lang: &str, bad: &mut Vec<BadLine>) -> Vec<SourceEntry> {
    let headwords: BTreeSet<String> = all
        .iter()
        .filter(|e| e.form_of.is_none() && !e.entry.senses.is_empty())
        .map(|e| e.entry.headword.clone())
        .collect();
    let mut pointers: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    let mut entries: Vec<SourceEntry> = Vec::new();
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    for mut line in all {
        let target = match line.form_of.take() {
            Some(target) => Some(target),
            None if gloss_lang.starts_with("en") => {
                pointed_word(&line).filter(|word| headwords.contains(*word)).map(str::to_owned)
            }
            None => None,
        };
        if let Some(target) = target {
            let forms = std::mem::take(&mut line.forms);
            for form in std::iter::once(line.entry.headword.clone()).chain(forms) {
                pointers.entry(form).or_default().push((line.line, target.clone()));
            }
            continue;
        }
        let place = (line.entry.headword.clone(), line.entry.part_of_speech.clone());
        match places.get(&place).map(|at| &mut entries[*at]) {
            Some(entry) => {
                for sense in line.entry.senses {
                    if !entry
                        .entry
                        .senses
                        .iter()
                        .any(|s| s.gloss == sense.gloss && s.lang == sense.lang)
                    {
                        entry.entry.senses.push(sense);
                    }
                }
                entry.forms.append(&mut line.forms);
                if entry.entry.ipa.is_empty() {
                    entry.entry.ipa = line.entry.ipa;
                }
                entry.entry.rank = [entry.entry.rank, line.entry.rank].into_iter().flatten().min();
            }
            None => {
                places.insert(place, entries.len());
                entries.push(line);
            }
        }
    }
    let mut by_headword: HashMap<String, Vec<usize>> = HashMap::new();
    for (n, entry) in entries.iter().enumerate() {
        by_headword.entry(entry.entry.headword.clone()).or_default().push(n);
    }
    for (form, targets) in &pointers {
        for (line, target) in targets {
            match end_of(target, &pointers, &by_headword) {
                Some(places) => places.iter().for_each(|n| entries[*n].forms.push(form.clone())),
                None => bad.push(BadLine {
                    line: *line,
                    reason: format!(
                        "{form:?} is a form of {target:?}, which has no entry with a meaning"
                    ),
                }),
            }
        }
    }
    for entry in &mut entries {
        let mut seen = BTreeSet::from([entry.entry.headword.clone()]);
        entry.forms.retain(|form| seen.insert(form.clone()));
        entry.forms.truncate(MAX_FORMS);
    }
    entries.retain(|entry| match senses_json(entry).len() > MAX_SENSES_BYTES {
        true => {
            let reason = format!(
                "{:?} has more than {MAX_SENSES_BYTES} bytes of meanings",
                entry.entry.headword
            );
            bad.push(BadLine { line: entry.line, reason });
            false
        }
        false => true,
    });
    entries
}

/// Follows the pointers from a word to entries with a meaning.
fn end_of<'e>(
    word: &str,
    pointers: &BTreeMap<String, Vec<(u64, String)>>,
    entries: &'e HashMap<String, Vec<usize>>,
) -> Option<&'e Vec<usize>> {
    let mut word = word;
    for _ in 0..MAX_POINTERS {
        if let Some(found) = entries.get(word) {
            return Some(found);
        }
        word = &pointers.get(word)?.first()?.1;
    }
    None
}

/// Returns the word of a gloss that only says "plural of WORD" or the like in English.
fn pointed_word(entry: &SourceEntry) -> Option<&str> {
    const TERMS: &[&str] = &[
        "the",
        "a",
        "an",
        "and",
        "or",
        "form",
        "plural",
        "singular",
        "past",
        "present",
        "tense",
        "participle",
        "simple",
        "first-person",
        "second-person",
        "third-person",
        "person",
        "comparative",
        "superlative",
        "feminine",
        "masculine",
        "neuter",
        "inflected",
        "inflection",
        "genitive",
        "dative",
        "accusative",
        "nominative",
        "gerund",
        "infinitive",
        "imperative",
        "indicative",
        "subjunctive",
        "alternative",
        "obsolete",
        "spelling",
        "contraction",
        "abbreviation",
        "diminutive",
    ];
    let [sense] = entry.entry.senses.as_slice() else { return None };
    let (terms, word) = sense.gloss.trim_end_matches('.').rsplit_once(" of ")?;
    let is_term = |term: &str| TERMS.contains(&term.to_lowercase().trim_matches(','));
    let is_pointer =
        terms.split_whitespace().all(is_term) && terms.split_whitespace().any(|t| t.len() > 3);
    let word = word.trim().trim_matches(['"', '\'']);
    (is_pointer && !word.contains(' ') && word != entry.entry.headword).then_some(word)
}

fn senses_json(entry: &SourceEntry) -> String {
    serde_json::to_string(&entry.entry.senses).unwrap_or_default()
}

/// Writes the database and returns the number of forms.
fn write_database(path: &Path, entries: &[SourceEntry], lang: &str) -> Result<u64> {
    let mut conn = Connection::open(path)?;
    conn.pragma_update(None, "journal_mode", "MEMORY")?;
    conn.pragma_update(None, "synchronous", "OFF")?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    let tx = conn.transaction()?;
    for (_, sql) in SCHEMA {
        tx.execute_batch(sql)?;
    }
    let mut forms = 0;
    let mut max_words = 1;
    for (id, entry) in (1_u32..).zip(entries) {
        let e = &entry.entry;
        tx.prepare_cached("INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute((
            id,
            &e.headword,
            &e.part_of_speech,
            &e.ipa,
            e.rank,
            senses_json(entry),
        ))?;
        let key = fold_word(&e.headword, lang);
        max_words = max_words.max(key.split(' ').count());
        tx.prepare_cached("INSERT OR IGNORE INTO headword VALUES (?1, ?2, ?3)")?.execute((
            &key,
            id,
            &e.headword,
        ))?;
        if let Some(stem) = stem(&key, lang) {
            tx.prepare_cached("INSERT OR IGNORE INTO stem VALUES (?1, ?2)")?.execute((stem, id))?;
        }
        for form in &entry.forms {
            let key = fold_word(form, lang);
            max_words = max_words.max(key.split(' ').count());
            forms += tx
                .prepare_cached("INSERT OR IGNORE INTO form VALUES (?1, ?2, ?3)")?
                .execute((&key, id, form))? as u64;
        }
    }
    tx.execute(
        "INSERT INTO meta VALUES (?1, ?2)",
        (MAX_WORDS, max_words.min(MAX_PHRASE_WORDS) as i64),
    )?;
    tx.commit()?;
    conn.execute_batch("VACUUM")?;
    conn.close().map_err(|(_, e)| e)?;
    Ok(forms)
}

/// Returns the size and the hash of a file.
fn measure(path: &Path) -> std::io::Result<(u64, BlobHash)> {
    let mut file = BufReader::new(File::open(path)?);
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => hasher.update(&buffer[..n]),
        };
    }
    let bytes = file.seek(SeekFrom::End(0))?;
    Ok((bytes, BlobHash(*hasher.finalize().as_bytes())))
}
