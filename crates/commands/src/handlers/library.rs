//! Commands for the library: lists, course pages, enrolment.
//!
//! Not here: the text of sections and stories (`reading`), search (`search`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use carrel_client::{
    OpenAccount,
    content::{
        Kind,
        download::State,
        library::{Filter, OpenManifest},
    },
    learning::Enrolment,
};
use carrel_model::{
    ItemId, Slug,
    content::{CourseMeta, CourseOutline, ManifestContent, SectionOutline},
    derive::course_completion,
    lattice::{ItemKind, RowType},
    wire::CourseSummary,
};

use super::{Result, download::state_view, freshness, percent, quiz::best_scores};
use crate::{
    api::{
        app::Empty,
        library::{
            ContinueCard, ContinueReply, CourseCard, CourseList, CourseRef, CourseView,
            EnrolmentView, EnterCode, EnteredCode, LessonView, ListRequest, SectionView, StoryCard,
            StoryList,
        },
    },
    host::{Host, account},
};

/// Returns the client's filter for a request, with its page and page size.
async fn filter(
    account: &OpenAccount,
    request: &ListRequest,
    kind: Kind,
) -> Result<(Filter, u32, u32)> {
    let page = request.page.unwrap_or(1).max(1);
    let page_size = request.page_size.unwrap_or(50).clamp(1, 200);
    let non_empty = |text: &Option<String>| text.clone().filter(|t| !t.trim().is_empty());
    let is_requested = |id: &str| {
        request.ids.as_ref().is_none_or(|ids| ids.iter().any(|known| known.as_str() == id))
    };
    let only = match request.on_device {
        false => request.ids.as_ref().map(|ids| ids.iter().map(ToString::to_string).collect()),
        true => {
            let states = states(account, kind).await?;
            Some(
                states
                    .into_iter()
                    .filter(|(id, s)| s.ready_version.is_some() && is_requested(id))
                    .map(|(id, _)| id)
                    .collect(),
            )
        }
    };
    let filter = Filter {
        q: non_empty(&request.q),
        difficulty: request.difficulty,
        level: request.level,
        category: non_empty(&request.category),
        lang: non_empty(&request.lang),
        langs: request.langs.clone().unwrap_or_default(),
        family: non_empty(&request.family),
        grouped: request.grouped.unwrap_or(false),
        only,
        offset: (page - 1).saturating_mul(page_size),
        limit: page_size,
    };
    Ok((filter, page, page_size))
}

async fn states(account: &OpenAccount, kind: Kind) -> Result<HashMap<String, State>> {
    Ok(account.content.blocking(move |content| content.downloads.states(kind)).await?)
}

async fn withdrawn_courses(account: &OpenAccount) -> Result<BTreeSet<String>> {
    Ok(account.content.blocking(|content| content.library.withdrawn(Kind::Course)).await?)
}

pub async fn list_courses(host: &dyn Host, request: ListRequest) -> Result<CourseList> {
    let account = account(host)?;
    let (filter, page, page_size) = filter(&account, &request, Kind::Course).await?;
    let listed = account.content.library.courses(&filter).await?;
    let freshness = freshness(&listed);
    let states = states(&account, Kind::Course).await?;
    let withdrawn = withdrawn_courses(&account).await?;
    let enrolments = account.learning.enrolments().await?;
    let mut done: BTreeMap<String, u64> = BTreeMap::new();
    for item in account.learning.done_items(ItemKind::Section).await? {
        *done.entry(item.root().to_owned()).or_default() += 1;
    }
    let items = listed.value.items.into_iter().map(|course: CourseSummary| {
        let id = &course.meta.id;
        let done_count = done.get(id.as_str()).copied().unwrap_or(0);
        let all = u64::from(course.meta.section_count);
        CourseCard {
            percent: percent(done_count, all),
            completed: all > 0 && done_count >= all,
            download: state_view(
                &states.get(id.as_str()).copied().unwrap_or_default(),
                course.meta.total_bytes,
                Some(course.version),
            ),
            enrolment: enrolments.get(id).and_then(Enrolment::status),
            withdrawn: withdrawn.contains(id.as_str()),
            course,
        }
    });
    Ok(CourseList {
        items: items.collect(),
        total: listed.value.total,
        page,
        page_size,
        freshness,
        categories: listed.value.categories,
        languages: listed.value.languages,
    })
}

