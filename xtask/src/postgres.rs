//! `with-postgres`: runs a command with a temporary PostgreSQL cluster, for tests. `rolling-upgrade`: one of them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::sh::{self, Result};

/// Environment variable with the address of the cluster for the tests.
pub const VARIABLE: &str = "CARREL_TEST_POSTGRES";

/// A cluster in a temporary folder, reached by a socket in it. Dropping it stops PostgreSQL and removes the folder.
pub struct Cluster {
    bin: PathBuf,
    folder: PathBuf,
    as_root: bool,
}

/// Whether commits survive a failure of the computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The cluster is deleted after the tests, so commits need not wait for the disk.
    None,
    /// As in use, for measurements.
    Kept,
}

impl Cluster {
    /// Creates and starts a cluster for tests. Returns `None` if PostgreSQL is not installed.
    pub fn start() -> Result<Option<Self>> {
        Self::start_with(Durability::None)
    }
    /// Creates and starts a cluster. Returns `None` if PostgreSQL is not installed.
    pub fn start_with(durability: Durability) -> Result<Option<Self>> {
        let Some(bin) = programs() else { return Ok(None) };
        let folder = env::temp_dir().join(format!("carrel-pg-{}", std::process::id()));
        let failed = |e: std::io::Error| format!("{}: {e}", folder.display());
        fs::create_dir(&folder).map_err(failed)?;
        // PostgreSQL refuses to run as root.
        let as_root = sh::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
        let cluster = Self { bin, folder, as_root };
        if as_root {
            sh::output(Command::new("chown").arg("postgres").arg(&cluster.folder))?;
        }
        let data = cluster.folder.join("data");
        let mut create = cluster.program("initdb");
        create.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale"]);
        sh::output(create.arg("--no-sync").arg("--pgdata").arg(&data))?;
        let durability = match durability {
            Durability::None => "-c fsync=off -c full_page_writes=off",
            Durability::Kept => "",
        };
        let options = format!(
            "-k {} -c listen_addresses= {durability} -c max_connections=300 -c shared_buffers=128MB \
             -c autovacuum_naptime=10s",
            cluster.folder.display()
        );
        let mut start = cluster.program("pg_ctl");
        start.args(["start", "--wait", "--silent", "--options", &options]);
        start.arg("--log").arg(cluster.folder.join("log")).arg("--pgdata").arg(&data);
        // The output of the server would keep a pipe open.
        start.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        sh::run(&mut start)?;
        Ok(Some(cluster))
    }
    /// Returns the address of the cluster for `VARIABLE`.
    pub fn address(&self) -> String {
        format!("host={} user=postgres", self.folder.display())
    }
    fn program(&self, name: &str) -> Command {
        let program = self.bin.join(name);
        if !self.as_root {
            return sh::program(program);
        }
        let mut command = sh::program("runuser");
        command.args(["-u", "postgres", "--"]).arg(program).current_dir(&self.folder);
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = self.program("pg_ctl");
        stop.args(["stop", "--mode=immediate", "--silent", "--pgdata"]);
        let _ = sh::output(stop.arg(self.folder.join("data")));
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Returns the folder of the programs of the newest PostgreSQL.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").is_file())
        .max();
    let in_path = || sh::which("initdb").and_then(|file| file.parent().map(Path::to_owned));
    newest.map(|(_, bin)| bin).or_else(in_path)
}

pub fn run(args: &[String]) -> Result {
    let (program, rest) = args.split_first().ok_or("with-postgres requires a command")?;
    let cluster = Cluster::start()?
        .ok_or("PostgreSQL is not installed\nhint: `cargo xtask setup server` installs it")?;
    sh::run(sh::program(program).args(rest).env(VARIABLE, cluster.address()))
}

/// Runs the test of an upgrade from the program of an older server.
pub fn rolling_upgrade(args: &[String]) -> Result {
    let [option, path] = args else { return Err("usage: rolling-upgrade --old-bin PATH".into()) };
    let path = fs::canonicalize(path).map_err(|e| format!("{path}: {e}"))?;
    if option != "--old-bin" || !path.is_file() {
        return Err(format!("{option} {}: not the program of a server", path.display()));
    }
    let cluster = Cluster::start()?
        .ok_or("PostgreSQL is not installed\nhint: `cargo xtask setup server` installs it")?;
    let mut test = sh::program("cargo");
    test.args(["nextest", "run", "--locked", "-p", "carrel-server", "--test", "api"]);
    test.args(["--no-capture", "-E", "test(old_and_new_processes_serve_the_same_devices)"]);
    test.env("CARREL_TEST_ENGINE", "postgres").env("CARREL_OLD_SERVER", &path);
    sh::run(test.env(VARIABLE, cluster.address()))
}
