//! Starts, monitors and stops other programs.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Result whose error is a message for the user.
pub type Result<T = ()> = std::result::Result<T, String>;

/// Root folder of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// Target folder of cargo.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// Returns a cargo command with the repository's root as its working directory.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Returns a command for `name` with the repository's root as its working directory.
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    command
}

/// Returns an npm command in `dir`, a folder below the root.
pub fn npm(dir: &str) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.current_dir(root().join(dir));
    command
}

/// Prints the command line, runs the command and returns an error if it fails.
pub fn run(command: &mut Command) -> Result {
    println!("  $ {}", command_line(command));
    let status = command.status().map_err(|e| start_error(command, &e))?;
    if status.success() { Ok(()) } else { Err(format!("`{}`: {status}", without_env(command))) }
}

/// Runs the command without printing and returns its stdout; the error contains its stderr.
pub fn output(command: &mut Command) -> Result<String> {
    let out = command.stdin(Stdio::null()).output().map_err(|e| start_error(command, &e))?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&out.stderr);
    Err(format!("`{}`: {}\n{}", without_env(command), out.status, stderr.trim_end()))
}

fn start_error(command: &Command, error: &std::io::Error) -> String {
    let name = command.get_program().to_string_lossy();
    format!("`{name}` could not be started: {error}")
}

/// Formats the command with its environment variables, as for a shell in the root folder.
fn command_line(command: &Command) -> String {
    let set = command.get_envs().filter_map(|(key, value)| Some((key.to_str()?, value?.to_str()?)));
    // PATH is that of this process with one more folder: too long to print.
    let set = set.filter(|(key, _)| *key != "PATH").map(|(key, value)| format!("{key}={value} "));
    let text = set.collect::<String>() + &without_env(command);
    text.replace(&format!("{}/", root().display()), "")
}

/// Formats the command without its environment.
fn without_env(command: &Command) -> String {
    let path = Path::new(command.get_program());
    let name = path.file_name().filter(|_| path.is_absolute()).unwrap_or(path.as_os_str());
    let mut out = name.to_string_lossy().into_owned();
    for arg in command.get_args() {
        out += " ";
        out += &arg.to_string_lossy();
    }
    out.replace(&format!("{}/", root().display()), "")
}

/// Searches PATH for `name`.
pub fn which(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .flat_map(|dir| {
            [dir.join(name), dir.join(format!("{name}.exe")), dir.join(format!("{name}.cmd"))]
        })
        .find(|file| file.is_file())
}

/// A background program. It is stopped when this value is dropped; on Linux also when this process ends without a drop.
pub struct Background {
    name: String,
    child: Child,
}

impl Background {
    /// Starts `command` in its own process group with its output in `log`.
    pub fn start(name: &str, command: &Command, log: &Path) -> Result<Self> {
        let mut bound_to_parent = bound_to_parent(command);
        let file = create(log)?;
        let errors = file.try_clone().map_err(|e| format!("{}: {e}", log.display()))?;
        bound_to_parent.stdin(Stdio::null()).stdout(file).stderr(errors);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut bound_to_parent, 0);
        let child = bound_to_parent.spawn().map_err(|e| start_error(command, &e))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// Returns the id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits at most `limit` until `ready` returns a value; returns an error if the program ends earlier.
    pub fn wait_until<T>(
        &mut self,
        limit: Duration,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Result<T> {
        let start = Instant::now();
        loop {
            if let Some(found) = ready() {
                return Ok(found);
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("{} exited before it was ready: {status}", self.name));
            }
            if start.elapsed() > limit {
                return Err(format!("{} was not ready after {} s", self.name, limit.as_secs()));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the program ends, without a time limit.
    pub fn wait(&mut self) -> Result {
        let status = self.child.wait().map_err(|e| format!("{}: {e}", self.name))?;
        if status.success() { Ok(()) } else { Err(format!("{}: {status}", self.name)) }
    }

    /// Stops the program, as `Drop` does.
    pub fn stop(self) {}

    fn signal(&self, name: &str) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args([name, "--", &group]).stderr(Stdio::null()).status();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if cfg!(unix) {
            self.signal("-TERM");
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(3) {
                if matches!(self.child.try_wait(), Ok(Some(_))) {
                    // Its child processes may still be running.
                    self.signal("-KILL");
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
            self.signal("-KILL");
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the same command, terminated by the kernel when this process ends (Linux; elsewhere unchanged).
fn bound_to_parent(command: &Command) -> Command {
    let mut out = if cfg!(target_os = "linux") && which("setpriv").is_some() {
        let mut out = Command::new("setpriv");
        out.args(["--pdeathsig", "TERM", "--"]).arg(command.get_program());
        out
    } else {
        Command::new(command.get_program())
    };
    out.args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => out.env(key, value),
            None => out.env_remove(key),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        out.current_dir(dir);
    }
    out
}

/// Creates an empty file, and its folder if it is missing.
pub fn create(path: &Path) -> Result<fs::File> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    }
    fs::File::create(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Reads a text file; the error contains its path.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Writes a text file only if its content differs, so that no rebuild is triggered.
pub fn write_if_changed(path: &Path, text: &str) -> Result {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    std::io::Write::write_all(&mut create(path)?, text.as_bytes())
        .map_err(|e| format!("{}: {e}", path.display()))
}

/// Writes an executable script; an unchanged file is not rewritten.
pub fn write_script(path: &Path, text: &str) -> Result {
    write_if_changed(path, text)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(path, mode).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}

/// Returns a loopback TCP port that was free when this was called.
pub fn free_port() -> Result<u16> {
    std::net::TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|e| format!("no free loopback port: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn dropping_a_background_program_stops_it_and_its_children() {
        let log = target().join("xtask-test/background.log");
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $!; wait"]);
        let mut shell = Background::start("sh", &command, &log).unwrap();
        let pid = shell
            .wait_until(Duration::from_secs(10), || {
                fs::read_to_string(&log).ok().filter(|text| text.ends_with('\n'))
            })
            .unwrap();
        let proc = PathBuf::from(format!("/proc/{}", pid.trim()));
        assert!(!cfg!(target_os = "linux") || proc.exists());
        shell.stop();
        let alive =
            || fs::read_to_string(proc.join("stat")).is_ok_and(|stat| !stat.contains(") Z "));
        let start = Instant::now();
        while alive() && start.elapsed() < Duration::from_secs(10) {
            thread::yield_now();
        }
        assert!(!alive());
    }

    #[test]
    fn the_error_of_a_failed_program_contains_its_stderr() {
        let error = output(cargo().arg("no-such-command")).unwrap_err();
        assert!(error.contains("no-such-command"), "{error}");
    }
}