pub async fn list_stories(host: &dyn Host, request: ListRequest) -> Result<StoryList> {
    let account = account(host)?;
    let (filter, page, page_size) = filter(&account, &request, Kind::Story).await?;
    let listed = account.content.library.stories(&filter).await?;
    let freshness = freshness(&listed);
    let states = states(&account, Kind::Story).await?;
    let mut cards = Vec::new();
    for story in listed.value.items {
        let item = ItemId::from(story.meta.id.clone());
        let progress = account.learning.progress(ItemKind::Story, &item).await?;
        cards.push(StoryCard {
            percent: progress.as_ref().map_or(0, |p| p.row.percent),
            done: progress.is_some_and(|p| p.row.done_ms.is_some()),
            download: state_view(
                &states.get(story.meta.id.as_str()).copied().unwrap_or_default(),
                story.meta.total_bytes,
                Some(story.version),
            ),
            languages: listed
                .value
                .families
                .get(&story.meta.family)
                .filter(|languages| languages.len() > 1)
                .cloned()
                .unwrap_or_default(),
            story,
        });
    }
    Ok(StoryList {
        items: cards,
        total: listed.value.total,
        page,
        page_size,
        freshness,
        languages: listed.value.languages,
    })
}

pub async fn get_continue(host: &dyn Host, _: Empty) -> Result<ContinueReply> {
    let account = account(host)?;
    for record in account.learning.latest(8).await? {
        // An item that cannot be opened now (not downloaded, no network) is not offered.
        if let Ok(Some(card)) = continue_card(&account, record.row.kind, &record.row).await {
            return Ok(ContinueReply { card: Some(card) });
        }
    }
    Ok(ContinueReply { card: None })
}

async fn continue_card(
    account: &OpenAccount,
    kind: ItemKind,
    row: &carrel_model::lattice::Progress,
) -> Result<Option<ContinueCard>> {
    let Some(pos) = &row.pos else { return Ok(None) };
    let library = account.content.library.without_waiting();
    let from_device = account.learning.other_device_name(pos.device).await?;
    let at_ms = pos.hlc.ms();
    match kind {
        ItemKind::Section => {
            let mut found = library.find_section(&row.item).await?;
            let (meta, outline) = found.course();
            let done = account.learning.done_sections(meta.id.as_str()).await?;
            let (_, overall) = course_completion(&meta.id, outline, &done);
            if overall.is_complete() {
                return Ok(None);
            }
            // After a finished section, continue with the next unfinished one.
            let mut item = row.item.clone();
            if row.done_ms.is_some() {
                let Some(next) = first_unfinished(meta, outline, &done, Some(&row.item)) else {
                    return Ok(None);
                };
                found = library.find_section(&next).await?;
                item = next;
            }
            let (meta, outline) = found.course();
            Ok(Some(ContinueCard {
                item,
                is_story: false,
                title: found.section().title.clone(),
                course_title: meta.title.clone(),
                lesson_number: found.lesson as u32 + 1,
                lesson_count: outline.lessons.len() as u32,
                percent: overall.percent(),
                cover: meta.cover.clone(),
                at_ms,
                from_device,
            }))
        }
        ItemKind::Story if row.done_ms.is_none() => {
            let id = Slug::new(row.item.root())
                .map_err(|e| crate::api::error::CommandError::invalid(e.to_string()))?;
            let story = library.find_story(&row.item).await?;
            let kind = if row.item.as_str().contains('/') { Kind::Course } else { Kind::Story };
            let manifest = library.manifest(kind, &id).await?;
            let (cover, course_title) = match &manifest.value.manifest.content {
                ManifestContent::Story { meta, .. } => (meta.cover.clone(), String::new()),
                ManifestContent::Course { meta, .. } => (meta.cover.clone(), meta.title.clone()),
            };
            Ok(Some(ContinueCard {
                item: row.item.clone(),
                is_story: true,
                title: story.value.title,
                course_title,
                lesson_number: 0,
                lesson_count: 0,
                percent: row.percent,
                cover,
                at_ms,
                from_device,
            }))
        }
        _ => Ok(None),
    }
}

/// Returns the first unfinished section after `after`. If there is none, or `after` is none, returns the first
/// unfinished section of the course.
fn first_unfinished(
    meta: &CourseMeta,
    outline: &CourseOutline,
    done: &BTreeSet<ItemId>,
    after: Option<&ItemId>,
) -> Option<ItemId> {
    let all: Vec<ItemId> = outline
        .lessons
        .iter()
        .flat_map(|l| l.sections.iter().map(|s| ItemId::section(&meta.id, &l.id, &s.id)))
        .collect();
    let start = after.and_then(|a| all.iter().position(|i| i == a)).map_or(0, |i| i + 1);
    all[start..].iter().chain(&all[..start]).find(|i| !done.contains(i)).cloned()
}

