//! Imports the rows of a work file.
//!
//! Not here: how rows merge (`rows`, `carrel_learning`).

use std::{path::Path, sync::Arc};

use carrel_bundle::{Bundle, Fault, WorkBundle};
use carrel_model::wire::AdoptRequest;
use carrel_system::blocking;

use crate::{
    Error, ImportError, Result, account,
    bundle::{
        Context,
        inspect::{check_work, open_bundle},
        rows::{ImportedWork, join_rows},
    },
    open_account::OpenAccount,
};

/// Merges the rows of a work file in one transaction, like rows from the server, and adds changed rows to the outbox.
/// `claim`: the user confirmed that work without an account is theirs.
pub(crate) async fn import_work(
    context: &Context<'_>,
    path: &Path,
    claim: bool,
) -> Result<ImportedWork> {
    let path = path.to_owned();
    let work = blocking(move || match open_bundle(&path)?.0 {
        Bundle::Work(work) => Ok::<_, Error>(work),
        Bundle::Courses(_) | Bundle::Dictionary(_) => {
            Err(ImportError::File(Fault::NoContent).into())
        }
    })
    .await?;
    merge_work(context, work, claim).await
}

/// Merges the rows of a work file that was read. `claim` as for [`import_work`].
pub(super) async fn merge_work(
    context: &Context<'_>,
    work: WorkBundle,
    claim: bool,
) -> Result<ImportedWork> {
    let Context { account, info, .. } = context;
    let (work, refusal) = check_work(context, work).await?;
    if let Some(refusal) = refusal {
        let is_accepted = match &refusal {
            ImportError::Unclaimed => claim,
            ImportError::OtherLearner { .. } => {
                !info.is_demo() && request_adoption(account, &work).await?
            }
            _ => false,
        };
        if !is_accepted {
            return Err(refusal.into());
        }
    }
    let claimed = work.header.is_guest();
    let rows: Arc<[String]> = work.rows.into();
    let storage = account.content.library.storage().clone();
    let written = storage.clone();
    let imported = account
        .store
        .write("import_work", move |tx| {
            storage.failpoint("import: work begun");
            let imported = join_rows(tx, &rows, claimed);
            storage.failpoint("import: work merged");
            imported
        })
        .await?;
    written.failpoint("import: work written");
    tracing::info!(
        bundle.rows = imported.rows,
        bundle.changed = imported.changed,
        "imported a work file"
    );
    Ok(imported)
}

/// Requests that the server assigns the work of an account that it lost to the signed-in learner. Returns false if the
/// server refuses, or if the file has no certificate.
async fn request_adoption(account: &OpenAccount, work: &WorkBundle) -> Result<bool> {
    if work.header.certificate.is_empty() {
        return Ok(false);
    }
    let request = AdoptRequest {
        refresh_token: String::new(),
        account_certificate: work.header.certificate.clone(),
    };
    match account::adopt(account.http.as_ref(), &account.base_url, &request).await {
        Ok(()) => Ok(true),
        Err(carrel_net::Error::Server { status: 400..=499, .. }) => Ok(false),
        Err(e) => Err(e.into()),
    }
}
