//! Commands for dictionary packs and for words of texts.
//!
//! Not here: the look-up (`carrel_dictionary`), the vocabulary of a course or story (`reading`).

use std::{collections::BTreeMap, path::Path, sync::Arc};

use carrel_client::{
    Change, Error, OpenAccount,
    bundle::DictionaryFacts,
    dictionary::{Dictionary, OfferedDictionary},
    learning::{CardMarks, OWN_WORDS, WordNote},
    lexicon::{
        Entry, Found, Hit, Lexicon, LookUp, Sense, WordList, byte_offset, look_up, look_up_phrase,
        utf16_offset,
    },
    system::blocking,
};
use carrel_model::{CardKey, Slug, content::VocabularyEntry, text::language};

use super::{
    Result,
    download::state_view,
    reading::{Vocabulary, note_entry, vocabularies},
};
use crate::{
    api::{
        app::Empty,
        dictionary::{
            AddWord, DictionaryList, DictionaryRef, DictionarySource, DictionaryView,
            DownloadDictionary, FoundBy, FoundEntry, FoundWord, ImportDictionary, LookUpWord,
            MarkWord, Meaning, OfferedDictionaries, OfferedDictionaryView, OfferedStatus,
            WordLookUp, WordMarks,
        },
        error::CommandError,
    },
    host::{Host, account},
};

/// Maximum length of a text in bytes.
const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Number of meanings of a dictionary that are kept with a saved word.
const KEPT_MEANINGS: usize = 3;

pub async fn look_up_word(host: &dyn Host, request: LookUpWord) -> Result<WordLookUp> {
    let account = account(host)?;
    if request.text.len() > MAX_TEXT_BYTES {
        let text = format!("the text has {} bytes; at most {MAX_TEXT_BYTES}", request.text.len());
        return Err(CommandError::invalid(text));
    }
    let vocabularies = match &request.item {
        Some(item) => vocabularies(&account, item, &request.lang).await,
        None => Vec::new(),
    };
    let dictionaries = host.client().dictionaries().clone();
    let LookUpWord { lang, text, at, .. } = request;
    let search = blocking(move || {
        let packs = dictionaries.for_language(&lang)?;
        let found = find(&vocabularies, &packs, &text, at, &lang)?;
        let word = found.map(|found| word_view(&found, &vocabularies, &packs, &text, &lang));
        Ok::<_, Error>((word, !packs.is_empty()))
    });
    let (mut word, has_dictionary) = search.await?;
    if let Some(word) = &mut word {
        add_marks(&account, &mut word.entries).await?;
    }
    Ok(WordLookUp { word, has_dictionary })
}

fn find(
    vocabularies: &[Vocabulary],
    packs: &[Arc<Dictionary>],
    text: &str,
    at: Option<u32>,
    lang: &str,
) -> carrel_client::Result<Option<LookUp>> {
    let lists: Vec<WordList> = vocabularies
        .iter()
        .map(|vocabulary| WordList::new(lang, vocabulary.entries.iter().map(list_entry).collect()))
        .collect();
    let lists = lists.iter().map(|list| list as &dyn Lexicon);
    let packs = packs.iter().map(|found| &found.pack as &dyn Lexicon);
    let lexicons: Vec<&dyn Lexicon> = lists.chain(packs).collect();
    Ok(match at {
        Some(at) => look_up(text, byte_offset(text, at as usize), lang, &lexicons)?,
        None => look_up_phrase(text, lang, &lexicons)?,
    })
}

fn list_entry(entry: &VocabularyEntry) -> Entry {
    Entry {
        headword: entry.word.clone(),
        part_of_speech: entry.part_of_speech.clone(),
        ipa: entry.pronunciation.clone(),
        rank: None,
        senses: vec![Sense { gloss: entry.meaning.clone(), ..Sense::default() }],
    }
}

fn word_view(
    found: &LookUp,
    vocabularies: &[Vocabulary],
    packs: &[Arc<Dictionary>],
    text: &str,
    lang: &str,
) -> FoundWord {
    let place = |at: usize| u32::try_from(utf16_offset(text, at)).unwrap_or(u32::MAX);
    let form = text[found.range.clone()].to_owned();
    let view = |hit: &Hit| match vocabularies.get(hit.lexicon) {
        Some(vocabulary) => vocabulary_entry(hit, vocabulary, text),
        None => {
            let pack = packs.get(hit.lexicon - vocabularies.len())?;
            pack_entry(hit, &pack.facts, text, lang)
        }
    };
    let mut entries: Vec<FoundEntry> = found.hits.iter().filter_map(view).collect();
    if entries.is_empty() {
        entries.extend(unknown_entry(&form, lang));
    }
    FoundWord {
        start: place(found.range.start),
        end: place(found.range.end),
        form,
        is_guess: found.is_guess,
        entries,
    }
}

