//! A server command that imports packages, course files or a work file, and ends. Killed by
//! tests/integration/imports.rs.
//!
//! `server import DATA KEY PATH...`: `KEY` is the fingerprint of the accepted key of another library.
//! `server accept DATA FILE`: trusts a device whose key the server does not know. With `CARREL_TEST_STEP=N` the process
//! ends itself at the Nth step.

use std::path::PathBuf;

use carrel_client::{Error, Result};
use carrel_server::{Config, DataDir, bundle_import};
use carrel_tests::aborts_at_failpoint;

pub async fn run(arguments: &[String]) -> Result<()> {
    let invalid = |e: carrel_server::Error| Error::Invalid(e.to_string());
    let [action, data, rest @ ..] = arguments else {
        return Err(Error::Invalid("usage: server import|accept DATA ...".into()));
    };
    let library = DataDir::open(Config::new(data)).map_err(invalid)?;
    if let Some(failpoints) = aborts_at_failpoint() {
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
