//! Runs a server with the demo library, a learner and an administrator, for `run`, the window tests and the benchmarks.

use std::{
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    checks::ui_size,
    setup,
    sh::{self, Background, Result},
};

/// Login of the learner that `run` signs in; the server listens on loopback only.
pub const LOGIN: &str = "ada";
/// Login of the administrator.
pub const OFFICE: &str = "office";
/// Password of [`LOGIN`] and [`OFFICE`].
pub const PASSWORD: &str = "a quiet desk";

/// A data folder with the demo library, and its server while it is running.
pub struct Demo {
    server: PathBuf,
    data: PathBuf,
    port: u16,
    logs: PathBuf,
    running: Option<Background>,
}

impl Demo {
    /// Fills `data` with the demo library and the learner, unless an earlier run has done so.
    pub fn prepare(data: &Path, logs: &Path) -> Result<Self> {
        Self::prepare_with_profile("debug", data, logs)
    }

    /// Like [`Self::prepare`], with the server built with `profile` (`debug`, `release`).
    pub fn prepare_with_profile(profile: &str, data: &Path, logs: &Path) -> Result<Self> {
        let server = server_program(profile);
        let complete = data.join("complete");
        if !complete.exists() {
            std::fs::create_dir_all(data).map_err(|e| format!("{}: {e}", data.display()))?;
            import(|| sh::program(&server), data)?;
            add_person(sh::program(&server), data, LOGIN, "Ada")?;
            add_person(sh::program(&server), data, OFFICE, "Office")?;
            let mut role = sh::program(&server);
            role.args(["user", "role", OFFICE, "administrator", "--data"]);
            sh::run(role.arg(data))?;
            export(sh::program(&server), data, &library(data))?;
            sh::create(&complete)?;
        }
        Ok(Self {
            server,
            data: data.to_owned(),
            port: sh::free_port()?,
            logs: logs.to_owned(),
            running: None,
        })
    }

    /// Compiles and publishes another folder of packages. The server must not be running.
    pub fn import_packages(&self, folder: &Path) -> Result {
        // The output has one line per package; there may be a thousand.
        let log = self.logs.join("import.log");
        let mut command = self.program();
        command.arg("import").arg(folder).arg("--data").arg(&self.data).stdout(sh::create(&log)?);
        sh::run(&mut command)
            .map_err(|e| format!("{e}\nhint: {} lists the problems", log.display()))
    }

    /// Server address as entered in the sign-in form.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Folder of the demo library as plain files, as an installed app contains it for users without an account.
    pub fn library(&self) -> PathBuf {
        library(&self.data)
    }

    /// Host and port of the server.
    pub fn socket(&self) -> (&'static str, u16) {
        ("127.0.0.1", self.port)
    }

    /// Starts the server, always at the same address, and waits until it accepts connections.
    pub fn start(&mut self) -> Result {
        let mut command = self.program();
        command
            .arg("serve")
            .arg("--data")
            .arg(&self.data)
            .arg("--listen")
            .arg(format!("127.0.0.1:{}", self.port));
        let staff = sh::root().join(ui_size::STAFF_DIST);
        if staff.is_dir() {
            command.arg("--staff-dir").arg(staff);
        }
        let mut server =
            Background::start("carrel-server", &command, &self.logs.join("server.log"))?;
        let port = self.port;
        server
            .wait_until(Duration::from_secs(30), || TcpStream::connect(("127.0.0.1", port)).ok())?;
        self.running = Some(server);
        Ok(())
    }

    fn program(&self) -> Command {
        sh::program(&self.server)
    }

    /// Stops the server, so that connections to it fail.
    pub fn stop(&mut self) {
        self.running = None;
    }
}

/// Compiles the demo library with the server program `server` and writes it to `library` as plain files, replacing an
/// existing folder.
pub fn build_library(server: &Path, library: &Path) -> Result {
    let data = library.with_extension("build");
    for old in [library, &data] {
        if old.exists() {
            std::fs::remove_dir_all(old).map_err(|e| format!("{}: {e}", old.display()))?;
        }
    }
    let program = || sh::program(server);
    import(program, &data)?;
    export(program(), &data, library)?;
    std::fs::remove_dir_all(&data).map_err(|e| format!("{}: {e}", data.display()))
}

/// Compiles and publishes the demo library into a data folder, with the fonts that its texts need.
fn import(server: impl Fn() -> Command, data: &Path) -> Result {
    let assets = sh::root().join("assets");
    match setup::install_demo_fonts() {
        Ok(fonts) => {
            sh::run(server().args(["fonts", "install"]).arg(fonts).arg("--data").arg(data))?
        }
        // Without them, devices use a font of their system.
        Err(e) => println!("  the demo library brings no fonts along: {e}"),
    }
    let mut server = server();
    server.arg("import").args([assets.join("courses"), assets.join("stories")]);
    sh::run(server.arg("--data").arg(data))
}

fn library(data: &Path) -> PathBuf {
    data.with_file_name("demo-library")
}

fn export(mut server: Command, data: &Path, library: &Path) -> Result {
    sh::run(server.arg("export-library").arg(library).arg("--data").arg(data))
}

/// Path of the server program built with `profile` (`debug`, `release`).
pub fn server_program(profile: &str) -> PathBuf {
    sh::target().join(profile).join(format!("carrel-server{}", std::env::consts::EXE_SUFFIX))
}

/// Adds a person. `user add` reads the password from stdin, so that no command line contains it.
fn add_person(mut server: Command, data: &Path, login: &str, name: &str) -> Result {
    let failed = |e: std::io::Error| format!("carrel-server user add: {e}");
    let mut child = server
        .args(["user", "add", "--login", login, "--name", name, "--password-stdin", "--data"])
        .arg(data)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut input = child.stdin.take().ok_or("carrel-server has no standard input")?;
    std::io::Write::write_all(&mut input, format!("{PASSWORD}\n").as_bytes()).map_err(failed)?;
    drop(input);
    let status = child.wait().map_err(failed)?;
    if status.success() { Ok(()) } else { Err(format!("carrel-server user add: {status}")) }
}
