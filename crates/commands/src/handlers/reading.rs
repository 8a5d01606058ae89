//! Commands for sections, stories, words, progress and study time.
//!
//! Not here: course pages (`library`).

use carrel_client::{
    OpenAccount,
    content::{Kind, library::Library},
    learning::{OWN_WORDS, ProgressRecord, Step, WordNote},
};
use carrel_model::{
    CardKey, ItemId, Slug,
    content::{
        Block, CourseMeta, LessonOutline, ManifestContent, SectionBody, SectionOutline, Story,
        VocabularyEntry,
    },
    derive::course_completion,
    lattice::ItemKind,
    text::language,
};

use super::{Result, freshness};
use crate::{
    api::{
        app::Empty,
        error::CommandError,
        reading::{
            FontFileView, FontList, FontsRequest, FoundIn, ItemProgress, ItemRef, Neighbour,
            PassProgram, PositionRef, ProgramExercise, QuizRef, RecordProgress, SectionPage,
            SentenceTimesRequest, StoryPage, StudyHeartbeat, StudyHeartbeatReply, WordView,
        },
    },
    host::{Host, account},
};

pub async fn open_section(host: &dyn Host, request: ItemRef) -> Result<SectionPage> {
    let account = account(host)?;
    let library = &account.content.library;
    // If its course is being downloaded, this section is downloaded first.
    account.content.downloads.prioritize(&request.item);
    let found = library.find_section(&request.item).await?;
    let body_hash = found.section().body;
    let mut body: SectionBody = library.body(body_hash).await?;
    account.content.prefetcher.set_position(&found.manifest.value, found.lesson);
    let (meta, outline) = found.course();
    let section = found.section();
    // The body of a quiz section ends with a block that names the compiled quiz; the UI receives it in `quiz` instead.
    let mut quiz = None;
    body.blocks.retain(|block| match block {
        Block::Quiz { quiz: id, body, .. } if Some(id) == section.quiz.as_ref() => {
            quiz = Some(QuizRef { quiz: id.clone(), body: *body });
            false
        }
        _ => true,
    });
    let neighbour = |(lesson, section): (&LessonOutline, &SectionOutline)| Neighbour {
        item: ItemId::section(&meta.id, &lesson.id, &section.id),
        title: section.title.clone(),
        lesson_title: lesson.title.clone(),
    };
    let [previous, next] = found.neighbours().map(|n| n.map(neighbour));
    let progress = progress_of(&account, ItemKind::Section, &request.item).await?;
    let programs = match body.programs() {
        programs if programs.is_empty() => Vec::new(),
        programs => {
            let passed = account.learning.passed_programs(&request.item).await?;
            let exercise = |(block, id)| ProgramExercise {
                block: block as u32,
                passed: passed.contains(&id),
                id,
            };
            programs.into_iter().map(exercise).collect()
        }
    };
    Ok(SectionPage {
        item: request.item,
        section_type: section.section_type,
        title: section.title.clone(),
        minutes: section.minutes,
        course_title: meta.title.clone(),
        lesson_title: found.lesson().title.clone(),
        lesson_number: found.lesson as u32 + 1,
        lesson_count: outline.lessons.len() as u32,
        body,
        body_hash,
        quiz,
        programs,
        progress,
        previous,
        next,
        freshness: freshness(&found.manifest),
    })
}

