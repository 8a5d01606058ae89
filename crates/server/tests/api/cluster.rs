//! PostgreSQL servers of a test: a primary, and standbys that receive what it writes.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tokio_postgres::{Client, NoTls};

use super::processes::PATIENCE;

/// A PostgreSQL server in a temporary folder, reached by a socket in it. It is stopped when it is dropped.
pub struct Postgres {
    programs: PathBuf,
    folder: tempfile::TempDir,
    as_root: bool,
    logs_statements: bool,
}

impl Postgres {
    /// Returns `None` if the programs of PostgreSQL are not installed.
    fn in_new_folder() -> Option<Self> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
        let programs = versions.map(|entry| entry.path().join("bin"));
        let programs = programs.filter(|bin| bin.join("pg_basebackup").is_file()).max()?;
        let user = Command::new("id").arg("-u").output().ok()?;
        let postgres = Self {
            programs,
            folder: tempfile::tempdir().unwrap(),
            as_root: user.stdout.trim_ascii() == b"0",
            logs_statements: false,
        };
        if postgres.as_root {
            // PostgreSQL refuses to run as root.
            let mut owner = Command::new("chown");
            assert!(owner.arg("postgres").arg(postgres.folder()).status().unwrap().success());
        }
        Some(postgres)
    }
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
    fn log(&self) -> PathBuf {
        self.folder().join("log")
    }
    /// Returns the number of places in the log with this text. Statements are logged before they are executed, if
    /// `log_statements` was called.
    pub fn logged(&self, text: &str) -> usize {
        std::fs::read_to_string(self.log()).unwrap().matches(text).count()
    }
    fn data(&self) -> PathBuf {
        self.folder().join("data")
    }
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if self.as_root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder()).stdout(Stdio::null());
        command
    }
    pub fn control(&self, args: &[&str]) {
        let mut control = self.program("pg_ctl");
        control.args(args).arg("--silent").arg("--pgdata").arg(self.data());
        assert!(control.stderr(Stdio::null()).status().unwrap().success(), "pg_ctl {args:?}");
    }
    pub fn start(&self) {
        let options = format!(
            "-k {} -c listen_addresses= -c fsync=off -c max_connections=100 {}",
            self.folder().display(),
            if self.logs_statements { "-c log_statement=all" } else { "" }
        );
        let log = self.log();
        self.control(&["start", "--wait", "--options", &options, "--log", log.to_str().unwrap()]);
    }
    /// Returns the URL of a database.
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}/{database}")
    }
    /// Creates the database `school`.
    pub async fn create_school(&self) {
        let create = "CREATE DATABASE school TEMPLATE template0 ENCODING 'UTF8'";
        self.client("postgres").await.batch_execute(create).await.unwrap();
    }
    pub fn primary() -> Option<Self> {
        Self::create(false)
    }
    /// Returns a primary that logs all statements, as do its standbys.
    pub fn primary_with_log() -> Option<Self> {
        Self::create(true)
    }
    fn create(logs_statements: bool) -> Option<Self> {
        let mut primary = Self::in_new_folder()?;
        primary.logs_statements = logs_statements;
        let mut create = primary.program("initdb");
        create.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale"]);
        create.arg("--no-sync").arg("--pgdata").arg(primary.data());
        assert!(create.status().unwrap().success());
        primary.start();
        Some(primary)
    }
    /// Returns a standby that receives what this server writes.
    pub fn standby(&self) -> Self {
        let mut standby = Self::in_new_folder().unwrap();
        standby.logs_statements = self.logs_statements;
        let mut copy = standby.program("pg_basebackup");
        copy.arg("--host")
            .arg(self.folder())
            .args(["--username=postgres", "--write-recovery-conf"]);
        copy.args(["--checkpoint=fast", "--no-sync", "--pgdata"]).arg(standby.data());
        assert!(copy.status().unwrap().success());
        standby.start();
        standby
    }
    pub fn stop(&self) {
        self.control(&["stop", "--mode=immediate"]);
    }
    pub async fn client(&self, database: &str) -> Client {
        let address = format!("host={} user=postgres dbname={database}", self.folder().display());
        let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = self.program("pg_ctl");
        stop.args(["stop", "--mode=immediate", "--silent", "--pgdata"]).arg(self.data());
        let _ = stop.stderr(Stdio::null()).status();
    }
}

/// Repeats a query until its only value is true: a change of another process is waited for.
pub async fn wait_until(client: &Client, condition: &str) {
    let check = async {
        while !client.query_one(condition, &[]).await.unwrap().get::<_, bool>(0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, check).await.unwrap_or_else(|_| panic!("{condition}"));
}
