//! The command for recommended words: collects the words of what is on this device, with their levels.
//!
//! Not here: the choice and the order (`carrel_scheduling::recommend`).

use std::collections::BTreeMap;

use carrel_client::{
    Error, OpenAccount,
    content::{Kind, library::Filter},
    learning::{
        RecommendedWord as Candidate, Urgency, WordSummaries, course_level, learner_level,
        recommend,
    },
    lexicon::Lexicon as _,
    system::blocking,
};
use carrel_model::{
    CardKey, ItemId, Slug, content::VocabularyEntry, lattice::ItemKind, text::fold_word,
    wire::StorySummary,
};

use super::{
    Result,
    reading::{self, Vocabulary},
};
use crate::{
    api::{
        app::Empty,
        learning::{RecommendedWord, RecommendedWords, WordUrgency},
    },
    host::{Host, account},
};

/// Maximum number of stories and of courses whose words are read.
const MAX_SOURCES: usize = 100;
/// Maximum number of stories of the catalogue that count for the level.
const MAX_STORIES: u32 = 1_000;
/// Occurrences in a million words of the most frequent word, by which a rank becomes a frequency (Zipf's law).
const FIRST_PER_MILLION: f64 = 60_000.0;

/// A word with what its recommendation shows.
struct WordSource {
    item: ItemId,
    title: String,
    lang: String,
    entry: Option<VocabularyEntry>,
}

pub async fn list_recommended(host: &dyn Host, _: Empty) -> Result<RecommendedWords> {
    let account = account(host)?;
    let stories = stories(&account).await?;
    let level =
        learner_level(stories.iter().map(|(story, done)| (f64::from(story.meta.level), *done)));
    let summaries = account.learning.card_summaries().await?;
    let mut sources: BTreeMap<CardKey, (WordSource, f64)> = BTreeMap::new();
    collect_vocabularies(&account, &stories, &mut sources).await?;
    for word in account.learning.words().await? {
        let (item, title) = (word.item, String::new());
        let lang = word.card.language().to_owned();
        // A word of the learner's own has no level; it is at that of the learner.
        let own = WordSource { item, title, lang, entry: None };
        sources.entry(word.card).or_insert((own, level));
    }
    let candidates = candidates(&summaries, &sources, level);
    let day = summaries.day;
    let dictionaries = host.client().dictionaries().clone();
    let chosen = blocking(move || {
        let mut candidates = candidates;
        for (candidate, word, lang) in &mut candidates {
            for found in dictionaries.for_language(lang)? {
                let key = fold_word(word, lang);
                let Some(named) = found.pack.by_headword(&key)?.into_iter().next() else {
                    continue;
                };
                let rank = found.pack.entry(named.entry)?.and_then(|entry| entry.rank);
                if candidate.frequency == 0.0
                    && let Some(rank) = rank
                {
                    candidate.frequency = FIRST_PER_MILLION / f64::from(rank.max(1));
                }
            }
        }
        let all = candidates.into_iter().map(|(candidate, ..)| candidate);
        Ok::<_, Error>(recommend(all, level, day))
    });
    let library = account.content.library.without_waiting();
    let mut words = Vec::new();
    for chosen in chosen.await? {
        let Some((source, _)) = sources.get(&chosen.word.card) else { continue };
        let Ok(word) = reading::word(&account, &library, &source.item).await else { continue };
        words.push(RecommendedWord {
            word,
            title: source.title.clone(),
            level: chosen.word.level,
            mastery: chosen.word.mastery,
            urgency: match chosen.urgency {
                Urgency::Never => WordUrgency::Never,
                Urgency::Week => WordUrgency::Week,
                Urgency::ThreeDays => WordUrgency::ThreeDays,
                Urgency::Recent => WordUrgency::Recent,
            },
            days_since: chosen.word.last_day.map(|last| day.saturating_sub(last).max(0)),
        });
    }
    Ok(RecommendedWords { level, words })
}

