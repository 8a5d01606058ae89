//! Imports a file of courses or of work and ends. Killed by tests/together/cable.rs and imports.rs.
//!
//! `carry FOLDER FILE`: imports into the existing account, or into the guest account. Accepts a new signing key, and
//! claims
//! work done without an account. With `CARREL_TEST_STEP=N` the process ends itself at the Nth step of a change of
//! content.

use std::path::Path;

use carrel_client::{Error, Result, bundle::BundleInfo};
use carrel_tests::{aborts_at_failpoint, open_with};

pub async fn run(arguments: &[String]) -> Result<()> {
    let [folder, file] = arguments else {
        return Err(Error::Invalid("usage: carry FOLDER FILE".into()));
    };
    let core = open_with(Path::new(folder), "carrier", aborts_at_failpoint()).await?;
    let file = Path::new(file);
    if core.account().is_none() {
        core.open_guest().await?;
    }
    match core.inspect_file(file).await? {
        BundleInfo::Courses(found) => {
            core.import_courses(file, Some(&found.fingerprint)).await?;
        }
        BundleInfo::Work(_) => {
            core.import_work(file, true).await?;
        }
    }
    core.close().await;
    Ok(())
}