pub async fn open_story(host: &dyn Host, request: ItemRef) -> Result<StoryPage> {
    let account = account(host)?;
    let body = account.content.library.story_body(&request.item).await?;
    let freshness = freshness(&body);
    let body_hash = body.value;
    let mut story: Story = account.content.library.body(body_hash).await?;
    let cards = cards(&story.lang, request.item.as_str(), &story.vocabulary);
    link(&account, cards.clone()).await;
    let keys = cards.iter().map(|(_, card)| card.clone()).collect();
    let saved = account.learning.saved_among(keys).await?;
    let saved_words = cards
        .iter()
        .filter(|(_, card)| saved.contains(card))
        .filter_map(|(item, _)| item.as_str().rsplit_once('/'))
        .map(|(_, word)| word.to_owned())
        .collect();
    let progress = progress_of(&account, ItemKind::Story, &request.item).await?;
    let family = match Slug::new(request.item.as_str()) {
        Ok(id) => family_of(&account, &id).await?,
        Err(_) => String::new(),
    };
    let item = request.item;
    let corrected_pages = correct_times(&account, &mut story).await?;
    Ok(StoryPage {
        item,
        story,
        body_hash,
        family,
        progress,
        saved_words,
        corrected_pages,
        freshness,
    })
}

/// Replaces estimated and missing times of sentences by those that the learner tapped. Times of an author stay. Returns
/// the indices of the corrected pages.
pub(super) async fn correct_times(account: &OpenAccount, story: &mut Story) -> Result<Vec<u32>> {
    let starts = account.learning.sentence_starts().await?;
    let mut corrected = Vec::new();
    for (index, page) in (0..).zip(&mut story.pages) {
        let tapped = page.narration.as_ref().and_then(|sound| starts.get(&sound.blob.hash));
        let is_timed = page.sentences.iter().any(|sentence| sentence.start_ms.is_some());
        // Another edition may have other sentences with the same recording.
        let Some(tapped) = tapped.filter(|tapped| tapped.len() == page.sentences.len()) else {
            continue;
        };
        if is_timed && page.timing_confidence.is_none() {
            continue;
        }
        for (sentence, start) in page.sentences.iter_mut().zip(tapped) {
            (sentence.start_ms, sentence.end_ms) = (Some(*start), None);
        }
        page.timing_confidence = None;
        corrected.push(index);
    }
    Ok(corrected)
}

pub async fn set_sentence_times(host: &dyn Host, request: SentenceTimesRequest) -> Result<Empty> {
    let SentenceTimesRequest { recording, starts } = request;
    account(host)?.learning.set_sentence_starts(recording, starts).await?;
    Ok(Empty {})
}

/// Returns the family of a story by itself, without using the network.
async fn family_of(account: &OpenAccount, id: &Slug) -> Result<String> {
    let known = account.content.library.known_manifest(Kind::Story, id).await?;
    Ok(match known.as_ref().map(|m| &m.manifest.content) {
        Some(ManifestContent::Story { meta, .. }) => meta.family.clone(),
        _ => String::new(),
    })
}

/// Does not use the network. A course or story whose manifest is not on this device has no fonts.
pub async fn get_fonts(host: &dyn Host, request: FontsRequest) -> Result<FontList> {
    let account = account(host)?;
    let mut files = Vec::new();
    let Ok(id) = Slug::new(request.item.root()) else { return Ok(FontList { files }) };
    for kind in [Kind::Course, Kind::Story] {
        let Some(known) = account.content.library.known_manifest(kind, &id).await? else {
            continue;
        };
        for font in &known.manifest.fonts {
            let suits = font.suits(&request.lang);
            files.extend(font.files.iter().map(|file| FontFileView {
                hash: file.hash,
                ranges: file.ranges.clone(),
                weight: font.weight.clone(),
                suits,
            }));
        }
    }
    Ok(FontList { files })
}

pub async fn get_word(host: &dyn Host, request: ItemRef) -> Result<WordView> {
    let account = account(host)?;
    word(&account, &account.content.library, &request.item).await
}

