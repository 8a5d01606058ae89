//! Kiosk: a machine that many people use one after the other. Their work is deleted when they sign out or when somebody
//! else signs in. Work that the server does not have is kept, encrypted, for a claim with a code.
//!
//! Not here: the file of kept work (`bundle::kept_work`), the policy itself (`policy`).

use std::{path::PathBuf, sync::Arc, time::Duration};

use carrel_learning::store::outbox;
use carrel_model::{ErrorCode, lattice::RowType};
use carrel_sqlite::Change;
use carrel_system::blocking;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    account::AccountInfo,
    bundle::{self, Context, ImportedWork},
    client::{Client, OpenFailure},
    open_account::OpenAccount,
};

/// Maximum time of the last sync before the work of an account is deleted.
const LAST_SYNC: Duration = Duration::from_secs(15);
/// The same at a start, which waits for it.
const LAST_SYNC_AT_START: Duration = Duration::from_secs(3);
/// Folder of kept work, in the folder of the accounts.
const KEPT_FOLDER: &str = "kept";
/// Name of the secret with the codes that nobody has noted yet.
const CODES_SECRET: &str = "kept-work-codes";

/// Work that was kept at a sign-out because the server does not have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptWork {
    /// The code to show to the learner. Until it is noted it is stored with the tokens, and then nowhere.
    pub code: String,
    /// Number of entries in the file.
    pub rows: u64,
    /// Display name of the learner; empty for a guest.
    pub learner: String,
}

/// What becomes of work that the server does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unsent {
    /// It is kept under a code.
    Keep,
    /// The account stays with its tokens, signed out: the learner can sign in again, and the next wipe sends the work.
    LeaveAccount,
}

/// Returns true if the server lacks changes, apart from the name and the key of this device.
fn has_unsent_work(conn: &rusqlite::Connection) -> carrel_learning::Result<bool> {
    let by_type = outbox::unsynced(conn)?;
    let total: u32 = by_type.iter().map(|(_, count)| count).sum();
    let waiting = outbox::waiting_of_type(conn, RowType::Kv)?;
    let of_device = waiting.iter().filter(|key| bundle::is_of_device(key)).count();
    Ok(usize::try_from(total).unwrap_or(usize::MAX) > of_device)
}

impl Client {
    /// Returns the work that was kept and whose codes nobody has noted yet.
    pub fn kept_work(&self) -> Vec<KeptWork> {
        self.kept.lock().clone()
    }
    /// Forgets the code of kept work after the learner has noted it.
    pub async fn forget_kept_work(&self, code: &str) -> Result<()> {
        let _switching = self.switching.lock().await;
        let mut rest = self.kept_work();
        rest.retain(|kept| kept.code != code);
        self.store_codes(rest).await?;
        self.changes().publish_one(Change::Account);
        Ok(())
    }
    /// Returns true if this machine keeps work that can be claimed.
    pub async fn has_claimable_work(&self) -> bool {
        let folder = self.kept_folder();
        blocking(move || Ok::<_, Error>(bundle::has_kept_work(&folder))).await.unwrap_or(false)
    }

    /// Merges kept work with that of the open account, deletes the file and forgets the code.
    ///
    /// # Errors
    ///
    /// `Error::NotFound` if no work is kept under the code; `Error::Import` as for a work file, for example
    /// `OtherLearner`.
    pub async fn claim_work(&self, code: &str) -> Result<ImportedWork> {
        let claimed =
            bundle::claim_work(&self.bundle_context()?, &self.kept_folder(), code).await?;
        let same = bundle::ClaimCode::parse(code).map(|code| code.to_string());
        if let Some(code) = same
            && let Err(e) = self.forget_kept_work(&code).await
        {
            tracing::warn!(error = %e, "the code of claimed work could not be forgotten");
        }
        Ok(claimed)
    }

    pub(super) fn is_kiosk(&self) -> bool {
        self.policies().policies.kiosk_mode
    }
    fn kept_folder(&self) -> PathBuf {
        self.config().data_dir.join(KEPT_FOLDER)
    }

