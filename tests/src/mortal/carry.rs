//! Takes a course file in at the desk without an account, agreeing to its key, and ends. Killed by tests/together/cable.rs.
//!
//! `carry FOLDER FILE`.

use std::path::Path;

use carrel_core::{Error, Result, cable::Found};
use carrel_tests::open;

pub async fn run(arguments: &[String]) -> Result<()> {
    let [folder, file] = arguments else {
        return Err(Error::Invalid("which folder, which file?".into()));
    };
    let core = open(Path::new(folder), "carrier").await?;
    let file = Path::new(file);
    core.open_guest().await?;
    let Found::Courses(found) = core.look_at(file).await? else {
        return Err(Error::Invalid("no courses".into()));
    };
    core.import_courses(file, Some(&found.fingerprint)).await?;
    core.close().await;
    Ok(())
}