/// Returns the entry of `course/word`, `story/word` or `course/story/word`.
pub(crate) async fn word(
    account: &OpenAccount,
    library: &Library,
    item: &ItemId,
) -> Result<WordView> {
    if item.root() == OWN_WORDS {
        return own_word(account, item).await;
    }
    let parts: Vec<&str> = item.as_str().split('/').collect();
    let missing = || CommandError::from(carrel_client::Error::NotFound(format!("word {item}")));
    let (root, leaf) = parts.split_last().map(|(leaf, root)| (root, *leaf)).ok_or_else(missing)?;
    let found = match root {
        // The list tells courses and stories apart, so that no course is requested by the id of a story.
        [root] if is_listed(account, Kind::Story, root).await? => {
            story_word(library, root, leaf).await?
        }
        [root] => match course_vocabulary(library, root).await {
            Ok((lang, entries)) => find(&lang, root, entries, leaf),
            Err(e) if is_listed(account, Kind::Course, root).await? => return Err(e),
            Err(_) => story_word(library, root, leaf).await?,
        },
        [_, _] => story_word(library, &root.join("/"), leaf).await?,
        _ => None,
    };
    let EntryOfItem { lang, entry, card } = found.ok_or_else(missing)?;
    link(account, vec![(item.clone(), card.clone())]).await;
    let saved = account.learning.saved_among(vec![card.clone()]).await?.contains(&card);
    let found_in = account.learning.word_note(&card).await?.and_then(found_in);
    Ok(WordView { item: item.clone(), card, lang, entry, saved, found_in })
}

/// Returns a word that the learner added from a dictionary, or without one.
async fn own_word(account: &OpenAccount, item: &ItemId) -> Result<WordView> {
    let missing = || CommandError::from(carrel_client::Error::NotFound(format!("word {item}")));
    let (card, note) = account.learning.own_word(item).await?.ok_or_else(missing)?;
    let entry = note_entry(item, &note).ok_or_else(missing)?;
    let saved = account.learning.saved_among(vec![card.clone()]).await?.contains(&card);
    let lang = note.lang.clone();
    Ok(WordView { item: item.clone(), card, lang, entry, saved, found_in: found_in(note) })
}

/// Returns a word of the learner as an entry of a vocabulary. A meaning in another language is a translation.
pub(crate) fn note_entry(item: &ItemId, note: &WordNote) -> Option<VocabularyEntry> {
    let id = Slug::new(item.as_str().rsplit('/').next()?).ok()?;
    let is_translation = !note.meaning_lang.is_empty()
        && language::primary(&note.meaning_lang) != language::primary(&note.lang);
    let (meaning, translations) = match is_translation {
        true => (String::new(), [(note.meaning_lang.clone(), note.meaning.clone())].into()),
        false => (note.meaning.clone(), Default::default()),
    };
    Some(VocabularyEntry {
        id,
        word: note.word.clone(),
        pronunciation: note.pronunciation.clone(),
        part_of_speech: note.part_of_speech.clone(),
        meaning,
        example: note.sentence.clone(),
        translations,
        level: None,
        frequency: None,
        image: None,
        audio: None,
    })
}

fn found_in(note: WordNote) -> Option<FoundIn> {
    (!note.sentence.is_empty()).then(|| FoundIn {
        source: ItemId::new(note.source).ok(),
        sentence: note.sentence,
        form: note.form,
        dictionary: note.dictionary,
    })
}

/// The words of a course or story, with their cards.
pub(crate) struct Vocabulary {
    pub lang: String,
    pub entries: Vec<VocabularyEntry>,
    /// In the order of `entries`.
    pub cards: Vec<(ItemId, CardKey)>,
}

impl Vocabulary {
    /// `root`: the course or story.
    pub(crate) fn new(root: &str, lang: String, entries: Vec<VocabularyEntry>) -> Self {
        Self { cards: cards(&lang, root, &entries), lang, entries }
    }
}

/// Returns the metadata and the vocabulary of a course.
pub(crate) async fn course_words(
    library: &Library,
    course: &Slug,
) -> Result<(CourseMeta, Vocabulary)> {
    let manifest = library.manifest(Kind::Course, course).await?;
    let missing =
        || CommandError::from(carrel_client::Error::NotFound(format!("vocabulary of {course}")));
    let ManifestContent::Course { meta, outline } = &manifest.value.manifest.content else {
        return Err(missing());
    };
    let entries = library.body(outline.vocabulary.ok_or_else(missing)?).await?;
    Ok((meta.clone(), Vocabulary::new(course.as_str(), meta.lang.clone(), entries)))
}

