//! Search: on this device with filters, and on the server.
//!
//! Not here: how words are compared (`carrel_model::text`), the order of matches (`carrel-content`).

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
};

use carrel_client::{
    OpenAccount,
    content::library::{Hit, HitKind, MAX_HITS},
};
use carrel_model::{
    Slug,
    text::{SearchQuery, excerpt},
    wire::{self, ListPage},
};

use super::{Result, library};
use crate::{
    api::{
        error::CommandError,
        library::{ListRequest, SearchHit, SearchKind, SearchReply, SearchRequest},
    },
    host::{Host, account},
};

/// Results on a page without a limit.
const DEFAULT_HITS: u32 = 50;
/// Number of the best results among which recently used ones come first.
const RANKED: usize = 100;
/// Number of items that count as recently used.
const RECENT: usize = 20;
/// Number of courses or stories of which the entries are read at once.
const MAX_IDS: usize = 200;
/// Length of an excerpt of the server in characters.
const EXCERPT_CHARS: usize = 120;

pub async fn search(host: &dyn Host, request: SearchRequest) -> Result<SearchReply> {
    let account = account(host)?;
    let size = request.page_size.unwrap_or(DEFAULT_HITS).clamp(1, MAX_HITS) as usize;
    let offset = (request.page.unwrap_or(1).saturating_sub(1) as usize).saturating_mul(size);
    let is_filtered = request.is_filtered();
    if !is_filtered && offset >= RANKED {
        let (hits, total) = local_hits(&account, &request.q, offset, size).await?;
        return Ok(SearchReply { hits, total });
    }
    let wanted = if is_filtered { usize::MAX } else { RANKED.max(offset + size) };
    let (mut hits, mut total) = local_hits(&account, &request.q, 0, wanted).await?;
    if is_filtered {
        hits = matching(host, &request, hits).await?;
        total = hits.len() as u64;
    }
    let ranked = hits.len().min(RANKED);
    put_recent_first(&mut hits[..ranked], &recent(&account).await?);
    Ok(SearchReply { hits: hits.into_iter().skip(offset).take(size).collect(), total })
}

pub async fn search_server(host: &dyn Host, request: SearchRequest) -> Result<SearchReply> {
    let account = account(host)?;
    let Some(query) = SearchQuery::parse(&request.q) else {
        return Ok(SearchReply { hits: Vec::new(), total: 0 });
    };
    let size = request.page_size.unwrap_or(DEFAULT_HITS).clamp(1, MAX_HITS);
    let page = request.page.unwrap_or(1).max(1);
    let q = percent_encoded(&request.q);
    let path = format!("/api/search?q={q}&page={page}&pageSize={size}");
    let cache = account.content.library.cache();
    let reply = cache.get(&path, || {}).await.map_err(carrel_client::content::Error::from)?;
    let found: ListPage<wire::SearchHit> =
        serde_json::from_slice(&reply.body).map_err(|e| CommandError::internal(&e))?;
    let view = |hit: wire::SearchHit| SearchHit {
        kind: match hit.kind {
            wire::SearchKind::Course => SearchKind::Course,
            wire::SearchKind::Section => SearchKind::Section,
            wire::SearchKind::Story | wire::SearchKind::StoryText => SearchKind::Story,
        },
        item: hit.item,
        title: hit.title,
        course_title: String::new(),
        snippet: excerpt(&hit.snippet, &query, EXCERPT_CHARS).marked("\u{2}", "\u{3}"),
    };
    let (local, _) = local_hits(&account, &request.q, 0, usize::MAX).await?;
    let key = |hit: &SearchHit| (hit.kind as u8, hit.item.clone());
    let mut known: BTreeSet<_> = local.iter().map(key).collect();
    let mut hits: Vec<SearchHit> = found.items.into_iter().map(view).collect();
    hits.retain(|hit| known.insert(key(hit)));
    if request.is_filtered() {
        hits = matching(host, &request, hits).await?;
    }
    let total = hits.len() as u64;
    Ok(SearchReply { hits, total })
}

/// Returns the local results from `offset`, at most `limit`, and the number of all.
async fn local_hits(
    account: &OpenAccount,
    q: &str,
    offset: usize,
    limit: usize,
) -> Result<(Vec<SearchHit>, u64)> {
    let mut hits = Vec::new();
    loop {
        let at = u32::try_from(offset + hits.len()).unwrap_or(u32::MAX);
        let size = (limit - hits.len()).min(MAX_HITS as usize) as u32;
        let q = q.to_owned();
        let search = account.content.blocking(move |content| content.library.search(&q, at, size));
        let page = search.await?;
        let is_last = page.hits.is_empty();
        hits.extend(page.hits.into_iter().map(hit_view));
        if is_last || hits.len() >= limit || (offset + hits.len()) as u64 >= page.total {
            return Ok((hits, page.total));
        }
    }
}

fn hit_view(hit: Hit) -> SearchHit {
    let kind = match hit.kind {
        HitKind::Course => SearchKind::Course,
        HitKind::Section => SearchKind::Section,
        HitKind::Story => SearchKind::Story,
    };
    SearchHit {
        kind,
        item: hit.item,
        title: hit.title,
        course_title: hit.course_title,
        snippet: hit.snippet,
    }
}

