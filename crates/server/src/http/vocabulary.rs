//! The learner's words: progress and recommendations.
//!
//! Not here: how they are computed (`crate::domain::vocabulary`).

use std::sync::Arc;

use axum::{Extension, Json as Reply, extract::State, response::IntoResponse};
use carrel_response_cache::ValidUntil;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    App,
    api_error::ApiError,
    catalogue::paging,
    extract::{Query, SignedInUser},
    me::{AnalyticsQuery, checked_offset},
    sync::blocking,
};
use crate::domain::vocabulary::{
    MAX_WORD_ROWS, VocabularyProgress, WordRecommendation, read_vocabularies,
};

/// Returns how well the learner knows the words on the list, as the app computes it from the same rows.
#[utoipa::path(get, path = "/api/vocabulary/progress", tag = "learner",
    params(("offMin" = Option<i16>, Query)),
    responses((status = 200, body = VocabularyProgress), (status = 400), (status = 401), (status = 413)))]
pub async fn vocabulary_progress(
    State(app): State<App>,
    caller: SignedInUser,
    Query(query): Query<AnalyticsQuery>,
) -> Result<impl IntoResponse, ApiError> {
    checked_offset(query.off_min)?;
    let now_ms = app.clock.now_ms();
    let words = app.store.learner_words(caller.user.id, query.off_min, now_ms, MAX_WORD_ROWS);
    let words = words.await?;
    let valid_until = Extension(ValidUntil(words.today.end_ms()));
    Ok((valid_until, Reply(blocking(move || words.progress()).await?)))
}

/// Query string of `GET /api/vocabulary/recommendations`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecommendationQuery {
    off_min: Option<i16>,
    page: Option<u32>,
    page_size: Option<u32>,
}

/// Words to take up next.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recommendations {
    /// Level of the learner, 1 to 5: the mean level of the stories read above 50 %.
    level: f64,
    items: Vec<WordRecommendation>,
    page: u32,
    page_size: u32,
    total: u64,
}

/// Lists words to take up next: those to review today, the most urgent first, then new ones of the learner's courses
/// and stories, those nearest to the learner's level first, then the most frequent.
#[utoipa::path(get, path = "/api/vocabulary/recommendations", tag = "learner",
    params(("offMin" = Option<i16>, Query), ("page" = Option<u32>, Query),
        ("pageSize" = Option<u32>, Query, maximum = 200)),
    responses((status = 200, body = Recommendations), (status = 400), (status = 401), (status = 413)))]
pub async fn vocabulary_recommendations(
    State(app): State<App>,
    caller: SignedInUser,
    Query(query): Query<RecommendationQuery>,
) -> Result<impl IntoResponse, ApiError> {
    let (page, page_size) = paging(query.page, query.page_size)?;
    checked_offset(query.off_min)?;
    let user = caller.user.id;
    let now_ms = app.clock.now_ms();
    let words = app.store.learner_words(user, query.off_min, now_ms, MAX_WORD_ROWS).await?;
    let found = app.store.word_sources(user).await?;
    let valid_until = Extension(ValidUntil(words.today.end_ms()));
    let blobs = Arc::clone(&app.blobs);
    let chosen = blocking(move || {
        let vocabularies = read_vocabularies(blobs.as_ref(), &found.sources)?;
        Ok::<_, std::io::Error>(words.recommendations(vocabularies, found.level))
    });
    let chosen = chosen.await?.map_err(|e| ApiError::of_blobs(&e))?;
    let total = chosen.words.len() as u64;
    let first = (page as usize - 1).saturating_mul(page_size as usize);
    let items = chosen.words.into_iter().skip(first).take(page_size as usize).collect();
    Ok((valid_until, Reply(Recommendations { level: chosen.level, items, page, page_size, total })))
}
