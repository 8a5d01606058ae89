//! `load`: runs the load scenarios of `carrel-load` against a release build of the server, on SQLite and on PostgreSQL.
//! The load is made on the same computer, so both share its cores. The reports are in target/load.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    postgres::{Cluster, Durability},
    release_build,
    sh::{self, Background, Result},
};

/// Number of learners in the database: one for each event stream.
const LEARNERS: &str = "10000";
/// Time within which the server must start.
const START: Duration = Duration::from_secs(60);

#[derive(Default)]
struct LoadOptions {
    scenario: Option<String>,
    seconds: Option<String>,
    engine: Option<String>,
    bin_dir: Option<PathBuf>,
}

pub fn run(args: &[String]) -> Result {
    let options = options(args)?;
    let bin = match &options.bin_dir {
        Some(dir) => dir.clone(),
        None => build()?,
    };
    let mut failed = Vec::new();
    for engine in ["sqlite", "postgres"] {
        if options.engine.as_deref().is_some_and(|only| only != engine) {
            continue;
        }
        let cluster = match engine {
            "postgres" => match Cluster::start_with(Durability::Kept)? {
                Some(cluster) => Some(cluster),
                None => {
                    println!("PostgreSQL is not installed; `cargo xtask setup server` installs it");
                    continue;
                }
            },
            _ => None,
        };
        if let Err(error) = run_on(engine, cluster.as_ref(), &bin, &options) {
            failed.push(format!("{engine}: {error}"));
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

fn options(args: &[String]) -> Result<LoadOptions> {
    let mut options = LoadOptions::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().cloned().ok_or(format!("{arg} requires a value"));
        match arg.as_str() {
            "--seconds" => options.seconds = Some(value()?),
            "--engine" => options.engine = Some(value()?),
            "--bin-dir" => options.bin_dir = Some(value()?.into()),
            name if !name.starts_with('-') => options.scenario = Some(name.to_owned()),
            other => {
                return Err(format!(
                    "unknown argument `{other}`\nhint: [SCENARIO] --seconds N --engine sqlite|postgres --bin-dir DIR"
                ));
            }
        }
    }
    Ok(options)
}

/// Builds the server as it is released, and the load program.
fn build() -> Result<PathBuf> {
    let mut command = sh::cargo();
    command.args(["build", "--release", "--locked", "-p", "carrel-server", "-p", "carrel-load"]);
    release_build::set_flags(&mut command, &sh::root(), &sh::target());
    sh::run(&mut command)?;
    Ok(sh::target().join("release"))
}

fn run_on(engine: &str, cluster: Option<&Cluster>, bin: &Path, options: &LoadOptions) -> Result {
    let folder = sh::target().join("load").join(engine);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let (data, people, config) =
        (folder.join("data"), folder.join("people.json"), folder.join("config.toml"));
    fs::create_dir_all(&data).map_err(|e| format!("{}: {e}", data.display()))?;
    // The limits of requests are for people, and each person here stands for many.
    let settings = "name = \"Load\"\nroute_limits = false\nmax_connections = 20000\n";
    fs::write(&config, settings).map_err(|e| format!("{}: {e}", config.display()))?;
    let database = |command: &mut Command| {
        if let Some(cluster) = cluster {
            let url = format!("{} dbname=postgres", cluster.address());
            command.env("CARREL_DATABASE_URL", url);
        }
    };
    let mut prepare = sh::program(bin.join("carrel-load"));
    prepare.arg("prepare").arg("--data").arg(&data).arg("--people").arg(&people);
    prepare.args(["--learners", LEARNERS]);
    database(&mut prepare);
    sh::run(&mut prepare)?;
    let port = sh::free_port()?;
    let mut serve = with_open_files(&bin.join("carrel-server"));
    serve.arg("serve").arg("--data").arg(&data).arg("--config").arg(&config);
    serve.arg("--listen").arg(format!("127.0.0.1:{port}"));
    database(&mut serve);
    let mut server = Background::start("carrel-server", &serve, &folder.join("server.log"))?;
    server.wait_until(START, || std::net::TcpStream::connect(("127.0.0.1", port)).ok())?;
    let mut load = with_open_files(&bin.join("carrel-load"));
    load.arg("run").arg("--url").arg(format!("http://127.0.0.1:{port}"));
    load.arg("--people").arg(&people).arg("--out").arg(&folder);
    load.arg("--engine").arg(engine).arg("--server-pid").arg(server.id().to_string());
    for (name, value) in [("--scenario", &options.scenario), ("--seconds", &options.seconds)] {
        if let Some(value) = value {
            load.arg(name).arg(value);
        }
    }
    sh::run(&mut load)
}

/// Returns a command with as many open files as the system allows, for ten thousand connections.
fn with_open_files(program: &Path) -> Command {
    let mut command = sh::program("sh");
    command.args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\""]).arg(program);
    command
}