    /// Reads the codes that nobody has noted yet. The secrets are only read if work is kept, because a keychain may ask
    /// for a password.
    pub(super) async fn read_kept_work(&self) {
        if !self.has_claimable_work().await {
            return;
        }
        let secrets = self.shared.secrets.clone();
        let read = blocking(move || match secrets.get(CODES_SECRET)? {
            Some(text) => Ok::<_, Error>(serde_json::from_str(&text)?),
            None => Ok(Vec::new()),
        });
        match read.await {
            Ok(kept) => *self.kept.lock() = kept,
            Err(e) => tracing::warn!(error = %e, "the codes of kept work cannot be read"),
        }
    }
    async fn store_codes(&self, kept: Vec<KeptWork>) -> Result<()> {
        let (secrets, stored) = (self.shared.secrets.clone(), kept.clone());
        blocking(move || {
            if stored.is_empty() {
                secrets.delete(CODES_SECRET)?;
            } else {
                secrets.set(CODES_SECRET, &serde_json::to_string(&stored)?)?;
            }
            Ok::<_, Error>(())
        })
        .await?;
        *self.kept.lock() = kept;
        Ok(())
    }

    /// Deletes all accounts of this machine except `remaining`, after a last sync. Work of the open account that the
    /// server does not have is kept. On error, the account in question is still there, open if it was. Called with
    /// `switching` locked.
    pub(super) async fn end_kiosk_session(&self, remaining: Option<&str>) -> Result<()> {
        let open = self.account().map(|open| open.id().to_owned());
        let mut ended = Ok(());
        let mut others = self.accounts().all();
        others.retain(|info| Some(info.id.as_str()) != remaining);
        for info in others {
            let unsent = match open.as_ref() == Some(&info.id) || info.is_demo() {
                true => Unsent::Keep,
                false => Unsent::LeaveAccount,
            };
            ended = ended.and(self.wipe(info, unsent, LAST_SYNC).await);
        }
        self.changes().publish_one(Change::Account);
        ended
    }

    /// Ends the session if this account is open or none is; otherwise, deletes only this account, which an earlier
    /// session left. Called with `switching` locked.
    pub(super) async fn end_kiosk_session_of(&self, info: AccountInfo) -> Result<()> {
        let is_other = self.account().is_some_and(|open| open.id() != info.id);
        if !is_other {
            return self.end_kiosk_session(None).await;
        }
        let ended = self.wipe(info, Unsent::LeaveAccount, LAST_SYNC).await;
        self.changes().publish_one(Change::Account);
        ended
    }

    /// Deletes what the last run left behind because it ended without a sign-out. No account is open afterwards.
    pub(super) async fn clean_up_kiosk(&self) {
        let _switching = self.switching.lock().await;
        for info in self.accounts().all() {
            // A guest has no password with which they could return to their work.
            let unsent = if info.is_demo() { Unsent::Keep } else { Unsent::LeaveAccount };
            if let Err(e) = self.wipe(info, unsent, LAST_SYNC_AT_START).await {
                tracing::warn!(error = %e, "the work of the last run could not be deleted");
            }
        }
        if let Err(e) = self.shared.with_accounts(|accounts| accounts.set_active(None)).await {
            tracing::warn!(error = %e, "an account of the last run is still the active one");
        }
    }

    /// Deletes what the previous guest left, if their session did not end properly. Called before a guest starts.
    pub(super) async fn end_guest_session(&self) -> Result<()> {
        let _switching = self.switching.lock().await;
        let guest = self.accounts().all().into_iter().find(AccountInfo::is_demo);
        match guest.filter(|guest| self.account().is_none_or(|open| open.id() != guest.id)) {
            Some(guest) => self.wipe(guest, Unsent::Keep, LAST_SYNC).await,
            None => Ok(()),
        }
    }

