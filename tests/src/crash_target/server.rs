//! Runs an import of the server. Killed by tests/integration/imports.rs.
//!
//! `server import DATA KEY PATH...`: imports packages and course files; accepts the signing key with the fingerprint
//! `KEY`. `server accept DATA FILE`: imports a work file, also from a device whose key is unknown. With
//! `CARREL_TEST_STEP=N` the process aborts at the Nth step.

use std::path::PathBuf;

use carrel_client::{Error, Result};
use carrel_server::{Config, DataDir, bundle_import};
use carrel_tests::abort_at_failpoint;

pub async fn run(arguments: &[String]) -> Result<()> {
    let invalid = |e: carrel_server::Error| Error::Invalid(e.to_string());
    let [action, data, rest @ ..] = arguments else {
        return Err(Error::Invalid("usage: server import|accept DATA ...".into()));
    };
    let library = DataDir::open(Config::new(data)).map_err(invalid)?;
    if let Some(failpoints) = abort_at_failpoint() {
        library.set_failpoints(failpoints);
    }
    match (action.as_str(), rest) {
        ("import", [key, paths @ ..]) => {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            let report =
                library.import_from(&paths, std::slice::from_ref(key)).await.map_err(invalid)?;
            if !report.is_ok() {
                return Err(Error::Invalid(format!("{report:?}")));
            }
        }
        ("accept", [file]) => {
            let acceptance = bundle_import::AcceptOptions { trust_device: true, login: None };
            bundle_import::accept_work(&library, file.as_ref(), acceptance)
                .await
                .map_err(invalid)?;
        }
        _ => {
            return Err(Error::Invalid(
                "usage: server import DATA KEY PATH... | server accept DATA FILE".into(),
            ));
        }
    }
    Ok(())
}
