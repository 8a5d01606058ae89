//! The catalogue as one reader sees it. What the reader may see, and the state of the catalogue, are read on the
//! primary; lists, search and publications of at least this state on a replica, if the database has one.
//!
//! Not here: which courses a person may see (`courses`), changes of the catalogue (`publishing`).

use std::collections::BTreeMap;

use carrel_model::{Slug, UserId, text::SearchQuery, wire::SearchHit};

use crate::{
    DomainResult, courses,
    facts::catalogue_state,
    publishing::with_search,
    store::{
        Audience, CatalogueState, Filter, Freshness, Kind, Listed, ListedPublication, Published,
        Store, StoreError,
    },
};

/// What a reader finds in lists, at the time of a request.
#[derive(Clone)]
pub struct CatalogueView {
    store: Store,
    pub audience: Audience,
    /// What the view returns is of this state or a later one, so that it can be tagged with it: what is stored under a
    /// tag is never older than the tag.
    pub state: CatalogueState,
}

impl CatalogueView {
    fn freshness(&self) -> Freshness {
        Freshness::Catalogue(self.state.clone())
    }
    /// Returns publications in the order of the filter, by relevance first if `q` is given. The audience is that of the
    /// view.
    pub async fn list(
        &self,
        kind: Kind,
        q: Option<&str>,
        filter: Filter,
    ) -> DomainResult<Listed<ListedPublication>> {
        let filter = Filter { audience: self.audience.clone(), ..filter };
        let Some(filter) = with_search(q, filter) else { return Ok(Listed::default()) };
        let read = self
            .store
            .read_replica("list", self.freshness(), move |tx| tx.publications(kind, &filter));
        Ok(read.await?)
    }
    /// Returns courses and stories, then sections and texts of stories, each by relevance.
    pub async fn search(
        &self,
        q: &str,
        offset: u64,
        limit: u32,
    ) -> DomainResult<Listed<SearchHit>> {
        let Some(query) = SearchQuery::parse(q) else { return Ok(Listed::default()) };
        let audience = self.audience.clone();
        let read = self.store.read_replica("search", self.freshness(), move |tx| {
            tx.search(&query, &audience, offset, limit)
        });
        Ok(read.await?)
    }
    /// Returns the names of the owners of courses, by id of the course.
    pub async fn owner_names(&self, courses: Vec<Slug>) -> DomainResult<BTreeMap<String, String>> {
        let read = self
            .store
            .read_replica("owner_names", self.freshness(), move |tx| tx.owner_names(&courses));
        Ok(read.await?)
    }
}

impl Store {
    /// Returns the catalogue as a person sees it; `None`: nobody is signed in.
    pub async fn catalogue_view(&self, user: Option<UserId>) -> DomainResult<CatalogueView> {
        let read = self.read("catalogue_view", move |tx| {
            Ok::<_, StoreError>((
                courses::audience(courses::viewer(tx, user)?),
                catalogue_state(tx)?,
            ))
        });
        let (audience, state) = read.await?;
        Ok(CatalogueView { store: self.clone(), audience, state })
    }

    /// Like `readable`, for pages of the catalogue: on a replica if there is one.
    pub async fn readable_page(
        &self,
        kind: Kind,
        id: &Slug,
        user: Option<UserId>,
    ) -> DomainResult<Option<Published>> {
        if !self.has_replicas() {
            return self.readable(kind, id, user).await;
        }
        let course = id.clone();
        let check = self.read("may_read", move |tx| {
            let is_seen = kind != Kind::Course || courses::sees(tx, user, &course)?;
            is_seen.then(|| catalogue_state(tx)).transpose() as Result<_, StoreError>
        });
        let Some(state) = check.await? else { return Ok(None) };
        let (id, freshness) = (id.clone(), Freshness::Catalogue(state));
        let read = self.read_replica("published", freshness, move |tx| tx.published(kind, &id));
        Ok(read.await?)
    }
}