pub async fn get_course(host: &dyn Host, request: CourseRef) -> Result<CourseView> {
    let account = account(host)?;
    let dated = account.content.library.manifest(Kind::Course, &request.course).await?;
    let freshness = freshness(&dated);
    let manifest: &OpenManifest = &dated.value;
    let ManifestContent::Course { meta, outline } = &manifest.manifest.content else {
        return Err(carrel_client::Error::NotFound(format!("course {}", request.course)).into());
    };
    let root = meta.id.as_str();
    let rows = account.learning.progress_under(root).await?;
    let done = account.learning.done_sections(root).await?;
    let waiting = account.learning.waiting(RowType::Progress).await?;
    let best = best_scores(&account, root).await?;
    let (by_lesson, overall) = course_completion(&meta.id, outline, &done);
    let section = |lesson: &Slug, s: &SectionOutline| {
        let item = ItemId::section(&meta.id, lesson, &s.id);
        let row = rows.iter().find(|r| r.row.kind == ItemKind::Section && r.row.item == item);
        SectionView {
            section_type: s.section_type,
            title: s.title.clone(),
            minutes: s.minutes,
            percent: row.map_or(0, |r| r.row.percent),
            done: done.contains(&item),
            waiting: row.is_some_and(|r| r.waiting)
                || waiting.contains(&format!("section\u{1f}{item}")),
            best_score: s.quiz.as_ref().and_then(|q| best.get(q)).copied(),
            item,
        }
    };
    let id = meta.id.clone();
    let states = account.content.blocking(move |content| {
        let downloads = &content.downloads;
        let version = content.library.known_version(Kind::Course, &id)?;
        Ok((downloads.lessons(&id)?, downloads.state(Kind::Course, &id)?, version))
    });
    let (mut lesson_states, state, newest) = states.await?;
    let lessons = outline.lessons.iter().zip(by_lesson).map(|(l, completion)| LessonView {
        download: state_view(
            &lesson_states.remove(ItemId::within(&meta.id, &l.id).as_str()).unwrap_or_default(),
            0,
            newest,
        ),
        id: l.id.clone(),
        title: l.title.clone(),
        summary: l.summary.clone(),
        percent: completion.percent(),
        sections: l.sections.iter().map(|s| section(&l.id, s)).collect(),
    });
    // Two devices may have finished one part each.
    if overall.is_complete()
        && let Err(e) = account.learning.mark_completed(&meta.id).await
    {
        tracing::warn!(error = %e, "the completion of a course could not be stored");
    }
    let was_completed = account.learning.was_completed(&meta.id).await?;
    let new_sections = if was_completed { overall.total.saturating_sub(overall.done) } else { 0 };
    let enrolment = account.learning.enrolment(&meta.id).await?;
    let latest = rows
        .iter()
        .filter(|r| r.row.kind == ItemKind::Section)
        .filter_map(|r| Some((r.row.pos.as_ref()?.hlc, &r.row.item)))
        .max()
        .map(|(_, item)| item.clone());
    Ok(CourseView {
        lessons: lessons.collect(),
        stories: outline.stories.clone(),
        percent: overall.percent(),
        done: overall.done,
        total: overall.total,
        new_sections,
        time_spent_ms: account.learning.time_spent_under(root).await?,
        enrolment: enrolment.status(),
        enrolment_reason: enrolment.decision.map(|d| d.reason).unwrap_or_default(),
        withdrawn: withdrawn_courses(&account).await?.contains(root),
        download: state_view(&state, manifest.manifest.total_bytes(), newest),
        continue_at: continue_at(meta, outline, &done, latest.as_ref()),
        course: CourseSummary { meta: meta.clone(), version: manifest.version },
        freshness,
    })
}

fn continue_at(
    meta: &CourseMeta,
    outline: &CourseOutline,
    done: &BTreeSet<ItemId>,
    latest: Option<&ItemId>,
) -> Option<ItemId> {
    match latest {
        Some(item) if !done.contains(item) => Some(item.clone()),
        latest => first_unfinished(meta, outline, done, latest),
    }
}

pub async fn enrol(host: &dyn Host, request: CourseRef) -> Result<EnrolmentView> {
    set_enrolment(host, &request.course, true).await
}

pub async fn unenrol(host: &dyn Host, request: CourseRef) -> Result<EnrolmentView> {
    set_enrolment(host, &request.course, false).await
}

pub async fn enter_code(host: &dyn Host, request: EnterCode) -> Result<EnteredCode> {
    let courses = account(host)?.enter_code(request.code.trim()).await?;
    Ok(EnteredCode { courses })
}

async fn set_enrolment(host: &dyn Host, course: &Slug, enrolled: bool) -> Result<EnrolmentView> {
    let enrolment = account(host)?.learning.request_enrolment(course, enrolled).await?;
    Ok(EnrolmentView {
        enrolment: enrolment.status(),
        reason: enrolment.decision.map(|d| d.reason).unwrap_or_default(),
    })
}
