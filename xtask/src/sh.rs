//! Other programs: how they are called, watched and ended.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What went wrong, for the person at the terminal.
pub type Result<T = ()> = std::result::Result<T, String>;

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// The folder cargo builds into.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// Cargo, with this repository as its place.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// `program` with this repository as its place.
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    command
}

/// npm in `dir`, a folder below the root.
pub fn npm(dir: &str) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.current_dir(root().join(dir));
    command
}

/// Prints the command line, runs it to its end and makes a failure an error.
pub fn run(command: &mut Command) -> Result {
    println!("  $ {}", line(command));
    let status = command.status().map_err(|e| not_started(command, &e))?;
    if status.success() { Ok(()) } else { Err(format!("`{}`: {status}", words(command))) }
}

/// Runs it quietly and gives what it printed; on failure, what it complained of.
pub fn output(command: &mut Command) -> Result<String> {
    let out = command.stdin(Stdio::null()).output().map_err(|e| not_started(command, &e))?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&out.stderr);
    Err(format!("`{}`: {}\n{}", words(command), out.status, complaint.trim_end()))
}

fn not_started(command: &Command, error: &std::io::Error) -> String {
    let name = command.get_program().to_string_lossy();
    format!("`{name}` could not be started: {error}")
}

/// The command with what was set for it, as it could be typed at the root.
fn line(command: &Command) -> String {
    let set = command.get_envs().filter_map(|(key, value)| Some((key.to_str()?, value?.to_str()?)));
    // PATH is this process's own with a folder in front: too long to read.
    let set = set.filter(|(key, _)| *key != "PATH").map(|(key, value)| format!("{key}={value} "));
    let text = set.collect::<String>() + &words(command);
    text.replace(&format!("{}/", root().display()), "")
}

/// The command alone.
fn words(command: &Command) -> String {
    let path = Path::new(command.get_program());
    let name = path.file_name().filter(|_| path.is_absolute()).unwrap_or(path.as_os_str());
    let mut out = name.to_string_lossy().into_owned();
    for arg in command.get_args() {
        out += " ";
        out += &arg.to_string_lossy();
    }
    out.replace(&format!("{}/", root().display()), "")
}

/// Where `name` lies on PATH.
pub fn which(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .flat_map(|dir| {
            [dir.join(name), dir.join(format!("{name}.exe")), dir.join(format!("{name}.cmd"))]
        })
        .find(|file| file.is_file())
}

/// A program in the background. It ends when this value goes, and when this process dies in any other way.
pub struct Background {
    name: String,
    child: Child,
}

impl Background {
    /// Starts `command` in a process group of its own, its output in `log`.
    pub fn start(name: &str, command: &Command, log: &Path) -> Result<Self> {
        let mut tied = tied(command);
        let file = create(log)?;
        let errors = file.try_clone().map_err(|e| format!("{}: {e}", log.display()))?;
        tied.stdin(Stdio::null()).stdout(file).stderr(errors);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut tied, 0);
        let child = tied.spawn().map_err(|e| not_started(command, &e))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// Waits until `ready` gives something, for at most `limit`; an early end of the program is an error.
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
                return Err(format!("{} ended too early: {status}", self.name));
            }
            if start.elapsed() > limit {
                return Err(format!("{} was not ready after {} s", self.name, limit.as_secs()));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for its end, however long it takes.
    pub fn wait(&mut self) -> Result {
        let status = self.child.wait().map_err(|e| format!("{}: {e}", self.name))?;
        if status.success() { Ok(()) } else { Err(format!("{}: {status}", self.name)) }
    }

    /// Ends it now, as `Drop` would.
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
                    // Its own children may outlive it by a moment.
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

/// The same command, ended by the kernel when this process is no more (Linux; elsewhere unchanged).
fn tied(command: &Command) -> Command {
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

/// A new, empty file; its folder is made.
pub fn create(path: &Path) -> Result<fs::File> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    }
    fs::File::create(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Reads a text file; the error names it.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Writes a text file only if its content differs, so that nothing is rebuilt for it.
pub fn write_if_changed(path: &Path, text: &str) -> Result {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    std::io::Write::write_all(&mut create(path)?, text.as_bytes())
        .map_err(|e| format!("{}: {e}", path.display()))
}

/// Writes a script that can be started; unchanged files are left alone.
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

/// A TCP port on the loopback that was free a moment ago.
pub fn free_port() -> Result<u16> {
    std::net::TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|e| format!("no free port on the loopback: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_background_program_ends_with_its_guard_children_too() {
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
    fn a_failing_program_is_an_error_with_its_words() {
        let error = output(cargo().arg("no-such-command")).unwrap_err();
        assert!(error.contains("no-such-command"), "{error}");
    }
}
