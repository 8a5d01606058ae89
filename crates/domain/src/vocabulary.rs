//! A learner's words: figures, latest answers, and the words to take up next.
//!
//! Not here: the state of a card and the order of recommendations (`carrel-scheduling`), which the app calls too.

use std::{collections::BTreeMap, io};

use carrel_model::{
    BlobHash, CardKey, EventId, ItemId, Slug, UserId,
    lattice::{CARD, DecisionStatus, ItemKind, PARAMS, Progress, REVIEW, date_of_day},
    wire::{CourseReply, StoryReply},
};
use carrel_overview::{SUMMARY_DAYS, Today};
use carrel_scheduling::{
    CardRow, RecommendedWord, ReviewDay, ReviewSettings, WordCounts, WordRows, course_level,
    learner_level, rank,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    DomainError, DomainResult,
    blobs::{BlobStore, BlobsUnavailable},
    store::{Kind, Store, StoreError},
};

/// A learner with more reviews, or more registers of words, gets no figures: those of a part would be wrong.
pub const MAX_WORD_ROWS: u32 = 200_000;
/// Maximum number of stories that count for the level of a learner.
const MAX_STORIES: u32 = 1_000;
/// Maximum number of courses, and of stories, whose words are read.
const MAX_SOURCES: u32 = 50;
/// Maximum size of the vocabularies and stories that are read for one reply; the rest is left out.
const MAX_SOURCE_BYTES: u64 = 32 * 1024 * 1024;
/// Maximum number of words that are read from vocabularies.
const MAX_NEW_WORDS: usize = 20_000;
/// Number of answers in `VocabularyProgress::latest`.
const LATEST: usize = 20;

/// Figures of some words on the learner's list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WordTotals {
    words: u32,
    /// Never answered, and not marked as known.
    new: u32,
    /// Answered, and not known yet.
    learning: u32,
    /// With a mastery of 0.8 or more, or marked as known.
    known: u32,
    /// To be reviewed today, without the daily limits.
    due: u32,
    /// Mean mastery, 0 to 1.
    mastery: f64,
    /// Number of words by level: without an answer, then with a mastery below 0.2, 0.4, 0.6, 0.8 and from 0.8.
    levels: Vec<u32>,
}

impl From<&WordCounts> for WordTotals {
    fn from(counts: &WordCounts) -> Self {
        let WordCounts { words, new, learning, known, due, classes, .. } = counts;
        Self {
            words: *words,
            new: *new,
            learning: *learning,
            known: *known,
            due: *due,
            mastery: counts.mean(),
            levels: classes.to_vec(),
        }
    }
}

/// Figures of the words of one language.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LanguageTotals {
    /// Code of the language, such as `en`; `item` for words whose entry is not known.
    language: String,
    #[serde(flatten)]
    totals: WordTotals,
}

/// An answer to a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WordAnswer {
    id: EventId,
    card: CardKey,
    /// The word that was shown: `course/word` or `story/word`.
    item: ItemId,
    /// 1 again, 2 hard, 3 good, 4 easy.
    rating: u8,
    at_ms: i64,
    /// The study day, such as `2026-11-20`.
    day: String,
}

/// How well a learner knows the words on the list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VocabularyProgress {
    /// The server's time at which the figures were computed (UTC, ms since 1970).
    as_of_ms: i64,
    /// The learner's study day, such as `2026-11-20`.
    day: String,
    /// Offset of the learner's time zone from UTC, in minutes.
    off_min: i16,
    #[serde(flatten)]
    totals: WordTotals,
    /// Number of words that were answered for the first time in the last 30 days.
    learned: u32,
    languages: Vec<LanguageTotals>,
    /// The last 20 answers, the newest first.
    latest: Vec<WordAnswer>,
}

/// Why a word is recommended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecommendationReason {
    /// It is to be reviewed today.
    Due,
    /// It was never answered.
    New,
}

/// A word to take up next.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WordRecommendation {
    card: CardKey,
    item: ItemId,
    /// The word; as it is folded in the key of the card if its entry is not known.
    word: String,
    /// Code of the language.
    language: String,
    /// Absent if the entry is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<String>,
    reason: RecommendationReason,
    /// The study day on which it is due, such as `2026-11-20`; absent for a new word.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_day: Option<String>,
    /// Difficulty, 1 to 5; absent if it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<f64>,
    /// Occurrences in a million words; absent if not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency: Option<u32>,
    /// 0 to 1.
    mastery: f64,
}

