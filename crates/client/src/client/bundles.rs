//! Exports and imports of the open account.
//!
//! Not here: their implementation (`bundle`).

use std::path::Path;

use carrel_content::Kind;
use carrel_model::Slug;

use crate::{
    Error, Result,
    bundle::{
        self, BundleInfo, Context, ConversionChoice, DictionaryFacts, ExportedFile, ImportedCourse,
        ImportedWork,
    },
    client::Client,
};

impl Client {
    /// Exports local courses and stories to one file in `folder`. A file of the same name is replaced.
    ///
    /// # Errors
    ///
    /// `ImportError::NotDownloaded`, `Missing` (with the names), `NoSpace`, `NotWritable`, `Busy`; `Cancelled`.
    pub async fn export_courses(
        &self,
        items: &[(Kind, Slug)],
        folder: &Path,
    ) -> Result<ExportedFile> {
        bundle::export_courses(&self.bundle_context()?, items, folder).await
    }

    /// Exports all rows of the open account to a file in `folder`, signed by this device. The outbox does not change.
    pub async fn export_work(&self, folder: &Path) -> Result<ExportedFile> {
        bundle::export_work(&self.bundle_context()?, folder).await
    }

    /// Reads and checks as much of a file as is possible without importing it: its contents, its origin, and whether
    /// it can be imported. A file of another program is converted to a course file in the cache folder, as the learner
    /// chose (default language: English).
    ///
    /// # Errors
    ///
    /// All faults of the file; for one of another program also `Error::Managed`, `ImportError::NotConverted`,
    /// `NoSpace` and `Busy`, and `Error::Cancelled`.
    pub async fn inspect_file(
        &self,
        path: &Path,
        choice: ConversionChoice<'_>,
    ) -> Result<BundleInfo> {
        bundle::inspect(&self.bundle_context()?, path, choice, &self.uploads).await
    }

    /// Imports courses and stories. `accept`: the fingerprint of the key that the user accepted, if it is not trusted
    /// yet.
    ///
    /// # Errors
    ///
    /// `Error::Managed`; `ImportError::NotAccepted`, `WrongKey`, `OtherLibrary`, `Taken`, `NoSpace`, `Busy`, all faults of the file;
    /// `Cancelled`. Until all blobs are stored, an error leaves every course unchanged; after a later error, courses
    /// that are already switched stay ready. Verified blobs stay in the cache, so that another import copies less.
    pub async fn import_courses(
        &self,
        path: &Path,
        accept: Option<&str>,
    ) -> Result<Vec<ImportedCourse>> {
        self.shared.policies.check_course_import()?;
        let context = self.bundle_context()?;
        let mut imported = bundle::import_courses(&context, path, accept).await?;
        bundle::import_reviews(&context.account, path, &mut imported).await?;
        self.uploads.discard(path).await;
        Ok(imported)
    }

    /// Installs the dictionary pack of a file for all accounts of this device. `accept`: the fingerprint of the key
    /// that the user accepted, if it is not trusted yet.
    ///
    /// # Errors
    ///
    /// `Error::Managed`; `ImportError::NotAccepted`, `WrongKey`, `NoSpace`, `Busy`, all faults of the file;
    /// `Cancelled`. An installed pack stays as it was.
    pub async fn import_dictionary(
        &self,
        path: &Path,
        accept: Option<&str>,
    ) -> Result<DictionaryFacts> {
        self.shared.policies.check_course_import()?;
        let imported = bundle::import_dictionary(&self.bundle_context()?, path, accept).await?;
        self.uploads.discard(path).await;
        Ok(imported)
    }

    /// Merges the rows of a work file with those of the open account. `claim`: the user confirmed that work without an
    /// account is theirs. Importing a file a second time writes nothing.
    ///
    /// # Errors
    ///
    /// `Error::Managed`; `ImportError::OtherLearner`, `OtherServer`, `Unclaimed`, and all faults of the file.
    pub async fn import_work(&self, path: &Path, claim: bool) -> Result<ImportedWork> {
        self.shared.policies.check_work_import()?;
        let imported = bundle::import_work(&self.bundle_context()?, path, claim).await?;
        self.uploads.discard(path).await;
        Ok(imported)
    }

    /// Writes the learner's notes, words or progress, as the content of a file for other programs, to `folder`. The
    /// name gets `what` and the date. `count`: number of notes, words or rows.
    pub async fn export_texts(
        &self,
        what: &str,
        folder: &Path,
        extension: &str,
        content: Vec<u8>,
        count: u64,
    ) -> Result<ExportedFile> {
        let context = self.bundle_context()?;
        let name = bundle::file_name(what, context.account.store.clock().now_ms(), extension);
        bundle::export_file(&context, folder, &name, content, count).await
    }

    pub(super) fn bundle_context(&self) -> Result<Context<'_>> {
        let account = self.require_account()?;
        let info = self.accounts().get(account.id()).ok_or(Error::UNAUTHENTICATED)?;
        Ok(Context {
            account,
            info,
            shared: &self.shared,
            transfers: &self.transfers,
            dictionaries: &self.dictionaries,
        })
    }
}