/// Returns the vocabularies that belong to a section, quiz or story, as far as they are on this device and in the
/// language: that of the story, that of the course.
pub(crate) async fn vocabularies(
    account: &OpenAccount,
    item: &ItemId,
    lang: &str,
) -> Vec<Vocabulary> {
    let library = account.content.library.without_waiting();
    let mut found = Vec::new();
    let is_story = match item.as_str().split('/').count() {
        1 => is_listed(account, Kind::Story, item.root()).await.unwrap_or(false),
        2 => true,
        _ => false,
    };
    if is_story && let Ok(story) = library.find_story(item).await {
        found.push((item.as_str(), story.value.lang, story.value.vocabulary));
    }
    if !matches!(is_listed(account, Kind::Story, item.root()).await, Ok(true))
        && let Ok((lang, entries)) = course_vocabulary(&library, item.root()).await
    {
        found.push((item.root(), lang, entries));
    }
    let wanted = language::primary(lang);
    found.retain(|(_, lang, _)| language::primary(lang) == wanted);
    found
        .into_iter()
        .map(|(root, lang, entries)| Vocabulary::new(root, lang, entries))
        .filter(|vocabulary| vocabulary.cards.len() == vocabulary.entries.len())
        .collect()
}

/// Stores the cards of words. They are a cache, so a full disk does not keep a word from being shown.
async fn link(account: &OpenAccount, cards: Vec<(ItemId, CardKey)>) {
    if let Err(e) = account.learning.link_words(cards).await {
        tracing::debug!(error = %e, "the cards of words could not be stored");
    }
}

/// An entry with the language of its course or story.
struct EntryOfItem {
    lang: String,
    entry: VocabularyEntry,
    card: CardKey,
}

/// Returns the words of a vocabulary with their cards. `root`: the course or story.
fn cards(lang: &str, root: &str, entries: &[VocabularyEntry]) -> Vec<(ItemId, CardKey)> {
    let keys = CardKey::of_vocabulary(lang, entries.iter().map(|e| (&e.id, e.word.as_str())));
    let items = entries.iter().map(|e| ItemId::new(format!("{root}/{}", e.id)).ok());
    items.zip(keys).filter_map(|(item, card)| Some((item?, card))).collect()
}

async fn is_listed(account: &OpenAccount, kind: Kind, id: &str) -> Result<bool> {
    let id = id.to_owned();
    let title = account.content.blocking(move |content| content.library.title(kind, &id));
    Ok(title.await?.is_some())
}

fn find(lang: &str, root: &str, entries: Vec<VocabularyEntry>, leaf: &str) -> Option<EntryOfItem> {
    let cards = cards(lang, root, &entries);
    let entry = entries.into_iter().find(|e| e.id.as_str() == leaf)?;
    let is_entry = |item: &ItemId| item.as_str().rsplit('/').next() == Some(leaf);
    let (_, card) = cards.into_iter().find(|(item, _)| is_entry(item))?;
    Some(EntryOfItem { lang: lang.to_owned(), entry, card })
}

async fn course_vocabulary(
    library: &Library,
    course: &str,
) -> Result<(String, Vec<VocabularyEntry>)> {
    let missing =
        || CommandError::from(carrel_client::Error::NotFound(format!("vocabulary of {course}")));
    let id = Slug::new(course).map_err(|_| missing())?;
    let manifest = library.manifest(Kind::Course, &id).await?;
    let ManifestContent::Course { meta, outline } = &manifest.value.manifest.content else {
        return Err(missing());
    };
    let entries = library.body(outline.vocabulary.ok_or_else(missing)?).await?;
    Ok((meta.lang.clone(), entries))
}

async fn story_word(library: &Library, story: &str, leaf: &str) -> Result<Option<EntryOfItem>> {
    let item = ItemId::new(story).map_err(|e| CommandError::invalid(e.to_string()))?;
    let found: Story = library.find_story(&item).await?.value;
    Ok(find(&found.lang, story, found.vocabulary, leaf))
}

