//! Commands for the review list, and for the progress overview and its export.
//!
//! Not here: positions and progress of items (`reading`).

use std::path::Path;

use carrel_client::{
    OpenAccount,
    content::Kind,
    learning::{
        CardSummary, SUMMARY_DAYS, Word, WordSummaries,
        word_files::{ExportedWord, to_csv, to_json},
    },
};
use carrel_model::{
    ItemId, Slug, content::ManifestContent, derive::course_completion, lattice::ItemKind,
};

use super::{Result, bundle::file_view, progress_file, reading};
use crate::{
    api::{
        app::Empty,
        bundle::ExportedFile,
        learning::{
            CourseProgress, DayTime, ExportProgress, ExportWords, ProgressFormat, ProgressOverview,
            SaveWord, SavedWord, StudySummary, WordFileFormat, WordList, WordState,
        },
        reading::WordView,
    },
    host::{Host, account},
};

pub async fn save_word(host: &dyn Host, request: SaveWord) -> Result<WordList> {
    let account = account(host)?;
    let library = account.content.library.without_waiting();
    let card = reading::word(&account, &library, &request.word).await.ok().map(|word| word.card);
    account.learning.save_word(&request.word, card.as_ref(), request.saved).await?;
    list(&account).await
}

pub async fn list_words(host: &dyn Host, _: Empty) -> Result<WordList> {
    let account = account(host)?;
    list(&account).await
}

async fn list(account: &OpenAccount) -> Result<WordList> {
    let (summaries, words) = words(account).await?;
    let words = words.into_iter().map(|(word, view)| SavedWord {
        state: summaries.cards.get(&word.card).map(state_view).unwrap_or_default(),
        item: word.item,
        saved_ms: word.saved_ms,
        word: view,
        card: word.card,
    });
    Ok(WordList { day: summaries.day, words: words.collect() })
}

/// Returns the summaries of all cards, and the words on the list with their entries on this device.
async fn words(account: &OpenAccount) -> Result<(WordSummaries, Vec<(Word, Option<WordView>)>)> {
    let summaries = account.learning.card_summaries().await?;
    let library = account.content.library.without_waiting();
    let mut words = Vec::new();
    for word in account.learning.words().await? {
        let view = reading::word(account, &library, &word.item).await.ok();
        words.push((word, view));
    }
    Ok((summaries, words))
}

fn state_view(summary: &CardSummary) -> WordState {
    WordState {
        suspended: summary.marks.suspended,
        known: summary.marks.known,
        buried_until: summary.marks.buried_until,
        is_leech: summary.is_leech,
        is_due: summary.is_due,
        reviews: summary.reviews,
        lapses: summary.lapses,
        mastery: summary.mastery,
        due_day: summary.due_day,
    }
}

pub async fn export_words(host: &dyn Host, request: ExportWords) -> Result<ExportedFile> {
    let account = account(host)?;
    let (mut summaries, words) = words(&account).await?;
    let words = words.into_iter().filter_map(|(word, view)| {
        let summary = summaries.cards.remove(&word.card)?;
        let mut exported = ExportedWord::new(word.item, word.card, word.saved_ms, &summary);
        if let Some(WordView { lang, entry, .. }) = view {
            exported.word = entry.word;
            exported.language = lang;
            exported.part_of_speech = entry.part_of_speech;
            exported.pronunciation = entry.pronunciation;
            exported.meaning = entry.meaning;
            exported.example = entry.example;
            exported.translations = entry.translations;
        }
        Some(exported)
    });
    let words: Vec<ExportedWord> = words.collect();
    let (content, extension) = match request.format {
        WordFileFormat::Csv => (to_csv(&words), "csv"),
        WordFileFormat::Json => (to_json(&words), "json"),
    };
    let (folder, count) = (Path::new(&request.folder), words.len() as u64);
    let exported = host.client().export_texts("words", folder, extension, content, count);
    Ok(file_view(exported.await?))
}

pub async fn get_progress_overview(host: &dyn Host, _: Empty) -> Result<ProgressOverview> {
    let account = account(host)?;
    overview(&account).await
}

pub async fn export_progress(host: &dyn Host, request: ExportProgress) -> Result<ExportedFile> {
    let account = account(host)?;
    let overview = overview(&account).await?;
    let (content, extension) = match request.format {
        ProgressFormat::Csv => (progress_file::to_csv(&overview).into_bytes(), "csv"),
        ProgressFormat::Json => (progress_file::to_json(&overview)?, "json"),
    };
    let count = (overview.days.len() + overview.courses.len()) as u64;
    let folder = Path::new(&request.folder);
    let exported = host.client().export_texts("progress", folder, extension, content, count);
    Ok(file_view(exported.await?))
}

async fn overview(account: &OpenAccount) -> Result<ProgressOverview> {
    let overview = account.learning.overview().await?;
    let mastery = account.learning.word_mastery(SUMMARY_DAYS).await?;
    let mut courses = Vec::new();
    for root in overview.roots {
        let kind = if root.is_story { Kind::Story } else { Kind::Course };
        let id = root.root.clone();
        let title =
            account.content.blocking(move |content| content.library.title(kind, &id)).await?;
        let percent = match root.is_story {
            true => story_percent(account, &root.root).await?,
            false => course_percent(account, &root.root).await?,
        };
        let Ok(item) = ItemId::new(root.root.clone()) else { continue };
        courses.push(CourseProgress {
            item,
            title: title.unwrap_or(root.root),
            is_story: root.is_story,
            percent,
            time_spent_ms: root.time_spent_ms,
        });
    }
    Ok(ProgressOverview {
        days: overview
            .days
            .into_iter()
            .map(|(day, active_ms)| DayTime { day, active_ms })
            .collect(),
        streak_days: overview.streak_days,
        total_ms: overview.total_ms,
        sections_done: overview.sections_done,
        stories_done: overview.stories_done,
        quizzes_taken: overview.quizzes_taken,
        courses,
        summary: StudySummary {
            days: SUMMARY_DAYS,
            active_days: overview.summary.active_days,
            time_ms: overview.summary.time_ms,
            stories_started: overview.summary.stories_started,
            stories_completed: overview.summary.stories_completed,
            mean_completion: overview.summary.mean_completion,
            words_learned: mastery.learned,
            mean_mastery: (mastery.mean * 10_000.0).round() as u16,
        },
        mastery: mastery.classes.to_vec(),
    })
}

async fn story_percent(account: &OpenAccount, story: &str) -> Result<u16> {
    let Ok(item) = ItemId::new(story) else { return Ok(0) };
    Ok(account.learning.progress(ItemKind::Story, &item).await?.map_or(0, |p| p.row.percent))
}

async fn course_percent(account: &OpenAccount, course: &str) -> Result<u16> {
    let Ok(id) = Slug::new(course) else { return Ok(0) };
    // Without an outline there are no sections to count: the course was removed, or its outline is not downloaded yet.
    let library = account.content.library.without_waiting();
    let Ok(manifest) = library.manifest(Kind::Course, &id).await else {
        return Ok(0);
    };
    let ManifestContent::Course { outline, .. } = &manifest.value.manifest.content else {
        return Ok(0);
    };
    let done = account.learning.done_sections(course).await?;
    Ok(course_completion(&id, outline, &done).1.percent())
}