fn found_by(found: Found) -> FoundBy {
    match found {
        Found::Exact => FoundBy::Exact,
        Found::Folded => FoundBy::Folded,
        Found::Form => FoundBy::Form,
        Found::Phrase => FoundBy::Phrase,
        Found::Guess => FoundBy::Guess,
    }
}

fn vocabulary_entry(hit: &Hit, vocabulary: &Vocabulary, text: &str) -> Option<FoundEntry> {
    let at = hit.id as usize;
    let (item, card) = vocabulary.cards.get(at)?.clone();
    Some(FoundEntry {
        found: found_by(hit.found),
        form: text[hit.range.clone()].to_owned(),
        item,
        card,
        lang: vocabulary.lang.clone(),
        entry: vocabulary.entries.get(at)?.clone(),
        meanings: Vec::new(),
        dictionary: None,
        saved: false,
        known: false,
        ignored: false,
    })
}

fn pack_entry(hit: &Hit, facts: &DictionaryFacts, text: &str, lang: &str) -> Option<FoundEntry> {
    let entry = &hit.entry;
    let card = CardKey::of_word(lang, None, &entry.headword);
    let default_lang = facts.gloss_langs.first().map_or("", String::as_str);
    let meanings: Vec<Meaning> = entry
        .senses
        .iter()
        .map(|sense| Meaning {
            text: sense.gloss.clone(),
            lang: if sense.lang.is_empty() { default_lang } else { &sense.lang }.to_owned(),
            examples: sense.examples.clone(),
        })
        .collect();
    // The kept meanings are in one language: that of the first.
    let meaning_lang = meanings.first().map(|m| m.lang.clone()).unwrap_or_default();
    let kept = meanings.iter().filter(|m| m.lang == meaning_lang).take(KEPT_MEANINGS);
    let note = WordNote {
        lang: lang.to_owned(),
        word: entry.headword.clone(),
        part_of_speech: entry.part_of_speech.clone(),
        pronunciation: entry.ipa.clone(),
        meaning: kept.map(|m| m.text.as_str()).collect::<Vec<_>>().join("; "),
        meaning_lang,
        sentence: meanings
            .iter()
            .flat_map(|m| m.examples.first())
            .next()
            .cloned()
            .unwrap_or_default(),
        ..WordNote::default()
    };
    let item = WordNote::own_item(&card).ok()?;
    Some(FoundEntry {
        found: found_by(hit.found),
        form: text[hit.range.clone()].to_owned(),
        entry: note_entry(&item, &note)?,
        item,
        card,
        lang: lang.to_owned(),
        meanings,
        dictionary: Some(DictionarySource {
            name: facts.name.clone(),
            license: facts.license.clone(),
        }),
        saved: false,
        known: false,
        ignored: false,
    })
}

/// Returns an entry without a meaning, which the learner can add nevertheless.
fn unknown_entry(form: &str, lang: &str) -> Option<FoundEntry> {
    let card = CardKey::of_word(lang, None, form);
    let item = WordNote::own_item(&card).ok()?;
    let note = WordNote { word: form.to_owned(), ..WordNote::default() };
    Some(FoundEntry {
        found: FoundBy::Nothing,
        form: form.to_owned(),
        entry: note_entry(&item, &note)?,
        item,
        card,
        lang: lang.to_owned(),
        meanings: Vec::new(),
        dictionary: None,
        saved: false,
        known: false,
        ignored: false,
    })
}

async fn add_marks(account: &OpenAccount, entries: &mut [FoundEntry]) -> Result<()> {
    let keys = entries.iter().map(|entry| entry.card.clone()).collect();
    let saved = account.learning.saved_among(keys).await?;
    let mut marks: BTreeMap<CardKey, CardMarks> = BTreeMap::new();
    for entry in entries {
        let of_card = match marks.get(&entry.card) {
            Some(marks) => *marks,
            None => account.learning.word_marks(&entry.card).await?,
        };
        marks.insert(entry.card.clone(), of_card);
        entry.saved = saved.contains(&entry.card);
        (entry.known, entry.ignored) = (of_card.known, of_card.suspended);
    }
    Ok(())
}