/// The course or story by itself that contains a result, and whether it is a story.
fn root_of(hit: &SearchHit) -> (bool, &str) {
    let is_story = hit.kind == SearchKind::Story && !hit.item.as_str().contains('/');
    (is_story, hit.item.root())
}

/// Keeps the results whose course or story matches the filters.
async fn matching(
    host: &dyn Host,
    request: &SearchRequest,
    hits: Vec<SearchHit>,
) -> Result<Vec<SearchHit>> {
    let mut kept: BTreeSet<(bool, String)> = BTreeSet::new();
    for is_story in [false, true] {
        let roots = hits.iter().map(root_of).filter(|(story, _)| *story == is_story);
        let roots: BTreeSet<&str> = roots.map(|(_, root)| root).collect();
        let ids: Vec<Slug> = roots.into_iter().filter_map(|id| Slug::new(id).ok()).collect();
        for ids in ids.chunks(MAX_IDS) {
            let found = match is_story {
                true => stories(host, request, ids).await?,
                false => courses(host, request, ids).await?,
            };
            kept.extend(found.into_iter().map(|id| (is_story, id.to_string())));
        }
    }
    let is_kept = |hit: &SearchHit| {
        let (is_story, root) = root_of(hit);
        kept.contains(&(is_story, root.to_owned()))
    };
    Ok(hits.into_iter().filter(is_kept).collect())
}

fn list_request(request: &SearchRequest, ids: &[Slug]) -> ListRequest {
    ListRequest {
        ids: Some(ids.to_vec()),
        category: request.category.clone(),
        lang: request.lang.clone(),
        difficulty: request.difficulty,
        on_device: request.on_device.unwrap_or(false),
        page_size: Some(MAX_IDS as u32),
        ..ListRequest::default()
    }
}

async fn courses(host: &dyn Host, request: &SearchRequest, ids: &[Slug]) -> Result<Vec<Slug>> {
    let list = library::list_courses(host, list_request(request, ids)).await?;
    let matches = |hours: u32, is_finished: bool| {
        request.max_hours.is_none_or(|max| hours <= max.saturating_mul(100))
            && request.finished.is_none_or(|finished| finished == is_finished)
    };
    let found =
        list.items.into_iter().filter(|card| matches(card.course.meta.hours.0, card.completed));
    Ok(found.map(|card| card.course.meta.id).collect())
}

/// A story has no difficulty and no hours: with a difficulty none is found; it counts as shorter than an hour.
async fn stories(host: &dyn Host, request: &SearchRequest, ids: &[Slug]) -> Result<Vec<Slug>> {
    if request.difficulty.is_some() {
        return Ok(Vec::new());
    }
    let list = library::list_stories(host, list_request(request, ids)).await?;
    let matches = |is_finished: bool| request.finished.is_none_or(|f| f == is_finished);
    let found = list.items.into_iter().filter(|card| matches(card.done));
    Ok(found.map(|card| card.story.meta.id).collect())
}

/// Returns the places of the recently used courses and stories, 0 for the last one used.
async fn recent(account: &OpenAccount) -> Result<HashMap<String, usize>> {
    let mut places = HashMap::new();
    for record in account.learning.latest(RECENT).await? {
        let next = places.len();
        places.entry(record.row.item.root().to_owned()).or_insert(next);
    }
    Ok(places)
}

/// Sorts titles before passages, and recently used courses and stories first. Otherwise the order stays.
fn put_recent_first(hits: &mut [SearchHit], recent: &HashMap<String, usize>) {
    hits.sort_by_key(|hit| {
        let is_passage = hit.kind == SearchKind::Section || !hit.snippet.is_empty();
        let place = recent.get(hit.item.root());
        (is_passage, Reverse(place.map(|place| RECENT - place)))
    });
}

/// Encodes a text for a query of an address.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.trim().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use carrel_model::ItemId;

    use super::*;

    fn hit(kind: SearchKind, item: &str, snippet: &str) -> SearchHit {
        SearchHit {
            kind,
            item: ItemId::new(item).unwrap(),
            title: String::new(),
            course_title: String::new(),
            snippet: snippet.to_owned(),
        }
    }

    #[test]
    fn recently_used_results_come_first_among_titles_and_among_passages() {
        let mut hits = [
            hit(SearchKind::Course, "a", ""),
            hit(SearchKind::Course, "b", ""),
            hit(SearchKind::Story, "c", ""),
            hit(SearchKind::Section, "a/x/1", "text"),
            hit(SearchKind::Section, "d/x/1", "text"),
            hit(SearchKind::Section, "b/x/1", "text"),
            hit(SearchKind::Section, "b/x/2", "text"),
        ];
        let order =
            |hits: &[SearchHit]| hits.iter().map(|h| h.item.to_string()).collect::<Vec<_>>();
        let before = order(&hits);
        put_recent_first(&mut hits, &HashMap::new());
        assert_eq!(order(&hits), before);
        let recent = HashMap::from([("c".to_owned(), 0), ("b".to_owned(), 1)]);
        put_recent_first(&mut hits, &recent);
        assert_eq!(order(&hits), ["c", "b", "a", "b/x/1", "b/x/2", "a/x/1", "d/x/1"]);
    }

    #[test]
    fn a_search_text_is_part_of_an_address() {
        assert_eq!(percent_encoded(" a b&c=d/é "), "a%20b%26c%3Dd%2F%C3%A9");
    }
}
