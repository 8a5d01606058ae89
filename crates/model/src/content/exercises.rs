//! Exercises after a story, derived from its sentences and its vocabulary. The same story, quiz and seed give the same
//! exercises on every device.
//!
//! Not here: questions that an author wrote (`quiz`), and how answers are scored (`grading`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{
    block::{AudioRef, ImageRef},
    grading::{QuestionResult, check_answer},
    quiz::{Choice, Question, QuestionKind, Quiz, Response, ResultFeedback},
    story::{Page, Sentence, Story, VocabularyEntry, WordSpan},
    typed::TextRules,
};
use crate::{Slug, text::fold_answer};

/// Longest sentence of an exercise, in characters. Texts that are listened to or spoken are shorter.
const MAX_SENTENCE: usize = 160;
const MAX_SPOKEN: usize = 80;
/// Fewest letters of a word that is left out of a sentence without vocabulary, and fewest words of that sentence.
const MIN_GAP_LETTERS: usize = 4;
const MIN_GAP_WORDS: usize = 4;
/// Number of wrong choices.
const WRONG_CHOICES: usize = 3;
/// Number of sentences to put into order.
const ORDERED: usize = 4;
const MIN_ORDERED: usize = 3;
/// Number of exercises of the kinds `choose` and `fill`.
const REPEATED: usize = 2;
/// Number of pairs to match.
const PAIRS: usize = 4;
const MIN_PAIRS: usize = 3;
/// Changes the seed for the pairs, so that the other exercises are those of earlier releases.
const PAIRS_SEED: u64 = 0x7061_6972_7300;

/// What the learner does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ExerciseKind {
    /// Choose the meaning of a word.
    Choose,
    /// Choose the sentence that follows another one.
    Next,
    /// Fill in the word that was left out of a sentence.
    Fill,
    /// Put sentences into the order of the story.
    Order,
    /// Choose the word that a picture shows.
    PictureWord,
    /// Choose the sentence of the page with a picture.
    PictureSentence,
    /// Match words and pictures: the right sides are `Exercise::pictures`.
    MatchPictures,
    /// Match words and their meanings.
    MatchMeanings,
    /// Listen and type.
    Listen,
    /// Say a sentence aloud and judge oneself. It has no points.
    Say,
}

/// A part of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SoundClip {
    /// The recording.
    pub audio: AudioRef,
    /// Start in milliseconds.
    pub start_ms: u64,
    /// End in milliseconds; absent for the end of the recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub end_ms: Option<u64>,
}

/// An exercise. The prompt of its question contains words of the story alone; what to do follows from the kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Exercise {
    /// What the learner does.
    pub kind: ExerciseKind,
    /// The question with its solution.
    pub question: Question,
    /// What is heard: the solution of `listen`, the example of `say`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub sound: Option<SoundClip>,
    /// The right sides of the pairs of `match_pictures`, whose texts are empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<ImageRef>>", optional)]
    pub pictures: Vec<ImageRef>,
}

/// Returns the result of an answer, as for a question of a quiz. Text that was heard is compared without punctuation.
pub fn grade_exercise(exercise: &Exercise, response: &Response, lang: &str) -> QuestionResult {
    let response = match response {
        Response::Fill { texts } if exercise.kind == ExerciseKind::Listen => {
            Response::Fill { texts: texts.iter().map(|text| without_punctuation(text)).collect() }
        }
        response => response.clone(),
    };
    let mut question = exercise.question.clone();
    if let QuestionKind::Match { pairs } = &mut question.kind {
        // Sides are compared by their texts, and those of pictures are empty.
        for ((_, right), picture) in pairs.iter_mut().zip(&exercise.pictures) {
            let first = exercise.pictures.iter().position(|other| other == picture);
            *right = first.unwrap_or_default().to_string();
        }
    }
    check_answer(&question, &response.into(), lang)
}

