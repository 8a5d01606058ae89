//! Downloads a course and reports when it is ready. Killed by tests/integration/interrupted_downloads.rs.
//!
//! `download FOLDER COURSE [SERVER LOGIN PASSWORD]`: with a server it registers first and starts the download; without,
//! it opens the existing account, and unfinished downloads resume.
//!
//! Lines on stdout: `opened`, `ready`.

use std::path::Path;

use carrel_client::Result;
use carrel_content::Kind;
use carrel_model::Slug;
use carrel_tests::{open, report};

pub async fn run(arguments: &[String]) -> Result<()> {
    let [folder, course, rest @ ..] = arguments else {
        return Err(carrel_client::Error::Invalid(
            "usage: download FOLDER COURSE [SERVER LOGIN PASSWORD]".into(),
        ));
    };
    let course = Slug::new(course).map_err(|e| carrel_client::Error::Invalid(e.to_string()))?;
    let client = open(Path::new(folder), "downloader").await?;
    let mut changes = client.changes().subscribe();
    let account = match rest {
        [server, login, password] => client.register(server, login, login, password).await?,
        _ => client.require_account()?,
    };
    report("opened")?;
    if !rest.is_empty() {
        account.content.downloads.start(Kind::Course, &course)?;
    }
    while account.content.downloads.state(Kind::Course, &course)?.ready_version.is_none() {
        // A receiver that missed events checks the state again.
        let _ = changes.recv().await;
    }
    report("ready")?;
    client.close().await;
    Ok(())
}