    /// Deletes an account. On error, the account and its work are still there.
    async fn wipe(&self, info: AccountInfo, unsent: Unsent, sync_time: Duration) -> Result<()> {
        let open = self.account().filter(|open| open.id() == info.id);
        let was_open = open.is_some();
        if let Some(open) = open {
            self.last_sync(&open, sync_time).await;
            drop(open);
            // From here on nothing is added to the work that is checked below.
            self.close_open().await;
        }
        let account = match self.open_for_wipe(&info).await {
            Ok(account) => account,
            Err(e) => {
                let (account, error) = (info.clone(), Arc::new(e.clone()));
                *self.failure.lock() = Some(OpenFailure { account, error });
                return Err(e);
            }
        };
        if !was_open {
            self.last_sync(&account, sync_time).await;
        }
        let refresh = match self.secure(&account, &info, unsent).await {
            Ok(true) => self.drop_tokens(&info, Some(&account)).await,
            Ok(false) => {
                account.close().await;
                let id = info.id;
                let left = self.shared.with_accounts(move |accounts| {
                    accounts.set_session_state(&id, false, true)?;
                    accounts.set_active(None)
                });
                return left.await;
            }
            Err(e) => Err(e),
        };
        let refresh = match refresh {
            Ok(refresh) => refresh,
            Err(e) => {
                if was_open {
                    self.install(account).await;
                } else {
                    account.close().await;
                }
                return Err(e);
            }
        };
        account.close().await;
        drop(account);
        self.shared.closed().await;
        self.end_session(&info, refresh);
        // Before the entry in the list: a wipe that is interrupted is repeated at the next start.
        if let Err(e) = self.remove_content(info.id.clone()).await {
            tracing::warn!(error = %e, "the content of a deleted account is still on the disk");
        }
        self.shared.with_accounts(move |accounts| accounts.remove(&info.id)).await
    }

    /// Opens an account that commands cannot use.
    async fn open_for_wipe(&self, info: &AccountInfo) -> Result<Arc<OpenAccount>> {
        let session = info.server.as_ref().map(|address| self.shared.session(info, address));
        let storage = self.storage().await?;
        Ok(Arc::new(OpenAccount::open(&self.shared, storage, info, session).await?))
    }

    async fn last_sync(&self, account: &OpenAccount, time: Duration) {
        if account.is_demo() {
            return;
        }
        tokio::select! {
            synced = account.sync.sync_now() => {
                if let Err(e) = synced {
                    tracing::warn!(error = %e, "the last sync failed");
                }
            }
            () = self.clock().sleep(time) => tracing::warn!("the last sync took too long"),
        }
    }

    /// Returns true if the work can be deleted: the server has it, or it is kept.
    async fn secure(
        &self,
        account: &Arc<OpenAccount>,
        info: &AccountInfo,
        unsent: Unsent,
    ) -> Result<bool> {
        // With a full disk, the copy in memory is complete; otherwise another program may write to the file.
        if let Some(e) = account.store.read_only()
            && e.code() != ErrorCode::DiskFull
        {
            return Err(e.into());
        }
        let has_unsent_work = if info.is_demo() {
            let rows = account.store.read(bundle::all_rows).await?;
            rows.iter().any(|row| !bundle::is_device_setting(row))
        } else {
            account.store.read(has_unsent_work).await?
        };
        if !has_unsent_work {
            return Ok(true);
        }
        if unsent == Unsent::LeaveAccount {
            return Ok(false);
        }
        let context = Context {
            account: account.clone(),
            info: info.clone(),
            shared: &self.shared,
            transfers: &self.transfers,
            dictionaries: &self.dictionaries,
        };
        let code = bundle::new_code(self.config().ids.as_ref());
        let rows = bundle::keep_work(&context, &self.kept_folder(), &code).await?;
        let learner = if info.is_demo() { String::new() } else { info.user.name.clone() };
        let mut kept = self.kept_work();
        kept.push(KeptWork { code: code.to_string(), rows, learner });
        if let Err(e) = self.store_codes(kept).await {
            bundle::discard_work(&self.kept_folder(), &code).await;
            return Err(e);
        }
        Ok(true)
    }
}