/// Derives the exercises of a story, in the order of the kinds. Kinds of question that the story's own `quiz` has are
/// left out. A kind for which the story has too little text, pictures or sound is left out, too.
pub fn story_exercises(story: &Story, quiz: Option<&Quiz>, seed: u32) -> Vec<Exercise> {
    let questions = || quiz.into_iter().flat_map(|quiz| &quiz.questions);
    let has = |is: fn(&Question) -> bool| questions().any(is);
    let mut deriver = Deriver {
        story,
        sentences: sentences(story),
        random: Random(u64::from(seed)),
        exercises: Vec::new(),
    };
    let is_choice = |q: &Question| matches!(q.kind, QuestionKind::Single { .. });
    if !has(is_choice) && !deriver.choose_meanings() {
        deriver.choose_next();
    }
    if !has(|q| matches!(q.kind, QuestionKind::Fill { .. })) {
        deriver.fill();
    }
    if !has(|q| matches!(q.kind, QuestionKind::Order { .. })) {
        deriver.order();
    }
    if !has(|q| q.image.is_some()) && !deriver.picture_words() {
        deriver.picture_sentence();
    }
    let before_sounds = deriver.exercises.len();
    let heard = deriver.listen();
    deriver.say(heard);
    // Added last: the ids of the others are those of earlier releases.
    if !has(|q| matches!(q.kind, QuestionKind::Match { .. }))
        && let Some(pairs) = match_pairs(story, Random(u64::from(seed) ^ PAIRS_SEED))
    {
        deriver.exercises.insert(before_sounds, pairs);
    }
    deriver.exercises
}

/// Derives pairs of words and pictures or, with too few pictures, of words and meanings.
fn match_pairs(story: &Story, mut random: Random) -> Option<Exercise> {
    let fold = |text: &str| fold_answer(text, &story.lang);
    let mut words = BTreeSet::new();
    // Each side belongs to one pair alone.
    let entries: Vec<&VocabularyEntry> = story
        .vocabulary
        .iter()
        .filter(|entry| !entry.word.is_empty() && words.insert(fold(&entry.word)))
        .collect();
    let mut pictured: Vec<&VocabularyEntry> = Vec::new();
    for entry in entries.iter().copied().filter(|entry| entry.image.is_some()) {
        if pictured.iter().all(|other| other.image != entry.image) {
            pictured.push(entry);
        }
    }
    let mut meanings = BTreeSet::new();
    let explained: Vec<&VocabularyEntry> = entries
        .iter()
        .filter(|entry| !entry.meaning.is_empty() && meanings.insert(fold(&entry.meaning)))
        .copied()
        .collect();
    let (kind, suitable) = match pictured.len() >= MIN_PAIRS {
        true => (ExerciseKind::MatchPictures, pictured),
        false if explained.len() >= MIN_PAIRS => (ExerciseKind::MatchMeanings, explained),
        false => return None,
    };
    let has_pictures = kind == ExerciseKind::MatchPictures;
    let chosen = random.sample(suitable.len(), PAIRS);
    let chosen: Vec<&VocabularyEntry> = chosen.into_iter().map(|i| suitable[i]).collect();
    let right = |entry: &VocabularyEntry| match has_pictures {
        true => String::new(),
        false => escaped(&entry.meaning),
    };
    let pairs = chosen.iter().map(|entry| (escaped(&entry.word), right(entry))).collect();
    let pictures = chosen.iter().filter(|_| has_pictures).filter_map(|e| e.image.clone());
    Some(Exercise {
        kind,
        question: Question {
            id: Slug::new("exercise-match").unwrap_or_else(|_| unreachable!("a valid slug")),
            prompt: String::new(),
            points: 1,
            image: None,
            audio: None,
            explanation: String::new(),
            result_feedback: ResultFeedback::default(),
            hints: Vec::new(),
            hint_penalty: 0,
            kind: QuestionKind::Match { pairs },
        },
        sound: None,
        pictures: pictures.collect(),
    })
}

/// A sentence with its page.
struct Place<'a> {
    page: &'a Page,
    index: usize,
    sentence: &'a Sentence,
}

fn sentences(story: &Story) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    for page in &story.pages {
        for (index, sentence) in page.sentences.iter().enumerate() {
            if sentence.text.chars().any(char::is_alphanumeric) {
                places.push(Place { page, index, sentence });
            }
        }
    }
    places
}

struct Deriver<'a> {
    story: &'a Story,
    sentences: Vec<Place<'a>>,
    random: Random,
    exercises: Vec<Exercise>,
}

