//! `carrel-release`: makes the feed of a release. `cargo xtask release` calls it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{SystemTime, UNIX_EPOCH},
};

use carrel_release::{
    Error, Result,
    artefact::{Artefact, find},
    notes::notes_of,
    publish::{Release, publish},
    sign::SigningKey,
};
use carrel_update::Channel;
use clap::{Parser, Subcommand};
use jiff::Timestamp;
use semver::Version;
use serde_json::Value;

#[derive(Parser)]
#[command(name = "carrel-release", version, about = "Make the update feed of a release")]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Sign the packages of a release and write the folder of a mirror
    Publish(Publish),
    /// Generate a signing key without a password: NAME.pub and NAME.key
    GenerateKey {
        /// Path without ending
        name: PathBuf,
    },
}

#[derive(clap::Args)]
struct Publish {
    /// Folder of the repository
    #[arg(long, default_value = ".")]
    root: PathBuf,
    /// stable, beta or long-term
    #[arg(long, default_value = "stable")]
    channel: Channel,
    /// Version of the packages
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    version: Version,
    /// Folder of packages; its subfolders are searched
    #[arg(long)]
    bundles: Option<PathBuf>,
    /// Additional package as TARGET=PATH, such as linux-x86_64-program=target/release/carrel
    #[arg(long = "file")]
    files: Vec<String>,
    /// Percentage of the devices to which the release is offered
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(0..=100))]
    rollout: u8,
    /// Oldest version that can be updated directly
    #[arg(long)]
    minimum: Option<Version>,
    /// Days until the feed has to be signed again
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// Folder of the mirror
    #[arg(long)]
    out: PathBuf,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Action::Publish(arguments) => run(&arguments),
        Action::GenerateKey { name } => generate(&name),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Publish) -> Result<()> {
    let read = |name: &str| {
        let path = arguments.root.join(name);
        fs::read_to_string(&path).map_err(Error::at(&path))
    };
    let key = SigningKey::from_env()?;
    let mut artefacts = match &arguments.bundles {
        Some(folder) => find(folder)?,
        None => Vec::new(),
    };
    for file in &arguments.files {
        artefacts.push(Artefact::parse(file)?);
    }
    if artefacts.is_empty() {
        return Err(Error::Input(
            "there is no package; hint: run `cargo xtask bundle` first".into(),
        ));
    }
    let root = arguments.root.clone();
    let release = Release {
        channel: arguments.channel,
        version: arguments.version.clone(),
        published: now()?,
        valid_days: arguments.days,
        notes: notes_of(&read("CHANGELOG.md")?, &arguments.version.to_string()),
        rollout: arguments.rollout,
        minimum_version: arguments.minimum.clone(),
        artefacts,
        metadata: &move |os| metadata(&root, os),
        cargo_lock: read("Cargo.lock")?,
        npm_lock: serde_json::from_str(&read("ui/package-lock.json")?)
            .map_err(|e| Error::Input(format!("ui/package-lock.json: {e}")))?,
    };
    for name in publish(&release, &key, &arguments.out)? {
        println!("{}", arguments.out.join(name).display());
    }
    println!("public key: {}", key.public_key());
    Ok(())
}

fn generate(name: &Path) -> Result<()> {
    let (public, secret) = SigningKey::generate()?.to_files()?;
    for (ending, text) in [("pub", public), ("key", secret)] {
        let path = name.with_extension(ending);
        let mut options = fs::File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(Error::at(&path))?;
        std::io::Write::write_all(&mut file, text.as_bytes()).map_err(Error::at(&path))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Returns `cargo metadata` for the platform of the packages of an operating system.
fn metadata(root: &Path, os: &str) -> Result<Value> {
    let platform = match os {
        "windows" => "x86_64-pc-windows-msvc",
        "macos" => "aarch64-apple-darwin",
        _ => "x86_64-unknown-linux-gnu",
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["metadata", "--format-version", "1", "--locked", "--quiet"])
        .args(["--filter-platform", platform])
        .output()
        .map_err(|e| Error::Input(format!("cargo metadata: {e}")))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::Input(format!("cargo metadata: {text}")));
    }
    serde_json::from_slice(&output.stdout).map_err(|e| Error::Input(format!("cargo metadata: {e}")))
}

#[expect(clippy::disallowed_methods, reason = "the time of the release")]
fn now() -> Result<Timestamp> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
    Timestamp::from_second(seconds).map_err(|e| Error::Input(e.to_string()))
}