/// The words to take up next, and from what they were chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct RecommendedWords {
    /// Level of the learner, 1 to 5.
    pub level: f64,
    /// Those to review first, then new ones.
    pub words: Vec<WordRecommendation>,
}

/// A learner's rows about words, on a study day.
#[derive(Debug)]
pub struct LearnerWords {
    rows: WordRows,
    /// The study day.
    pub today: Today,
    as_of_ms: i64,
}

impl LearnerWords {
    /// Returns the figures and the latest answers. Takes time that grows with the number of reviews.
    pub fn progress(&self) -> VocabularyProgress {
        let day = ReviewDay::of_rows(&self.rows, [], self.today.day);
        let figures = day.figures(SUMMARY_DAYS);
        let latest = self.rows.latest(LATEST).into_iter().map(|review| WordAnswer {
            id: review.id,
            card: day.cards.of(review),
            item: review.word.clone(),
            rating: review.rating,
            at_ms: review.at_ms,
            day: date_of_day(review.study_day()).to_string(),
        });
        let languages = figures.languages.iter().map(|(language, counts)| LanguageTotals {
            language: language.clone(),
            totals: counts.into(),
        });
        VocabularyProgress {
            as_of_ms: self.as_of_ms,
            day: date_of_day(self.today.day).to_string(),
            off_min: self.today.off_min,
            totals: (&figures.all).into(),
            learned: figures.learned,
            languages: languages.collect(),
            latest: latest.collect(),
        }
    }

    /// Returns the words to take up next. Takes time that grows with the number of reviews and of words.
    pub fn recommendations(&self, vocabularies: Vec<Vocabulary>, level: f64) -> RecommendedWords {
        let links = vocabularies.iter().flat_map(|vocabulary| {
            let entries = vocabulary.entries.iter();
            entries.map(|entry| (entry.item.clone(), entry.card.clone()))
        });
        let day = ReviewDay::of_rows(&self.rows, links, self.today.day);
        let mut entries: BTreeMap<CardKey, WordEntry> = BTreeMap::new();
        for entry in vocabularies.into_iter().flat_map(|vocabulary| vocabulary.entries) {
            // A word that several sources have keeps its lowest level.
            match entries.get(&entry.card) {
                Some(known) if known.level <= entry.level => {}
                _ => drop(entries.insert(entry.card.clone(), entry)),
            }
        }
        let mut words: Vec<WordRecommendation> = Vec::new();
        for candidate in day.queue_without_limit(0).cards {
            let Some((row, due)) = day.find(&candidate.card) else { continue };
            words.push(WordRecommendation {
                due_day: due.map(|due| date_of_day(due.day).to_string()),
                mastery: day.mastery_of(row),
                ..described(
                    &row.card,
                    row.item.clone(),
                    RecommendationReason::Due,
                    entries.get(&row.card),
                )
            });
        }
        let candidates = new_words(&day, &entries, level);
        for found in rank(candidates, level, self.today.day) {
            let card = &found.word.card;
            let entry = entries.get(card);
            let own = || day.find(card).map(|(row, _)| row.item.clone());
            let Some(item) = entry.map(|entry| entry.item.clone()).or_else(own) else { continue };
            words.push(described(card, item, RecommendationReason::New, entry));
        }
        RecommendedWords { level, words }
    }
}

/// Returns the words that were never answered: those of the vocabularies and those on the list, without what the
/// learner put aside. A word on the list without entry is at the level of the learner.
fn new_words(
    day: &ReviewDay,
    entries: &BTreeMap<CardKey, WordEntry>,
    level: f64,
) -> Vec<RecommendedWord> {
    let is_new = |card: &CardKey| {
        let is_answered = day.find(card).is_some_and(|(row, _)| row.state.is_some());
        !is_answered && !day.marks_of(card).is_hidden(day.today)
    };
    let of_entry = |(card, entry): (&CardKey, &WordEntry)| RecommendedWord {
        card: card.clone(),
        level: entry.level,
        frequency: entry.frequency.map_or(0.0, f64::from),
        mastery: 0.0,
        last_day: None,
    };
    let mut found: Vec<RecommendedWord> =
        entries.iter().filter(|(card, _)| is_new(card)).map(of_entry).collect();
    let is_own = |row: &&CardRow| row.added_ms.is_some() && !entries.contains_key(&row.card);
    for row in day.rows.iter().filter(is_own).filter(|row| is_new(&row.card)) {
        let card = row.card.clone();
        found.push(RecommendedWord { card, level, frequency: 0.0, mastery: 0.0, last_day: None });
    }
    found
}