impl<'a> Deriver<'a> {
    fn add(&mut self, kind: ExerciseKind, prompt: String, question: QuestionKind) -> &mut Exercise {
        let points = u32::from(kind != ExerciseKind::Say);
        self.exercises.push(Exercise {
            kind,
            question: Question {
                id: numbered("exercise", self.exercises.len()),
                prompt,
                points,
                image: None,
                audio: None,
                explanation: String::new(),
                result_feedback: ResultFeedback::default(),
                hints: Vec::new(),
                hint_penalty: 0,
                kind: question,
            },
            sound: None,
            pictures: Vec::new(),
        });
        let last = self.exercises.len() - 1;
        &mut self.exercises[last]
    }

    /// Returns false if there are too few words with different meanings.
    fn choose_meanings(&mut self) -> bool {
        let story = self.story;
        let mut seen = BTreeSet::new();
        let fold = |text: &str| fold_answer(text, &story.lang);
        let entries: Vec<&VocabularyEntry> = story
            .vocabulary
            .iter()
            .filter(|entry| !entry.meaning.is_empty() && !entry.word.is_empty())
            .filter(|entry| seen.insert(fold(&entry.meaning)))
            .collect();
        if entries.len() < WRONG_CHOICES {
            return false;
        }
        for index in self.random.sample(entries.len(), REPEATED) {
            let entry = entries[index];
            // Two meanings of one word are both right.
            let is_other = |i: &usize| fold(&entries[*i].word) != fold(&entry.word);
            let others: Vec<usize> = (0..entries.len()).filter(is_other).collect();
            if others.is_empty() {
                continue;
            }
            let wrong = self.random.sample(others.len(), WRONG_CHOICES);
            let wrong = wrong.into_iter().map(|i| entries[others[i]].meaning.as_str());
            let choices = self.choices(&entry.meaning, wrong);
            let added = self.add(
                ExerciseKind::Choose,
                escaped(&entry.word),
                QuestionKind::Single { choices },
            );
            added.question.explanation = escaped(&entry.example);
        }
        true
    }

    fn choose_next(&mut self) {
        let texts = self.texts();
        if texts.len() < WRONG_CHOICES + 1 {
            return;
        }
        let at = self.random.below(texts.len() - 1);
        let (shown, right) = (texts[at], texts[at + 1]);
        let is_other = |text: &&str| *text != shown && *text != right;
        let others: Vec<&str> = unique(texts.iter().copied().filter(is_other));
        let wrong = self.random.sample(others.len(), WRONG_CHOICES);
        if wrong.is_empty() || shown == right {
            return;
        }
        let choices = self.choices(right, wrong.into_iter().map(|i| others[i]));
        self.add(ExerciseKind::Next, escaped(shown), QuestionKind::Single { choices });
    }

    fn fill(&mut self) {
        let mut gaps: Vec<(&str, usize, usize)> = Vec::new();
        for Place { sentence, .. } in self.short_sentences(MAX_SENTENCE) {
            let text = sentence.text.as_str();
            gaps.extend(sentence.words.iter().filter_map(|span| {
                let (start, end) = byte_range(text, span)?;
                Some((text, start, end))
            }));
        }
        if gaps.is_empty() {
            for Place { sentence, .. } in self.short_sentences(MAX_SENTENCE) {
                gaps.extend(long_words(&sentence.text));
            }
        }
        let mut words = BTreeSet::new();
        let mut used = BTreeSet::new();
        for index in self.random.sample(gaps.len(), gaps.len()) {
            let (text, start, end) = gaps[index];
            let word = &text[start..end];
            if words.len() == REPEATED {
                break;
            }
            if used.contains(text) || !words.insert(fold_answer(word, &self.story.lang)) {
                continue;
            }
            used.insert(text);
            let prompt = format!("{}{GAP}{}", escaped(&text[..start]), escaped(&text[end..]));
            let blanks = vec![vec![word.to_owned()]];
            self.add(
                ExerciseKind::Fill,
                prompt,
                QuestionKind::Fill { blanks, exact: false, rules: TextRules::default() },
            );
        }
    }

    fn order(&mut self) {
        let texts = self.texts();
        for length in (MIN_ORDERED..=ORDERED).rev() {
            let windows: Vec<&[&str]> = texts
                .windows(length)
                .filter(|texts| texts.iter().all(|text| text.chars().count() <= MAX_SENTENCE))
                .filter(|texts| unique(texts.iter().copied()).len() == texts.len())
                .collect();
            if windows.is_empty() {
                continue;
            }
            let items = windows[self.random.below(windows.len())];
            let items = items.iter().map(|text| escaped(text)).collect();
            self.add(ExerciseKind::Order, String::new(), QuestionKind::Order { items });
            return;
        }
    }

