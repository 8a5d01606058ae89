//! Recovers the work of an account that its server lost: the server was restored from a backup older than the account,
//! and the learner created a new account with the same login. The local work is merged into the new account.
//!
//! Not here: devices that still have tokens of the old account; their next refresh recreates it on the server.

use std::sync::Arc;

use carrel_learning::store::Store;
use carrel_model::wire::AdoptRequest;
use carrel_net::Tokens;
use carrel_sqlite::Changes;
use carrel_system::blocking;

use crate::{
    Error, Result, account,
    account::AccountInfo,
    bundle::{all_rows, join_rows},
    client::Client,
    open_account::OpenAccount,
};

impl Client {
    /// Merges the work of other local accounts with the same login on the same server, if the server confirms that it
    /// lost them. Failures are retried at the next sign-in.
    pub(super) async fn adopt_lost_accounts(&self, open: &OpenAccount, info: &AccountInfo) {
        let is_lost = |other: &AccountInfo| {
            other.server.is_some()
                && other.server == info.server
                // A different server at the same address must receive neither the rows nor the certificate.
                && (other.identity().is_none() || other.identity() == info.identity())
                && other.user.id != info.user.id
                && other.user.login.trim().to_lowercase() == info.user.login.trim().to_lowercase()
        };
        for other in self.accounts().all().into_iter().filter(is_lost) {
            match self.adopt(open, &other).await {
                Ok(rows) => tracing::info!(
                    account.rows = rows,
                    "merged the work of an account that the server had lost"
                ),
                Err(e) => {
                    tracing::info!(error = %e, "the work of a lost account could not be merged")
                }
            }
        }
    }

    /// Merges the work of `other` into `open`. Returns the number of rows that changed local data.
    async fn adopt(&self, open: &OpenAccount, other: &AccountInfo) -> Result<u64> {
        let (secrets, name) = (self.shared.secrets.clone(), other.id.clone());
        let found = blocking(move || secrets.get(&name)).await?;
        let tokens = found.and_then(|text| serde_json::from_str::<Tokens>(&text).ok());
        let request = AdoptRequest {
            refresh_token: tokens.map(|t| t.refresh).unwrap_or_default(),
            account_certificate: other.certificate.clone(),
        };
        if request.refresh_token.is_empty() && request.account_certificate.is_empty() {
            return Err(Error::UNAUTHENTICATED);
        }
        account::adopt(open.http.as_ref(), &open.base_url, &request).await?;
        let options = self.shared.store_options(true, Changes::new());
        let folder = self.accounts().folder(&other.id);
        let old = Arc::new(blocking(move || Store::open(&folder, options)).await?);
        let rows = old.read(all_rows).await;
        old.close().await;
        let texts = rows?
            .iter()
            .map(|row| Ok(serde_json::to_string(row)?))
            .collect::<Result<Vec<String>>>()?;
        let imported = open.store.write("adopt", move |tx| join_rows(tx, &texts, false)).await?;
        Ok(imported.changed)
    }
}
