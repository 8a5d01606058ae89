//! Imports a course file or a work file. Killed by tests/integration/bundles.rs and imports.rs.
//!
//! `import FOLDER FILE`: imports into the existing account; without one, into the guest account. Accepts an unknown
//! signing key, and claims work of a guest. With `CARREL_TEST_STEP=N` the process aborts at the Nth step of a change to
//! content.

use std::path::Path;

use carrel_client::{Error, Result, bundle::BundleInfo};
use carrel_tests::{abort_at_failpoint, open_with};

pub async fn run(arguments: &[String]) -> Result<()> {
    let [folder, file] = arguments else {
        return Err(Error::Invalid("usage: import FOLDER FILE".into()));
    };
    let client = open_with(Path::new(folder), "importer", abort_at_failpoint()).await?;
    let file = Path::new(file);
    if client.account().is_none() {
        client.open_guest().await?;
    }
    match client.inspect_file(file, Default::default()).await? {
        BundleInfo::Courses(found) => {
            client.import_courses(file, Some(&found.fingerprint)).await?;
        }
        BundleInfo::Dictionary(found) => {
            client.import_dictionary(file, Some(&found.fingerprint)).await?;
        }
        BundleInfo::Work(_) => {
            client.import_work(file, true).await?;
        }
    }
    client.close().await;
    Ok(())
}
