//! Removal of an account, or of the work of a guest, from this device, and the list of what it would lose.
//!
//! Not here: the list of accounts (`account`), sign-out, which keeps everything (`accounts`).

use std::sync::Arc;

use carrel_learning::store::{Store, outbox};
use carrel_model::lattice::RowType;
use carrel_sqlite::{Change, Changes};
use carrel_system::blocking;

use crate::{Error, Result, account::AccountInfo, client::Client};

/// Changes that the server does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsynced {
    /// Number of changed rows by type, in the order of `RowType::ALL`; refused rows included. Types without a changed
    /// row are left out.
    pub by_type: Vec<(RowType, u32)>,
    /// False if the database cannot be read, so that the number is not known.
    pub is_known: bool,
}

impl Unsynced {
    /// Returns the number of changes.
    pub fn total(&self) -> u32 {
        self.by_type.iter().fold(0, |sum, (_, n)| sum.saturating_add(*n))
    }
}

impl Client {
    /// Returns what the server does not have of an account, open or not.
    pub async fn unsynced(&self, id: &str) -> Result<Unsynced> {
        let _switching = self.switching.lock().await;
        let info = self.removable(id)?;
        self.count_unsynced(&info).await
    }

    /// Deletes an account of this device with all its files. `unsynced` is the number of changes that the learner
    /// accepted to lose. The account without a server cannot be removed.
    ///
    /// # Errors
    ///
    /// `Error::Conflict` if the account has another number of unsynced changes; `Error::Pin` if it is not open, has a
    /// PIN, and `pin` is not it.
    pub async fn remove_account(&self, id: &str, pin: Option<&str>, unsynced: u32) -> Result<()> {
        let _switching = self.switching.lock().await;
        let info = self.removable(id)?;
        let open = self.account().filter(|open| open.id() == id);
        if open.is_none() {
            self.check_pin(id, pin).await?;
        }
        let found = self.count_unsynced(&info).await?.total();
        if found != unsynced {
            return Err(Error::Conflict(format!(
                "the account has {found} unsynced changes, not {unsynced}; hint: list them again"
            )));
        }
        let refresh = self.drop_tokens(&info, open.as_deref()).await?;
        if open.is_some() {
            drop(open);
            self.close_open().await;
        }
        self.shared.closed().await;
        let removed = info.id.clone();
        self.shared.with_accounts(move |accounts| accounts.remove(&removed)).await?;
        self.end_session(&info, refresh);
        if let Err(e) = self.remove_content(info.id).await {
            tracing::warn!(error = %e, "the content of a removed account is still on the disk");
        }
        self.changes().publish_one(Change::Account);
        Ok(())
    }

    /// Deletes the work of the account without a server, which has to be open, and opens the account again. Downloads and
    /// imported courses stay.
    ///
    /// # Errors
    ///
    /// `Error::Invalid` if another account is open: the server has its work, too.
    pub async fn erase_guest_work(&self) -> Result<()> {
        let switching = self.switching.lock().await;
        let open = self.account().map(|open| open.id().to_owned());
        let guest = open.and_then(|id| self.accounts().get(&id)).filter(AccountInfo::is_demo);
        let Some(info) = guest else {
            return Err(Error::Invalid(
                "only the work of the account without a server can be erased; hint: open it, or remove the account"
                    .to_owned(),
            ));
        };
        self.close_open().await;
        self.shared.closed().await;
        let (id, kept) = (info.id.clone(), info);
        self.shared
            .with_accounts(move |accounts| {
                accounts.remove(&kept.id)?;
                accounts.put(&kept)
            })
            .await?;
        drop(switching);
        self.switch(&id).await?;
        Ok(())
    }

    fn removable(&self, id: &str) -> Result<AccountInfo> {
        let missing = || Error::NotFound(format!("account {id}"));
        let info = self.accounts().get(id).ok_or_else(missing)?;
        if info.is_demo() {
            return Err(Error::Invalid(
                "the account without a server cannot be removed".to_owned(),
            ));
        }
        Ok(info)
    }

    async fn count_unsynced(&self, info: &AccountInfo) -> Result<Unsynced> {
        if let Some(open) = self.account().filter(|open| open.id() == info.id) {
            let by_type = open.store.read(outbox::unsynced).await?;
            return Ok(Unsynced { by_type, is_known: true });
        }
        self.shared.closed().await;
        let folder = self.accounts().folder(&info.id);
        let options = self.shared.store_options(true, Changes::new());
        let opened = blocking(move || {
            if !folder.exists() {
                return Ok(None);
            }
            Ok::<_, Error>(Some(Arc::new(Store::open(&folder, options)?)))
        });
        let counted = match opened.await {
            Ok(None) => Ok(Vec::new()),
            Ok(Some(store)) => {
                let counted = store.read(outbox::unsynced).await;
                store.close().await;
                counted.map_err(Error::from)
            }
            Err(e) => Err(e),
        };
        Ok(match counted {
            Ok(by_type) => Unsynced { by_type, is_known: true },
            Err(e) => {
                tracing::warn!(error = %e, "the unsynced changes of an account could not be counted");
                Unsynced { by_type: Vec::new(), is_known: false }
            }
        })
    }

    /// Deletes the lists and downloads of an account. Files that other accounts need are kept.
    pub(super) async fn remove_content(&self, id: String) -> Result<()> {
        let storage = self.storage().await?;
        let folder = self.config().cache_dir.join("accounts").join(&id);
        blocking(move || {
            if folder.exists() {
                carrel_system::files::remove_folder(&folder)?;
            }
            Ok::<_, Error>(storage.forget_account(&id)?)
        })
        .await
    }
}