pub async fn add_word(host: &dyn Host, request: AddWord) -> Result<WordMarks> {
    let account = account(host)?;
    let is_own = request.item.root() == OWN_WORDS;
    let same_language =
        language::primary(request.card.language()) == language::primary(&request.lang);
    if !same_language && request.card.language() != "und" {
        return Err(CommandError::invalid(format!(
            "{} is no card of {}",
            request.card, request.lang
        )));
    }
    let card = request.card.clone();
    let note = WordNote {
        card: request.card.to_string(),
        lang: request.lang,
        word: request.word,
        form: request.form,
        part_of_speech: request.part_of_speech,
        pronunciation: request.pronunciation,
        // The vocabulary of a course has its own, in its newest version.
        meaning: if is_own { request.meaning } else { String::new() },
        meaning_lang: request.meaning_lang,
        sentence: request.sentence,
        source: request.source.map(|source| source.to_string()).unwrap_or_default(),
        dictionary: request.dictionary,
    };
    account.learning.keep_word((!is_own).then_some(request.item), note).await?;
    marks_view(&account, &card).await
}

pub async fn mark_word(host: &dyn Host, request: MarkWord) -> Result<WordMarks> {
    let account = account(host)?;
    let (known, ignored) = (request.known, request.ignored);
    let change = move |marks: &mut CardMarks| {
        marks.known = known.unwrap_or(marks.known);
        marks.suspended = ignored.unwrap_or(marks.suspended);
    };
    if request.known.is_some() || request.ignored.is_some() {
        account.learning.mark_word(&request.card, change).await?;
    }
    match request.saved {
        Some(false) => {
            let item = WordNote::own_item(&request.card).map_err(Error::from)?;
            account.learning.save_word(&item, Some(&request.card), false).await?;
        }
        Some(true) => {
            return Err(CommandError::invalid("a word is added with add_word"));
        }
        None => {}
    }
    marks_view(&account, &request.card).await
}

async fn marks_view(account: &OpenAccount, card: &CardKey) -> Result<WordMarks> {
    let marks = account.learning.word_marks(card).await?;
    let saved = account.learning.saved_among(vec![card.clone()]).await?.contains(card);
    Ok(WordMarks { saved, known: marks.known, ignored: marks.suspended })
}

pub async fn list_dictionaries(host: &dyn Host, _: Empty) -> Result<DictionaryList> {
    let dictionaries = host.client().dictionaries().clone();
    let all = blocking(move || dictionaries.all()).await?;
    Ok(DictionaryList { dictionaries: all.iter().map(|found| facts_view(&found.facts)).collect() })
}

pub async fn remove_dictionary(host: &dyn Host, request: DictionaryRef) -> Result<DictionaryList> {
    let dictionaries = host.client().dictionaries().clone();
    let id: Slug = request.id;
    let removed = blocking(move || dictionaries.remove(&id)).await?;
    if removed {
        host.client().changes().publish_one(Change::Storage);
    }
    list_dictionaries(host, Empty {}).await
}

pub async fn import_dictionary(
    host: &dyn Host,
    request: ImportDictionary,
) -> Result<DictionaryView> {
    let path = Path::new(&request.path);
    let facts = host.client().import_dictionary(path, request.accept.as_deref()).await?;
    Ok(facts_view(&facts))
}

pub async fn list_offered_dictionaries(host: &dyn Host, _: Empty) -> Result<OfferedDictionaries> {
    let offered = host.client().offered_dictionaries().await?;
    Ok(OfferedDictionaries { dictionaries: offered.iter().map(offered_view).collect() })
}

fn offered_view(offered: &OfferedDictionary) -> OfferedDictionaryView {
    let facts = &offered.facts;
    let status = match &offered.installed {
        None => OfferedStatus::New,
        Some(found) if found.hash == facts.hash || found.made_ms >= facts.made_ms => {
            OfferedStatus::Installed
        }
        Some(_) => OfferedStatus::Update,
    };
    OfferedDictionaryView {
        dictionary: facts_view(facts),
        status,
        download: offered.download.as_ref().map(|state| state_view(state, facts.bytes, None)),
    }
}

pub async fn download_dictionary(
    host: &dyn Host,
    request: DownloadDictionary,
) -> Result<OfferedDictionaries> {
    host.client().download_dictionary(&request.id, request.anyway.unwrap_or(false)).await?;
    list_offered_dictionaries(host, Empty {}).await
}

pub async fn stop_dictionary_download(
    host: &dyn Host,
    request: DictionaryRef,
) -> Result<OfferedDictionaries> {
    host.client().stop_dictionary_download(&request.id).await?;
    list_offered_dictionaries(host, Empty {}).await
}

pub(crate) fn facts_view(facts: &DictionaryFacts) -> DictionaryView {
    DictionaryView {
        id: facts.id.clone(),
        name: facts.name.clone(),
        lang: facts.lang.clone(),
        gloss_langs: facts.gloss_langs.clone(),
        license: facts.license.clone(),
        source: facts.source.clone(),
        entries: facts.entries,
        made_ms: facts.made_ms,
        bytes: facts.bytes,
    }
}
