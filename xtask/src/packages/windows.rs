//! The installers for Windows, without a window, in Wine: installed with values for the organisation, upgraded, refused,
//! uninstalled.

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::{NEXT, check, folder, passed};
use crate::{
    bundle::{self, Options, Target},
    platforms::wine::random_library,
    sh::{self, Result},
};

const POLICIES: &str = r"HKLM\Software\Policies\Carrel";
const UNINSTALL: &str = r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall\org.carrel.app";
const COMMAND: &str = r"HKLM\Software\Classes\carrel\shell\open\command";

pub fn test(bin_dir: Option<&Path>) -> Result {
    let built = sh::root().join("target-platforms/x86_64-pc-windows-gnu/debug");
    let is_program = |dir: &&Path| dir.join("carrel.exe").exists();
    let programs = bin_dir.filter(is_program).unwrap_or(&built);
    if !programs.join("carrel.exe").exists() {
        return Err("no program for Windows\nhint: cargo xtask platforms windows".into());
    }
    let mut options = Options {
        target: Target::Windows,
        bin_dir: Some(programs.to_owned()),
        out: Some(folder().join("old")),
        is_quick: true,
        ..Options::default()
    };
    let old = bundle::build(&options)?;
    options.out = Some(folder().join("new"));
    options.version = Some(NEXT.into());
    let new = bundle::build(&options)?;
    let ([old_exe, old_msi], [new_exe, new_msi]) = (&old[..], &new[..]) else {
        return Err("the number of installers is not two".into());
    };
    executable(&Wine::new("wine-exe")?, old_exe, new_exe)?;
    msi(&Wine::new("wine-msi")?, old_msi, new_msi)
}

/// A new Windows registry and drive.
struct Wine {
    prefix: PathBuf,
}

impl Wine {
    fn new(name: &str) -> Result<Self> {
        let prefix = folder().join(name);
        if prefix.exists() {
            std::fs::remove_dir_all(&prefix).map_err(|e| format!("{}: {e}", prefix.display()))?;
        }
        Ok(Self { prefix })
    }

    fn command(&self, args: &[&str]) -> Command {
        let wine = ["/usr/lib/wine/wine64", "/usr/bin/wine64"];
        let wine = wine.into_iter().find(|path| Path::new(path).exists()).unwrap_or("wine64");
        let mut command = sh::program("timeout");
        command.args(["120", wine]).args(args).env("WINEPREFIX", &self.prefix);
        command.env("WINEDEBUG", "-all").env("WINEDLLOVERRIDES", "mscoree,mshtml=");
        command.env_remove("DISPLAY");
        command
    }

    /// Runs a program and returns its exit code.
    fn run(&self, args: &[&str]) -> Result<i32> {
        let output = self.command(args).output().map_err(|e| format!("wine64: {e}"))?;
        Ok(output.status.code().unwrap_or(-1))
    }

    fn expect(&self, args: &[&str], code: i32) -> Result {
        let found = self.run(args)?;
        check(found == code, || format!("{args:?}: exit code {found}, expected {code}"))
    }

    /// Returns the values of a registry key; empty if there is none.
    fn registry(&self, key: &str) -> String {
        sh::output(&mut self.command(&["reg", "query", key])).unwrap_or_default()
    }

    fn file(&self, path: &str) -> PathBuf {
        self.prefix.join("drive_c").join(path)
    }

    /// Writes a file as the app would, and returns it.
    fn work(&self) -> Result<PathBuf> {
        let user = std::env::var("USER").unwrap_or_else(|_| "root".into());
        let work = self.file(&format!("users/{user}/AppData/Local/org.carrel.app/user.db"));
        sh::write_if_changed(&work, "work")?;
        Ok(work)
    }

    /// The uninstaller continues in a copy of itself after the process has ended.
    fn wait_until_gone(&self, path: &Path) -> Result {
        let start = Instant::now();
        while path.exists() && start.elapsed() < Duration::from_secs(30) {
            thread::sleep(Duration::from_millis(50));
        }
        check(!path.exists(), || format!("{} is left", path.display()))
    }
}

