//! Exports and imports of the open account.
//!
//! Not here: how they are done (`bundle`).

use std::path::Path;

use carrel_content::Kind;
use carrel_model::Slug;

use crate::{
    Error, Result,
    bundle::{self, BundleInfo, Context, ExportedFile, ImportedCourse, ImportedWork},
    client::Client,
};

impl Client {
    /// Writes courses and stories that are on this device into one file in `folder`. A file of the same name is replaced.
    ///
    /// Errors: `ImportError::NotHere`, `Missing` (with what), `NoSpace`, `NoPlace`, `Busy`; `Cancelled`.
    pub async fn export_courses(
        &self,
        items: &[(Kind, Slug)],
        folder: &Path,
    ) -> Result<ExportedFile> {
        bundle::export_courses(&self.bundle_context()?, items, folder).await
    }

    /// Writes all rows of the open account into a file in `folder`, signed by this device. What waits for the server still waits.
    pub async fn export_work(&self, folder: &Path) -> Result<ExportedFile> {
        bundle::export_work(&self.bundle_context()?, folder).await
    }

    /// Reads a file as far as it can be checked at once: what it contains, from whom, and whether it would be imported. Writes nothing.
    pub async fn inspect_file(&self, path: &Path) -> Result<BundleInfo> {
        bundle::inspect(&self.bundle_context()?, path).await
    }

    /// Imports courses and stories. `accept`: the fingerprint that a person agreed to, if the key is new here.
    ///
    /// Errors leave every course as it was: `ImportError::NotAccepted`, `WrongKey`, `OtherLibrary`, `Taken`, `NoSpace`, `Busy`, and all
    /// faults of the file; `Cancelled`. Blobs that were verified before an error stay as cache, so that a second attempt has less to do.
    pub async fn import_courses(
        &self,
        path: &Path,
        accept: Option<&str>,
    ) -> Result<Vec<ImportedCourse>> {
        let imported = bundle::import_courses(&self.bundle_context()?, path, accept).await?;
        self.uploads.discard(path).await;
        Ok(imported)
    }

    /// Joins the rows of a work file with those of the open account. `claim`: a person said that work without an account is theirs.
    ///
    /// Errors: `ImportError::OtherLearner`, `OtherServer`, `Unclaimed`, and all faults of the file. Importing the same file twice writes
    /// nothing.
    pub async fn import_work(&self, path: &Path, claim: bool) -> Result<ImportedWork> {
        let imported = bundle::import_work(&self.bundle_context()?, path, claim).await?;
        self.uploads.discard(path).await;
        Ok(imported)
    }

    fn bundle_context(&self) -> Result<Context<'_>> {
        let account = self.need_account()?;
        let info = self.accounts().get(account.id()).ok_or(Error::UNAUTHENTICATED)?;
        Ok(Context { account, info, shared: &self.shared, transfers: &self.transfers })
    }
}
