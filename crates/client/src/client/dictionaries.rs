//! Dictionary packs from the server of the open account.
//!
//! Not here: the packs of the device and their downloads (`dictionary`).

use std::sync::Arc;

use carrel_bundle::DictionaryBundle;
use carrel_model::{ErrorCode, Slug};
use carrel_sqlite::Change;
use carrel_system::blocking;

use crate::{
    Error, Result,
    client::Client,
    dictionary::{Downloader, OfferedDictionary, PATH, check_key, parse},
    open_account::OpenAccount,
};

impl Client {
    /// Returns the packs that the server offers, sorted by name. The known list is returned at once, also offline.
    ///
    /// # Errors
    ///
    /// `Net` if the list was never read and the server cannot be reached.
    pub async fn offered_dictionaries(&self) -> Result<Vec<OfferedDictionary>> {
        let account = self.require_account()?;
        let offered = self.offers(&account).await?;
        let dictionaries = self.dictionaries().clone();
        let installed = blocking(move || dictionaries.all()).await?;
        let view = |bundle: DictionaryBundle| OfferedDictionary {
            installed: installed
                .iter()
                .find(|found| found.facts.id == bundle.facts.id)
                .map(|found| found.facts.clone()),
            download: account.dictionary_downloads.state(&bundle),
            facts: bundle.facts,
        };
        let mut offered: Vec<_> = offered.into_iter().map(view).collect();
        offered.sort_by(|a, b| (&a.facts.name, &a.facts.id).cmp(&(&b.facts.name, &b.facts.id)));
        Ok(offered)
    }

    /// Downloads a pack that the server offers, or retries its download. It goes on in the background, and after a
    /// restart. `anyway` allows metered networks and low battery.
    ///
    /// # Errors
    ///
    /// `NotFound`; `ImportError::NotAccepted` and `WrongKey` for a pack of another signer.
    pub async fn download_dictionary(&self, id: &Slug, anyway: bool) -> Result<()> {
        let account = self.require_account()?;
        let info = self.accounts().get(account.id()).ok_or(Error::UNAUTHENTICATED)?;
        let offered = self.offers(&account).await?;
        let bundle = offered
            .into_iter()
            .find(|bundle| bundle.facts.id == *id)
            .ok_or_else(|| Error::NotFound(format!("the server offers no dictionary {id}")))?;
        let (dictionaries, content) = (self.dictionaries().clone(), account.content.clone());
        let bundle = blocking(move || {
            let library = &content.library;
            check_key(library, &info, &dictionaries, &bundle)?;
            dictionaries.set_wanted(library.base_url(), &bundle)?;
            library.storage().keep_part(bundle.facts.hash);
            Ok::<_, Error>(bundle)
        })
        .await?;
        self.start_dictionary(&account, &bundle, anyway);
        self.changes().publish_one(Change::Storage);
        Ok(())
    }

    /// Stops the download of a pack. An installed pack stays. Fetched bytes are kept until the next start.
    pub async fn stop_dictionary_download(&self, id: &Slug) -> Result<()> {
        let account = self.require_account()?;
        self.dictionaries().forget_wanted(id).await;
        if account.dictionary_downloads.stop(id) {
            self.changes().publish_one(Change::Storage);
        }
        Ok(())
    }

    /// Continues the downloads that were requested from the server of an account.
    pub(super) async fn resume_dictionaries(&self, account: &Arc<OpenAccount>) {
        let dictionaries = self.dictionaries().clone();
        match blocking(move || dictionaries.wanted()).await {
            Ok(wanted) => {
                for (_, bundle) in wanted.iter().filter(|(server, _)| *server == account.base_url) {
                    self.start_dictionary(account, bundle, false);
                }
            }
            Err(e) => tracing::warn!(error = %e, "cannot continue downloads of dictionaries"),
        }
    }

    fn start_dictionary(&self, account: &OpenAccount, bundle: &DictionaryBundle, anyway: bool) {
        let Some(run) = account.dictionary_downloads.begin(bundle, anyway) else { return };
        let downloader = Downloader {
            downloads: account.dictionary_downloads.clone(),
            dictionaries: self.dictionaries().clone(),
            content: account.content.clone(),
            changes: self.changes().clone(),
        };
        account.spawn(downloader.run(run));
    }

    async fn offers(&self, account: &OpenAccount) -> Result<Vec<DictionaryBundle>> {
        if account.is_demo() {
            return Ok(Vec::new());
        }
        let changes = self.changes().clone();
        let cache = account.content.library.cache();
        let list = cache.get(PATH, move || changes.publish_one(Change::Storage)).await;
        match list.map_err(|e| Error::from(carrel_content::Error::from(e))) {
            Ok(list) => blocking(move || parse(&list.body)).await,
            // A server without dictionaries, of an earlier release.
            Err(e) if e.code() == ErrorCode::NotFound => Ok(Vec::new()),
            Err(e) => Err(e),
        }
    }
}
