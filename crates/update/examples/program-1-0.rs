//! Version 1.0.0 of the program that the tests update: looks for an update at a loopback server, downloads it and
//! replaces itself.
//!
//! Usage: `program-1-0 update UPDATES KEY URL NOW_MS [STEP]`; the process is killed after the step.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program of tests")]

#[path = "program/mod.rs"]
mod program;

use std::{path::Path, process::ExitCode, sync::Arc};

use carrel_net::{Http, LiveHttp};
use carrel_system::SystemDisk;
use carrel_testkit::{FakeClock, clock::NoWait};
use carrel_update::{
    Channel, Decision, Error, Keys, PackageKind, Target, UpdatePolicy, decide,
    decision::Installation,
    download::{Downloader, packages_dir},
    install::{Replacement, Step},
    journal::Journal,
    mirror::Mirrors,
};
use semver::Version;

const VERSION: Version = Version::new(1, 0, 0);

fn main() -> ExitCode {
    if let Some(code) = program::run(&VERSION.to_string(), false) {
        return code;
    }
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    match update(&arguments) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{:?}: {error}", error.problem());
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn update(arguments: &[String]) -> Result<String, Error> {
    let updates = Path::new(&arguments[0]);
    let keys = Keys::parse([arguments[1].as_str()])?;
    let now_ms: i64 = arguments[3].parse().unwrap();
    let kill_at = arguments.get(4).cloned().unwrap_or_default();
    let http: Arc<dyn Http> = Arc::new(LiveHttp::new("program/1.0.0")?);
    let installation = Installation {
        version: VERSION,
        target: Target::of_this_program(PackageKind::Program),
        device_id: "device".into(),
        failed_versions: Journal::read(updates).failed,
    };
    let mirrors = Mirrors::parse(&[arguments[2].as_str()])?;
    let feed = mirrors.feed(&http, &keys, Channel::Stable, &|_| Ok(())).await?;
    let file = match decide(&installation, &UpdatePolicy::default(), &feed, None, now_ms) {
        Decision::Download(file) => file,
        Decision::Refused(refusal) => return Err(refusal.into()),
        other => return Ok(format!("{other:?}")),
    };
    let target = installation.target.to_string();
    let downloader = Downloader {
        http,
        clock: Arc::new(NoWait(FakeClock::new(now_ms))),
        disk: Arc::new(SystemDisk),
        dir: packages_dir(updates),
        keys: keys.clone(),
    };
    let addresses = mirrors.addresses(&file.urls);
    let package = downloader.download(&feed, &target, &addresses, &|_| ()).await?;
    let at = |step: Step| {
        if format!("{step:?}") == kill_at {
            std::process::abort();
        }
    };
    let replacement = Replacement {
        updates,
        program: &program::program(),
        version: &VERSION,
        feed: &feed,
        target: &target,
        package: package.path,
        keys: &keys,
        disk: &SystemDisk,
        at: &at,
    };
    replacement.run()?;
    Ok(format!("installed {}", feed.version))
}