/// Returns the stories of the catalogue with their completion, 0 to 1.
async fn stories(account: &OpenAccount) -> Result<Vec<(StorySummary, f64)>> {
    let library = account.content.library.without_waiting();
    let filter = Filter { limit: MAX_STORIES, ..Filter::default() };
    let Ok(listed) = library.stories(&filter).await else { return Ok(Vec::new()) };
    let mut stories = Vec::new();
    for story in listed.value.items {
        let item = ItemId::from(story.meta.id.clone());
        let progress = account.learning.progress(ItemKind::Story, &item).await?;
        let done = progress.map_or(0.0, |p| f64::from(p.row.percent) / 10_000.0);
        stories.push((story, done));
    }
    Ok(stories)
}

/// Adds the words of the stories and courses that are on this device. A word that several have keeps its lowest level.
async fn collect_vocabularies(
    account: &OpenAccount,
    stories: &[(StorySummary, f64)],
    sources: &mut BTreeMap<CardKey, (WordSource, f64)>,
) -> Result<()> {
    let library = account.content.library.without_waiting();
    let ready = |kind| async move {
        let states =
            account.content.blocking(move |content| content.downloads.states(kind)).await?;
        let ready = states.into_iter().filter(|(_, state)| state.ready_version.is_some());
        let mut ids: Vec<String> = ready.map(|(id, _)| id).collect();
        ids.sort_unstable();
        ids.truncate(MAX_SOURCES);
        Ok::<_, Error>(ids)
    };
    for id in ready(Kind::Story).await? {
        let Ok(item) = ItemId::new(id) else { continue };
        let Ok(story) = library.find_story(&item).await else { continue };
        let story = story.value;
        let listed = stories.iter().find(|(s, _)| s.meta.id == story.id);
        let level = listed.map_or(story.level, |(s, _)| s.meta.level);
        let vocabulary = Vocabulary::new(item.as_str(), story.lang, story.vocabulary);
        add(vocabulary, &story.title, f64::from(level), sources);
    }
    for id in ready(Kind::Course).await? {
        let Ok(slug) = Slug::new(id) else { continue };
        let Ok((meta, vocabulary)) = reading::course_words(&library, &slug).await else { continue };
        let level = course_level(meta.difficulty);
        add(vocabulary, &meta.title, level, sources);
    }
    Ok(())
}

fn add(
    vocabulary: Vocabulary,
    title: &str,
    level: f64,
    sources: &mut BTreeMap<CardKey, (WordSource, f64)>,
) {
    for (entry, (item, card)) in vocabulary.entries.into_iter().zip(vocabulary.cards) {
        let level = entry.level.map_or(level, f64::from);
        let (title, lang) = (title.to_owned(), vocabulary.lang.clone());
        let source = WordSource { item, title, lang, entry: Some(entry) };
        match sources.get(&card) {
            Some((_, known)) if *known <= level => {}
            _ => drop(sources.insert(card, (source, level))),
        }
    }
}

/// Returns the words that the learner has not marked as known or put aside, each with its text and language.
fn candidates(
    summaries: &WordSummaries,
    sources: &BTreeMap<CardKey, (WordSource, f64)>,
    learner: f64,
) -> Vec<(Candidate, String, String)> {
    let mut found = Vec::new();
    for (card, (source, level)) in sources {
        let summary = summaries.cards.get(card);
        if summary.is_some_and(|s| s.marks.known || s.marks.suspended) {
            continue;
        }
        let frequency = source.entry.as_ref().and_then(|e| e.frequency).map_or(0.0, f64::from);
        let candidate = Candidate {
            card: card.clone(),
            level: *level,
            frequency,
            mastery: summary.map_or(0.0, |s| s.mastery),
            last_day: summary.and_then(|s| s.last_day),
        };
        // The frequency of words that are too difficult is not needed.
        if candidate.level <= learner + 1.0 {
            let word = source.entry.as_ref().map_or(card.lemma(), |e| e.word.as_str());
            found.push((candidate, word.to_owned(), source.lang.clone()));
        }
    }
    found
}