fn described(
    card: &CardKey,
    item: ItemId,
    reason: RecommendationReason,
    entry: Option<&WordEntry>,
) -> WordRecommendation {
    WordRecommendation {
        word: entry.map_or_else(|| card.lemma().to_owned(), |entry| entry.word.clone()),
        language: card.language().to_owned(),
        meaning: entry.map(|entry| entry.meaning.clone()),
        level: entry.map(|entry| entry.level),
        frequency: entry.and_then(|entry| entry.frequency),
        card: card.clone(),
        item,
        reason,
        due_day: None,
        mastery: 0.0,
    }
}

/// A course or story whose words a learner may take up.
#[derive(Debug, Clone)]
pub struct WordSource {
    /// The course or story.
    root: Slug,
    kind: Kind,
    lang: String,
    /// Level of the words that have none of their own.
    level: f64,
    /// The blob with the words.
    hash: BlobHash,
}

/// The courses and stories of a learner, and the level that follows from the stories.
#[derive(Debug, Clone)]
pub struct WordSources {
    pub sources: Vec<WordSource>,
    pub level: f64,
}

/// The words of a course or story.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    entries: Vec<WordEntry>,
}

#[derive(Debug, Clone)]
struct WordEntry {
    item: ItemId,
    card: CardKey,
    word: String,
    meaning: String,
    level: f64,
    frequency: Option<u32>,
}

/// The part of a `VocabularyEntry` that recommendations need.
#[derive(Debug, Deserialize)]
struct StoredEntry {
    id: Slug,
    word: String,
    #[serde(default)]
    meaning: String,
    #[serde(default)]
    level: Option<u8>,
    #[serde(default)]
    frequency: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct StoredStory {
    vocabulary: Vec<StoredEntry>,
}

/// Reads the words of the sources. Blocks. A vocabulary that is missing or unreadable, or does not fit, is left
/// out.
///
/// # Errors
/// If the store is not available.
pub fn read_vocabularies(
    blobs: &dyn BlobStore,
    sources: &[WordSource],
) -> io::Result<Vec<Vocabulary>> {
    let (mut left, mut left_bytes) = (MAX_NEW_WORDS, MAX_SOURCE_BYTES);
    let mut found = Vec::new();
    for source in sources {
        let size = blobs.size(source.hash)?;
        let Some(rest) = size.and_then(|size| left_bytes.checked_sub(size)) else {
            continue;
        };
        left_bytes = rest;
        let stored = match blobs.read(source.hash) {
            Err(e) if BlobsUnavailable::of(&e).is_some() => return Err(e),
            stored => stored.map_err(|e| e.to_string()),
        };
        let stored = stored.and_then(|bytes| {
            let stored = match source.kind {
                Kind::Course => serde_json::from_slice(&bytes),
                Kind::Story => serde_json::from_slice(&bytes).map(|s: StoredStory| s.vocabulary),
            };
            stored.map_err(|e| e.to_string())
        });
        let mut stored: Vec<StoredEntry> = match stored {
            Ok(stored) => stored,
            Err(error) => {
                tracing::error!(blob = %source.hash, error, "failed to read a vocabulary");
                continue;
            }
        };
        // The keys depend on the earlier words of the vocabulary only.
        stored.truncate(left);
        left -= stored.len();
        let words = stored.iter().map(|entry| (&entry.id, entry.word.as_str()));
        let cards = CardKey::of_vocabulary(&source.lang, words);
        let entries = stored.into_iter().zip(cards).filter_map(|(entry, card)| {
            Some(WordEntry {
                item: ItemId::new(format!("{}/{}", source.root, entry.id)).ok()?,
                card,
                word: entry.word,
                meaning: entry.meaning,
                level: entry.level.map_or(source.level, f64::from),
                frequency: entry.frequency,
            })
        });
        found.push(Vocabulary { entries: entries.collect() });
    }
    Ok(found)
}

impl Store {
    /// Returns a learner's rows about words. `off_min`: the learner's time zone; `None`: that of the last answer, or UTC.
    ///
    /// # Errors
    /// `TooManyRows` if the learner has more than `max` reviews or registers.
    pub async fn learner_words(
        &self,
        user: UserId,
        off_min: Option<i16>,
        now_ms: i64,
        max: u32,
    ) -> DomainResult<LearnerWords> {
        let rows = self.read("learner_words", move |tx| {
            tx.usn(user)?.ok_or(DomainError::NoAccount(user))?;
            let limit = max.saturating_add(1);
            let reviews = tx.reviews(user, limit)?;
            let registers = tx.registers(user, &[CARD, PARAMS, REVIEW], limit)?;
            let voids = tx.review_voids(user, limit)?;
            let most = reviews.len().max(registers.len()).max(voids.len());
            if most > max as usize {
                return Err(DomainError::TooManyRows(max));
            }
            Ok(WordRows { reviews, voids: voids.into_iter().collect(), registers })
        });
        let rows = rows.await?;
        let day_start_min = ReviewSettings::of_registers(&rows.registers).day_start_minutes;
        let last = rows.reviews.iter().max_by_key(|review| (review.at_ms, review.id));
        let off_min = off_min.or_else(|| last?.off_min).unwrap_or(0);
        Ok(LearnerWords {
            today: Today::at(now_ms, off_min, day_start_min),
            rows,
            as_of_ms: now_ms,
        })
    }

