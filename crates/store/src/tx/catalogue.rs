//! Courses and stories with their blobs and quizzes, and the search index.

use carrel_model::{
    BlobHash, ItemId, Slug,
    content::{Difficulty, Hours, ManifestBlob},
    search_text::SearchText,
    text::SearchQuery,
    wire::SearchHit,
};

use crate::Result;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Course,
    Story,
}
impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Course => "course",
            Self::Story => "story",
        }
    }
}

/// Order of a list of publications. Results of a search are ordered by relevance first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListOrder {
    #[default]
    Title,
    /// Most enrolled learners first, then the last published.
    Learners,
}

/// Which publications a reader finds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Audience {
    /// All, also those that were withdrawn: for commands.
    #[default]
    All,
    /// All but those that were withdrawn: for administrators.
    Listed,
    /// Those for everybody, and these courses if they are for classes.
    Reader(Vec<Slug>),
}

/// Conditions and page of a list of publications.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub audience: Audience,
    /// Searches titles, descriptions and tags; `None`: all publications, by title.
    pub search: Option<SearchQuery>,
    pub difficulty: Option<Difficulty>,
    pub level: Option<u8>,
    pub category: Option<String>,
    /// Language tag; `text::language::is_accepted` decides which languages it includes.
    pub lang: Option<String>,
    pub min_hours: Option<Hours>,
    pub max_hours: Option<Hours>,
    pub order: ListOrder,
    pub offset: u64,
    pub limit: u32,
}

/// A publication in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPublication {
    /// JSON of `CourseSummary` or `StorySummary`.
    pub summary: String,
    /// Number of learners enrolled in the course, as last counted; 0 for a story.
    pub learners: u64,
}

/// A course or story, and all data derived from its manifest. `summary` and `reply` are JSON, as sent to clients.
#[derive(Debug, Clone)]
pub struct Publication {
    pub kind: Kind,
    pub id: Slug,
    pub title: String,
    pub lang: String,
    pub category: String,
    pub difficulty: Option<Difficulty>,
    pub level: u8,
    pub hours: Hours,
    pub summary: String,
    pub reply: String,
    /// JSON of `SignedManifest`.
    pub manifest: String,
    pub version: BlobHash,
    pub blobs: Vec<ManifestBlob>,
    pub quizzes: Vec<PublishedQuiz>,
    pub passages: Vec<SearchText>,
    /// Identifies the release that derived the publication from the manifest (`carrel_domain::publishing::rendered_by`).
    pub rendered_by: String,
}

/// A compiled quiz: `body` is the JSON of `content::Quiz` whose hash is `hash`.
#[derive(Debug, Clone)]
pub struct PublishedQuiz {
    pub hash: BlobHash,
    pub item: ItemId,
    pub body: String,
}

/// The stored replies of a publication.
#[derive(Debug, Clone)]
pub struct Published {
    pub reply: String,
    pub manifest: String,
    pub version: BlobHash,
    pub rendered_by: String,
}

/// Part of a list, and the length of the whole list.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    pub items: Vec<T>,
    pub total: u64,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { items: Vec::new(), total: 0 }
    }
}

pub trait CatalogueTx {
    /// Inserts or replaces a publication with its blobs, quizzes and passages. Quizzes of earlier versions are kept,
    /// because an attempt is graded by the version at its start. `revision`: revision of the catalogue, which orders
    /// the versions of a quiz.
    fn put_publication(&self, publication: &Publication, revision: u64, now_ms: i64) -> Result<()>;
    /// Deletes a publication. Its quizzes are kept, and its blobs until `delete_unused_blobs`. Returns false if it does
    /// not exist.
    fn delete_publication(&self, kind: Kind, id: &Slug) -> Result<bool>;
    fn published(&self, kind: Kind, id: &Slug) -> Result<Option<Published>>;
    /// Returns at most `limit` publications derived by another release, by kind and id, starting after `after`.
    fn rendered_by_others(
        &self,
        rendered_by: &str,
        after: Option<&(Kind, Slug)>,
        limit: u32,
    ) -> Result<Vec<(Kind, Slug)>>;
    /// Records since when a blob is not referenced by any publication, and deletes the records of blobs not referenced
    /// since `before_ms`. Returns the number of deleted records.
    fn delete_unused_blobs(&self, now_ms: i64, before_ms: i64) -> Result<u64>;
    fn has_course(&self, id: &Slug) -> Result<bool>;
    /// Returns a page of publications in `filter.order`, by relevance first if `filter.search` is set.
    fn publications(&self, kind: Kind, filter: &Filter) -> Result<Listed<ListedPublication>>;
    /// Counts the enrolled learners of each course: those who requested enrolment and have not withdrawn, and whom the
    /// decision admits. Returns the courses whose number differs from the stored one, by id.
    fn changed_learner_counts(&self) -> Result<Vec<(String, u64)>>;
    /// Stores numbers of enrolled learners, in the order given.
    fn set_learner_counts(&self, counts: &[(String, u64)]) -> Result<()>;
    fn blob(&self, hash: BlobHash) -> Result<Option<ManifestBlob>>;
    fn blobs(&self) -> Result<Vec<ManifestBlob>>;
    /// Returns the JSON of the quiz with this hash and item id.
    fn quiz(&self, hash: BlobHash, item: &ItemId) -> Result<Option<String>>;
    /// Returns the JSON of the last published version of a quiz, or of `preferred` if the last version is unknown.
    fn latest_quiz(&self, item: &ItemId, preferred: BlobHash) -> Result<Option<String>>;
}

pub trait SearchTx {
    /// Returns publications, then passages in them, each by relevance. The hits may contain a course and its sections.
    fn search(
        &self,
        query: &SearchQuery,
        audience: &Audience,
        offset: u64,
        limit: u32,
    ) -> Result<Listed<SearchHit>>;
}
