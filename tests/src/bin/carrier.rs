//! Takes a course file in at the desk without an account, agreeing to its key, and ends. To be killed at any moment
//! (tests/together/cable.rs). `carrier FOLDER FILE`.

use std::{path::PathBuf, sync::Arc};

use carrel_core::{
    Error, Result, SystemClock, SystemIds,
    account::FileSecrets,
    cable::Found,
    core::{Config, Core},
    http::LiveHttp,
};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    let [dir, file] = arguments.as_slice() else {
        return Err(Error::Invalid("which folder, which file?".into()));
    };
    let ids = Arc::new(SystemIds);
    let core = Core::open(Config {
        data_dir: dir.join("data"),
        cache_dir: dir.join("cache"),
        demo_dir: None,
        http: Arc::new(LiveHttp::new("Carrel/test")?),
        clock: Arc::new(SystemClock::new()),
        ids: ids.clone(),
        secrets: Some(Arc::new(FileSecrets::new(dir, ids))),
        device_name: "carrier".into(),
        app_version: "0.1.0".into(),
        listens: false,
        space: Default::default(),
    })
    .await?;
    core.open_guest().await?;
    let Found::Courses(found) = core.look_at(file).await? else {
        return Err(Error::Invalid("no courses".into()));
    };
    core.import_courses(file, Some(&found.fingerprint)).await?;
    core.close().await;
    Ok(())
}
