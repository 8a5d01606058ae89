//! Downloads a course and reports when it is ready. Killed by tests/integration/interrupted_downloads.rs.
//!
//! `download FOLDER COURSE [SERVER LOGIN PASSWORD]`: with a server, registers and starts the download; without, opens
//! the existing account, which resumes unfinished downloads.
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
        // An error means missed events: the state is checked again.
        let _ = changes.recv().await;
    }
    report("ready")?;
    client.close().await;
    Ok(())
}