    /// Returns the courses in which a learner is enrolled and the stories that the learner has started, at most 50 of
    /// each, the last studied ones.
    pub async fn word_sources(&self, user: UserId) -> DomainResult<WordSources> {
        let read = self.read("word_sources", move |tx| {
            let courses = tx.enrolled_courses(user, None, 0, MAX_SOURCES)?.items;
            let mut sources = Vec::new();
            for course in courses {
                let is_active = course.status == Some(DecisionStatus::Active);
                let Some(reply) = course.reply.filter(|_| is_active) else { continue };
                let reply: CourseReply = serde_json::from_str(&reply)
                    .map_err(|e| StoreError::unreadable("publication", e))?;
                sources.extend(course_source(reply));
            }
            let mut stories = tx.progress(user, Some(ItemKind::Story), 0, MAX_STORIES)?.items;
            stories.sort_by_key(|progress| std::cmp::Reverse(last_ms(progress)));
            let ids: Vec<Slug> =
                stories.iter().filter_map(|p| Slug::new(p.item.as_str()).ok()).collect();
            let replies = tx.replies(Kind::Story, &ids)?.into_iter();
            let replies: BTreeMap<String, String> =
                replies.map(|(id, reply)| (id.to_string(), reply)).collect();
            let (mut read, mut of_stories) = (Vec::new(), 0);
            for story in stories {
                let Some(reply) = replies.get(story.item.as_str()) else { continue };
                let reply: StoryReply = serde_json::from_str(reply)
                    .map_err(|e| StoreError::unreadable("publication", e))?;
                let level = f64::from(reply.summary.meta.level);
                read.push((level, f64::from(story.percent) / 10_000.0));
                if of_stories < MAX_SOURCES {
                    of_stories += 1;
                    let meta = reply.summary.meta;
                    let (root, lang, hash) = (meta.id, meta.lang, reply.body);
                    sources.push(WordSource { root, kind: Kind::Story, lang, level, hash });
                }
            }
            Ok::<_, StoreError>(WordSources { sources, level: learner_level(read) })
        });
        Ok(read.await?)
    }
}

fn course_source(reply: CourseReply) -> Option<WordSource> {
    let meta = reply.summary.meta;
    Some(WordSource {
        hash: reply.outline.vocabulary?,
        root: meta.id,
        kind: Kind::Course,
        lang: meta.lang,
        level: course_level(meta.difficulty),
    })
}

/// Returns when progress changed last.
fn last_ms(progress: &Progress) -> i64 {
    let position = progress.pos.as_ref().map_or(0, |pos| pos.hlc.ms());
    position.max(progress.done_ms.unwrap_or(0))
}
