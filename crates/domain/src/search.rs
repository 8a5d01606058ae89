//! Search queries. How words are compared: `carrel_model::text`.

use carrel_model::{text::SearchQuery, wire::SearchHit};

use crate::DomainResult;
use crate::store::{Audience, Listed, Store};

impl Store {
    /// Returns courses and stories, then sections and texts of stories, each by relevance. The hits may contain a
    /// course and its sections.
    pub async fn search(
        &self,
        q: &str,
        audience: Audience,
        offset: u64,
        limit: u32,
    ) -> DomainResult<Listed<SearchHit>> {
        let Some(query) = SearchQuery::parse(q) else {
            return Ok(Listed::default());
        };
        Ok(self.read("search", move |tx| tx.search(&query, &audience, offset, limit)).await?)
    }
}