pub async fn get_position(host: &dyn Host, request: PositionRef) -> Result<ItemProgress> {
    let account = account(host)?;
    progress_of(&account, request.kind, &request.item).await
}

pub async fn record_progress(host: &dyn Host, request: RecordProgress) -> Result<ItemProgress> {
    let account = account(host)?;
    let step = Step {
        kind: request.kind,
        item: request.item,
        percent: request.percent,
        done: request.done,
        pos: request.pos,
        restart: request.restart,
    };
    let finished = (step.done && step.kind == ItemKind::Section).then(|| step.item.clone());
    let record = account.learning.record(step).await?;
    if let Some(item) = finished
        && let Err(e) = store_completion(&account, &item).await
    {
        // The progress itself is recorded.
        tracing::warn!(error = %e.message, "the completion of a course could not be stored");
    }
    view(&account, Some(record)).await
}

pub async fn study_heartbeat(
    host: &dyn Host,
    request: StudyHeartbeat,
) -> Result<StudyHeartbeatReply> {
    let account = account(host)?;
    Ok(StudyHeartbeatReply {
        time_spent_ms: account.learning.study_heartbeat(&request.item, request.reading).await?,
    })
}

/// A section whose programs are all right is finished, unless its quiz finishes it.
pub async fn pass_program(host: &dyn Host, request: PassProgram) -> Result<ItemProgress> {
    let account = account(host)?;
    let PassProgram { item, program } = request;
    let found = account.content.library.find_section(&item).await?;
    let body: SectionBody = account.content.library.body(found.section().body).await?;
    let programs: Vec<String> = body.programs().into_iter().map(|(_, id)| id).collect();
    if !programs.contains(&program) {
        let missing = format!("the program {program} of {item}");
        return Err(carrel_client::Error::NotFound(missing).into());
    }
    let needed = if found.section().quiz.is_none() { &programs[..] } else { &[] };
    if account.learning.pass_program(&item, &program, needed).await?
        && let Err(e) = store_completion(&account, &item).await
    {
        // The progress itself is recorded.
        tracing::warn!(error = %e.message, "the completion of a course could not be stored");
    }
    progress_of(&account, ItemKind::Section, &item).await
}

/// Stores that a course is complete, so that sections of a later version count as new. No network.
async fn store_completion(account: &OpenAccount, item: &ItemId) -> Result<()> {
    let Ok(course) = Slug::new(item.root()) else { return Ok(()) };
    let known = account.content.library.known_manifest(Kind::Course, &course).await?;
    let Some(ManifestContent::Course { outline, .. }) = known.as_ref().map(|m| &m.manifest.content)
    else {
        return Ok(());
    };
    let done = account.learning.done_sections(course.as_str()).await?;
    if course_completion(&course, outline, &done).1.is_complete() {
        account.learning.mark_completed(&course).await?;
    }
    Ok(())
}

async fn progress_of(account: &OpenAccount, kind: ItemKind, item: &ItemId) -> Result<ItemProgress> {
    let record = account.learning.progress(kind, item).await?;
    view(account, record).await
}

async fn view(account: &OpenAccount, record: Option<ProgressRecord>) -> Result<ItemProgress> {
    let Some(ProgressRecord { row, waiting }) = record else {
        return Ok(ItemProgress {
            percent: 0,
            done: false,
            pos: None,
            pos_device: String::new(),
            pos_at_ms: 0,
            waiting: false,
        });
    };
    let pos_device = match &row.pos {
        Some(pos) => account.learning.other_device_name(pos.device).await?,
        None => String::new(),
    };
    Ok(ItemProgress {
        percent: row.percent,
        done: row.done_ms.is_some(),
        pos_at_ms: row.pos.as_ref().map_or(0, |p| p.hlc.ms()),
        pos: row.pos.map(|p| p.at),
        pos_device,
        waiting,
    })
}
