//! Commands for the review list and the progress overview.
//!
//! Not here: positions and progress of items (`reading`).

use carrel_client::{OpenAccount, content::Kind};
use carrel_model::{
    ItemId, Slug, content::ManifestContent, derive::course_completion, lattice::ItemKind,
};

use super::{Result, reading};
use crate::{
    api::{
        app::Empty,
        learning::{CourseProgress, DayTime, ProgressOverview, SaveWord, SavedWord, WordList},
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
    let library = account.content.library.without_waiting();
    let mut words = Vec::new();
    for word in account.learning.words().await? {
        let view = reading::word(account, &library, &word.item).await.ok();
        words.push(SavedWord { item: word.item, saved_ms: word.saved_ms, word: view });
    }
    Ok(WordList { words })
}

pub async fn get_progress_overview(host: &dyn Host, _: Empty) -> Result<ProgressOverview> {
    let account = account(host)?;
    let overview = account.learning.overview().await?;
    let mut courses = Vec::new();
    for root in overview.roots {
        let kind = if root.is_story { Kind::Story } else { Kind::Course };
        let id = root.root.clone();
        let title =
            account.content.blocking(move |content| content.library.title(kind, &id)).await?;
        let percent = match root.is_story {
            true => story_percent(&account, &root.root).await?,
            false => course_percent(&account, &root.root).await?,
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