    /// Returns false if no word has a picture, or there are too few words.
    fn picture_words(&mut self) -> bool {
        let vocabulary = &self.story.vocabulary;
        let pictured: Vec<_> = vocabulary.iter().filter(|entry| entry.image.is_some()).collect();
        if pictured.is_empty() {
            return false;
        }
        let entry = pictured[self.random.below(pictured.len())];
        let words = vocabulary.iter().map(|entry| entry.word.as_str());
        let others = unique(words.filter(|word| !word.is_empty() && *word != entry.word));
        if others.len() < WRONG_CHOICES - 1 {
            return false;
        }
        let wrong = self.random.sample(others.len(), WRONG_CHOICES);
        let choices = self.choices(&entry.word, wrong.into_iter().map(|i| others[i]));
        let single = QuestionKind::Single { choices };
        let added = self.add(ExerciseKind::PictureWord, String::new(), single);
        added.question.image = entry.image.clone();
        true
    }

    fn picture_sentence(&mut self) {
        let first = |page: &'a Page| {
            let text = page.sentences.first()?.text.as_str();
            (!text.is_empty() && text.chars().count() <= MAX_SENTENCE).then_some((page, text))
        };
        let pages: Vec<(&Page, &str)> = self.story.pages.iter().filter_map(first).collect();
        let pictured: Vec<_> = pages.iter().filter(|(page, _)| page.image.is_some()).collect();
        if pictured.is_empty() {
            return;
        }
        let (page, text) = *pictured[self.random.below(pictured.len())];
        let others = unique(pages.iter().map(|(_, text)| *text).filter(|other| *other != text));
        if others.len() < WRONG_CHOICES - 1 {
            return;
        }
        let wrong = self.random.sample(others.len(), WRONG_CHOICES);
        let choices = self.choices(text, wrong.into_iter().map(|i| others[i]));
        let single = QuestionKind::Single { choices };
        let added = self.add(ExerciseKind::PictureSentence, String::new(), single);
        added.question.image = page.image.clone();
    }

    /// Returns the text that is heard.
    fn listen(&mut self) -> Option<String> {
        let mut heard: Vec<(&str, SoundClip)> = Vec::new();
        for place in self.short_sentences(MAX_SPOKEN) {
            heard.extend(clip(place).map(|clip| (place.sentence.text.as_str(), clip)));
        }
        if heard.is_empty() {
            heard.extend(self.story.vocabulary.iter().filter_map(|entry| {
                let audio = entry.audio.clone()?;
                Some((entry.word.as_str(), SoundClip { audio, start_ms: 0, end_ms: None }))
            }));
        }
        heard.retain(|(text, _)| !without_punctuation(text).is_empty());
        if heard.is_empty() {
            return None;
        }
        let (text, sound) = heard.swap_remove(self.random.below(heard.len()));
        let blanks = vec![vec![text.to_owned(), without_punctuation(text)]];
        let fill = QuestionKind::Fill { blanks, exact: false, rules: TextRules::default() };
        let text = text.to_owned();
        self.add(ExerciseKind::Listen, GAP.to_owned(), fill).sound = Some(sound);
        Some(text)
    }

    /// `heard`: the text of `listen`, which is not said again if there is another one.
    fn say(&mut self, heard: Option<String>) {
        let (mut texts, mut clips): (Vec<&str>, Vec<Option<SoundClip>>) = Default::default();
        for place in self.short_sentences(MAX_SPOKEN) {
            texts.push(&place.sentence.text);
            clips.push(clip(place));
        }
        let mut open: Vec<usize> = (0..texts.len()).collect();
        // An example to compare with is better than none, and another sentence than the same.
        let mut prefer = |is_better: &dyn Fn(&usize) -> bool| {
            if open.iter().any(is_better) {
                open.retain(is_better);
            }
        };
        prefer(&|i| clips[*i].is_some());
        prefer(&|i| heard.as_deref() != Some(texts[*i]));
        if open.is_empty() {
            return;
        }
        let at = open[self.random.below(open.len())];
        let (prompt, sound) = (escaped(texts[at]), clips[at].clone());
        let judgement = |i| Choice {
            id: numbered("judgement", i),
            text: String::new(),
            correct: false,
            feedback: String::new(),
        };
        let choices = (0..SELF_JUDGEMENTS).map(judgement).collect();
        self.add(ExerciseKind::Say, prompt, QuestionKind::Single { choices }).sound = sound;
    }

    /// Returns the choices in random order. The ids say nothing about which one is right.
    fn choices<'b>(&mut self, right: &'b str, wrong: impl Iterator<Item = &'b str>) -> Vec<Choice> {
        let texts: Vec<&str> = std::iter::once(right).chain(wrong).collect();
        let order = self.random.sample(texts.len(), texts.len());
        let choice = |(position, index): (usize, usize)| Choice {
            id: numbered("choice", position),
            text: escaped(texts[index]),
            correct: index == 0,
            feedback: String::new(),
        };
        order.into_iter().enumerate().map(choice).collect()
    }

    fn texts(&self) -> Vec<&'a str> {
        self.sentences.iter().map(|place| place.sentence.text.as_str()).collect()
    }
    fn short_sentences(&self, max: usize) -> impl Iterator<Item = &Place<'a>> {
        self.sentences.iter().filter(move |place| place.sentence.text.chars().count() <= max)
    }
}

