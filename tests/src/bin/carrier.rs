//! Takes a course file in at the desk without an account, agreeing to its key, and ends. To be killed at any moment
//! (tests/together/cable.rs). `carrier FOLDER FILE`.

use std::path::PathBuf;

use carrel_core::{Error, Result, cable::Found};
use carrel_tests::open;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    let [dir, file] = arguments.as_slice() else {
        return Err(Error::Invalid("which folder, which file?".into()));
    };
    let core = open(dir, "carrier").await?;
    core.open_guest().await?;
    let Found::Courses(found) = core.look_at(file).await? else {
        return Err(Error::Invalid("no courses".into()));
    };
    core.import_courses(file, Some(&found.fingerprint)).await?;
    core.close().await;
    Ok(())
}
