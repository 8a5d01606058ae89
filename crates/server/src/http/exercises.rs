//! Exercises after a story, derived from its sentences and vocabulary.
//!
//! Not here: which exercises a story has (`carrel_model::content::story_exercises`).

use axum::{
    extract::State,
    http::{HeaderMap, Uri},
    response::Response,
};
use carrel_model::{
    BlobHash, ErrorCode, Slug,
    content::{Exercise, Quiz, Story, story_exercises},
    wire::StoryReply,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

use super::{
    App,
    api_error::ApiError,
    catalogue::{ITEM_MAX_AGE, not_modified, published, reply_with_tag, revision_tag},
    extract::{Path, Query},
    sync::blocking,
};
use crate::{domain::publishing::rendered_by, store::Kind};

/// Query string of `GET /api/learning/exercises/story/{id}`.
#[derive(Debug, Default, Deserialize)]
pub struct ExerciseQuery {
    #[serde(default)]
    seed: u32,
}

/// The exercises of a story.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoryExercises {
    story_id: Slug,
    /// The same story and seed give the same exercises.
    seed: u32,
    /// Each with its kind, its question and the solution.
    #[schema(value_type = Vec<Object>)]
    exercises: Vec<Exercise>,
}

/// Returns exercises of a story. Kinds of question that the story's own quiz has are left out.
#[utoipa::path(get, path = "/api/learning/exercises/story/{id}", tag = "catalogue",
    params(("id" = Slug, Path), ("seed" = Option<u32>, Query)),
    responses((status = 200, body = StoryExercises), (status = 304), (status = 404)))]
pub async fn exercises_of_story(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    Path(id): Path<Slug>,
    Query(query): Query<ExerciseQuery>,
) -> Result<Response, ApiError> {
    let found = published(&app, Kind::Story, &id, None).await?;
    let epoch = app.store.epoch().await?;
    let tag = revision_tag(&epoch, &format!("{} {}", found.version, rendered_by()), &uri);
    if let Some(reply) = not_modified(&headers, &tag, ITEM_MAX_AGE) {
        return Ok(reply);
    }
    let work = move || {
        let reply: StoryReply = serde_json::from_str(&found.reply).map_err(unreadable)?;
        let story: Story = read(&app, reply.body)?;
        let quiz: Option<Quiz> = match &story.quiz {
            Some(quiz) => Some(read(&app, quiz.body)?),
            None => None,
        };
        let exercises = story_exercises(&story, quiz.as_ref(), query.seed);
        let body = StoryExercises { story_id: id, seed: query.seed, exercises };
        serde_json::to_string(&body).map_err(unreadable)
    };
    Ok(reply_with_tag(blocking(work).await??, &tag, ITEM_MAX_AGE))
}

/// Reads a compiled part of a story. Blocks.
fn read<T: DeserializeOwned>(app: &App, hash: BlobHash) -> Result<T, ApiError> {
    let bytes = app.blobs.read(hash).map_err(|e| ApiError::of_blob(hash, &e))?;
    serde_json::from_slice(&bytes).map_err(unreadable)
}

fn unreadable(e: serde_json::Error) -> ApiError {
    ApiError::new(ErrorCode::Internal, format!("a stored story cannot be read: {e}"))
}