/// The gap of a fill-in prompt.
const GAP: &str = r#"<span data-blank="0"></span>"#;
/// Number of the choices of `say`, `judgement-1` and so on: the learner said it well, nearly, or not yet.
const SELF_JUDGEMENTS: usize = 3;

/// Returns the part of the narration in which a sentence is spoken, if its times are known.
fn clip(place: &Place<'_>) -> Option<SoundClip> {
    let audio = place.page.narration.clone()?;
    let start_ms = place.sentence.start_ms?;
    let next = place.page.sentences.get(place.index + 1).and_then(|next| next.start_ms);
    Some(SoundClip { audio, start_ms, end_ms: place.sentence.end_ms.or(next) })
}

/// Returns `name-1` for index 0.
fn numbered(name: &str, index: usize) -> Slug {
    Slug::new(format!("{name}-{}", index + 1)).unwrap_or_else(|_| unreachable!("a valid slug"))
}

fn unique<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    texts.filter(|text| seen.insert(*text)).collect()
}

/// Returns the words of a sentence that are long enough to be left out, as ranges of bytes. None if the script has no
/// spaces, so that words are not known.
fn long_words(text: &str) -> Vec<(&str, usize, usize)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.len() < MIN_GAP_WORDS {
        return Vec::new();
    }
    let range = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let start = bare.as_ptr() as usize - text.as_ptr() as usize;
        let letters = bare.chars().filter(|c| c.is_alphabetic()).count();
        (letters >= MIN_GAP_LETTERS).then_some((text, start, start + bare.len()))
    };
    words.into_iter().filter_map(range).collect()
}

/// Returns the bytes of a marked word; `None` if the span is empty or outside of the text.
fn byte_range(text: &str, span: &WordSpan) -> Option<(usize, usize)> {
    let (mut units, mut start, mut end) = (0, None, None);
    for (at, c) in text.char_indices().chain([(text.len(), '\0')]) {
        start = start.or((units == span.start).then_some(at));
        end = end.or((units == span.end).then_some(at));
        units += c.len_utf16() as u32;
    }
    Some((start?, end?)).filter(|(start, end)| start < end)
}

/// Removes punctuation before and after words, and that of scripts without spaces everywhere.
fn without_punctuation(text: &str) -> String {
    let is_wide = |c: char| matches!(c, '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ff0f}' | '：' | '；' | '？');
    let is_sign = |c: char| c.is_ascii_punctuation() || "“”„«»‘’‹›…–—؟،؛۔।॥·¿¡".contains(c);
    let narrow: String = text.chars().filter(|c| !is_wide(*c)).collect();
    let words = narrow.split_whitespace().map(|word| word.trim_matches(is_sign));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The generator splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// Returns an index below `count`, which is at least 1.
    fn below(&mut self, count: usize) -> usize {
        (self.next() % count.max(1) as u64) as usize
    }
    /// Returns up to `wanted` different indices below `count`.
    fn sample(&mut self, count: usize, wanted: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..count).collect();
        let wanted = wanted.min(count);
        for i in 0..wanted {
            let other = i + self.below(count - i);
            all.swap(i, other);
        }
        all.truncate(wanted);
        all
    }
}

#[cfg(test)]
mod tests;