fn executable(wine: &Wine, old: &Path, new: &Path) -> Result {
    let (old, new) = (old.display().to_string(), new.display().to_string());
    let program = wine.file("Program Files/Carrel/carrel.exe");
    let values = [
        "/S",
        "/ALLUSERS",
        "/SERVER=https://school.example/carrel",
        "/TOKEN=a1-b2",
        "/CHANNEL=beta",
    ];
    wine.expect(&[&[old.as_str()], &values[..]].concat(), 0)?;
    check(program.exists(), || format!("{} is missing", program.display()))?;
    let policies = wine.registry(POLICIES);
    for value in ["https://school.example/carrel", "a1-b2", "beta"] {
        check(policies.contains(value), || format!("no {value} in the policies:\n{policies}"))?;
    }
    check_command(&wine.registry(COMMAND))?;
    passed(
        "Windows: silent installation for the machine, with server, code and channel as policies",
    );

    for wrong in [
        &["/CURRENTUSER", "/SERVER=https://x.example"][..],
        &["/SERVER=ftp://x.example"],
        &["/CHANNEL=nightly"],
    ] {
        wine.expect(&[&[old.as_str(), "/S"], wrong].concat(), 2)?;
    }
    wine.expect(&[&new, "/S"], 0)?;
    let entry = wine.registry(UNINSTALL);
    check(entry.contains(NEXT), || format!("after the upgrade:\n{entry}"))?;
    wine.expect(&[&old, "/S"], 2)?;
    passed("Windows: silent upgrade; wrong values and a downgrade are refused");

    let work = wine.work()?;
    wine.expect(&[r"C:\Program Files\Carrel\uninstall.exe", "/S"], 0)?;
    wine.wait_until_gone(&wine.file("Program Files/Carrel"))?;
    check(wine.registry(UNINSTALL).is_empty() && wine.registry(COMMAND).is_empty(), || {
        "registry keys are left".into()
    })?;
    check(!wine.registry(POLICIES).contains("a1-b2"), || "the code is left".into())?;
    check(work.exists(), || "the learner's work was deleted".into())?;
    passed("Windows: silent uninstallation; the learner's work and the policies are kept");

    wine.expect(&[&old, "/S", "/CURRENTUSER"], 0)?;
    let command = wine.registry(&COMMAND.replacen("HKLM", "HKCU", 1));
    check_command(&command)?;
    passed("Windows: silent installation for one user");
    Ok(())
}

fn msi(wine: &Wine, old: &Path, new: &Path) -> Result {
    let (old, new) = (old.display().to_string(), new.display().to_string());
    let program = wine.file("Program Files/Carrel/carrel.exe");
    let values = ["SERVERADDRESS=https://school.example", "ENROLMENTTOKEN=a1-b2"];
    wine.expect(&[&["msiexec", "/i", &old, "/qn"], &values[..]].concat(), 0)?;
    check(program.exists(), || format!("{} is missing", program.display()))?;
    let policies = wine.registry(POLICIES);
    check(policies.contains("https://school.example") && policies.contains("a1-b2"), || {
        policies.clone()
    })?;
    // A property without a value writes nothing.
    check(!policies.contains("UpdateChannel"), || policies.clone())?;
    check_command(&wine.registry(COMMAND))?;
    reports(wine, &program)?;
    wine.expect(&["msiexec", "/i", &new, "/qn"], 0)?;
    let refused = wine.run(&["msiexec", "/i", &old, "/qn"])?;
    check(refused != 0, || "the MSI allows a downgrade".into())?;
    let work = wine.work()?;
    wine.expect(&["msiexec", "/x", &new, "/qn"], 0)?;
    wine.wait_until_gone(&program)?;
    check(wine.registry(COMMAND).is_empty(), || "registry keys are left".into())?;
    check(work.exists(), || "the learner's work was deleted".into())?;
    let policies = wine.registry(POLICIES);
    check(policies.contains("https://school.example"), || format!("policies:\n{policies}"))?;
    passed(
        "Windows: MSI installed with policies, upgraded, not downgraded, uninstalled; work kept",
    );
    Ok(())
}

/// Runs the installed program without a window: it reads the policies of the registry, and knows that Wine has no web
/// view.
fn reports(wine: &Wine, program: &Path) -> Result {
    wine.expect(&["reg", "add", POLICIES, "/v", "NoSuchPolicy", "/d", "1", "/f"], 0)?;
    let library = random_library(&folder().join("wine-library"))?;
    let folder = program.parent().ok_or("the program has no folder")?;
    let copy = folder.join("bcryptprimitives.dll");
    std::fs::copy(library, &copy).map_err(|e| format!("{}: {e}", copy.display()))?;
    let program = program.display().to_string();
    for (args, code, expected) in [
        (["--policy-report"], 3, ["ServerAddress = https://school.example", "NoSuchPolicy"]),
        (["doctor"], 3, ["PROBLEM  system.webview", "NoSuchPolicy"]),
    ] {
        let output = wine.command(&[&[program.as_str()], &args[..]].concat()).output();
        let output = output.map_err(|e| format!("wine64: {e}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let is_expected = output.status.code() == Some(code);
        check(is_expected && expected.iter().all(|part| text.contains(part)), || {
            format!("{args:?}: {}\n{text}", output.status)
        })?;
    }
    std::fs::remove_file(&copy).map_err(|e| format!("{}: {e}", copy.display()))?;
    wine.expect(&["reg", "delete", POLICIES, "/v", "NoSuchPolicy", "/f"], 0)?;
    passed(
        "Windows: policies of the registry are in force; doctor reports them and the missing web view",
    );
    Ok(())
}

fn check_command(registry: &str) -> Result {
    let expected = r#"carrel.exe" -- "%1""#;
    check(registry.contains(expected), || format!("the handler of links:\n{registry}"))
}
