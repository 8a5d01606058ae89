//! Named values stored in the database.

pub(crate) use carrel_store::facts::increment;

use crate::DomainResult;
use crate::store::{CatalogueState, Store, StoreError, facts, tx::Tx};

/// Increments the revision of the catalogue and returns it.
pub(crate) fn next_revision(tx: &dyn Tx) -> Result<u64, StoreError> {
    increment(tx, facts::CATALOGUE)
}

/// Returns the state of the catalogue.
pub(crate) fn catalogue_state(tx: &dyn Tx) -> Result<CatalogueState, StoreError> {
    let mut found = Vec::new();
    for name in CatalogueState::FACTS {
        found.extend(tx.fact(name)?.map(|value| (name, value)));
    }
    Ok(CatalogueState::of(found.iter().map(|(name, value)| (*name, value.as_str()))))
}

impl Store {
    /// Returns the random id of this copy of the database: created with it and replaced by a restore.
    pub async fn epoch(&self) -> DomainResult<String> {
        self.required_fact(facts::EPOCH).await
    }
    /// Returns the random id of this server: created with its database and kept by backup and restore.
    pub async fn server_id(&self) -> DomainResult<String> {
        self.required_fact(facts::SERVER_ID).await
    }
    /// Returns the revision of the catalogue, which each change of the catalogue increments.
    pub async fn catalogue_revision(&self) -> DomainResult<u64> {
        let found = self.read("fact", |tx| tx.fact(facts::CATALOGUE)).await?;
        Ok(found.and_then(|text| text.parse().ok()).unwrap_or(0))
    }
    async fn required_fact(&self, name: &'static str) -> DomainResult<String> {
        let found = self.read("fact", move |tx| tx.fact(name)).await?;
        Ok(found.ok_or_else(|| StoreError::unreadable(name, "the value is missing"))?)
    }
}
