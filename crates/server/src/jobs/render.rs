//! Derives again the publications that another release derived from their manifests, so that changes of the derivation
//! apply to them.

use async_trait::async_trait;
use carrel_model::{Slug, content::SignedManifest};

use super::{HOUR_MS, Job};
use crate::{
    data_dir::DataDir,
    error::Error,
    publish::render,
    store::{Kind, StoreError},
};

pub struct Render;

#[async_trait]
impl Job for Render {
    fn name(&self) -> &'static str {
        "render"
    }
    fn every_ms(&self) -> Option<i64> {
        Some(24 * HOUR_MS)
    }
    async fn run(&self, data: &DataDir) -> Result<String, Error> {
        let (mut done, mut failed) = (0, 0);
        let mut after: Option<(Kind, Slug)> = None;
        loop {
            let batch = data.store.rendered_by_others(after.clone()).await?;
            let Some(last) = batch.last() else { break };
            after = Some(last.clone());
            for (kind, id) in batch {
                match render_again(data, kind, &id).await {
                    Ok(()) => done += 1,
                    // A publication that cannot be derived does not block the others.
                    Err(e) => {
                        failed += 1;
                        tracing::error!(publication.id = %id, error = %e, "failed to derive a publication again");
                    }
                }
            }
        }
        match failed {
            0 => Ok(format!("{done} publications derived again")),
            n => Err(Error::Refused(format!("{n} of {} publications failed", done + n))),
        }
    }
}

async fn render_again(data: &DataDir, kind: Kind, id: &Slug) -> Result<(), Error> {
    let Some(published) = data.store.published(kind, id).await? else { return Ok(()) };
    let signed: SignedManifest = serde_json::from_str(&published.manifest)
        .map_err(|e| StoreError::unreadable("manifest", e))?;
    let publication = render(data, signed).await?;
    // Does nothing if another version was published since: this release derived it.
    data.store.replace(publication, published.version, data.config.clock.now_ms()).await?;
    Ok(())
}
