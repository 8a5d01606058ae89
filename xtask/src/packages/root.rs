//! A new Debian root folder in which packages are installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::folder;
use crate::sh::{self, Result};

const SUITE: &str = "bookworm";
const MIRROR: &str = "http://deb.debian.org/debian";

/// A minimal Debian in a folder. Its mounts are removed when this value is dropped.
pub struct Root {
    pub path: PathBuf,
    mounts: Vec<PathBuf>,
}

impl Root {
    /// Unpacks a minimal Debian, which is downloaded once, to a new folder.
    pub fn new(name: &str) -> Result<Self> {
        let base = folder().join("base.tar");
        if !base.exists() {
            make_base(&base)?;
        }
        let path = folder().join(name);
        // An interrupted run left its mounts.
        for mount in ["proc", "dev", "var/cache/apt/archives"] {
            let _ = sh::output(sh::program("umount").arg("--lazy").arg(path.join(mount)));
        }
        if path.exists() {
            fs::remove_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        sh::output(sh::program("tar").arg("-C").arg(&path).arg("-xf").arg(&base))?;
        let mut root = Self { path, mounts: Vec::new() };
        root.mount(&["-t", "proc", "proc"], "proc")?;
        root.mount(&["--rbind", "/dev"], "dev")?;
        let archives = folder().join("archives");
        fs::create_dir_all(archives.join("partial"))
            .map_err(|e| format!("{}: {e}", archives.display()))?;
        root.mount(&["--bind", &archives.display().to_string()], "var/cache/apt/archives")?;
        // No service starts in the folder, which has no init.
        sh::write_script(&root.path.join("usr/sbin/policy-rc.d"), "#!/bin/sh\nexit 101\n")?;
        let resolver = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        sh::write_if_changed(&root.path.join("etc/resolv.conf"), &resolver)?;
        root.run("apt-get update -qq")?;
        Ok(root)
    }

    fn mount(&mut self, args: &[&str], at: &str) -> Result {
        let path = self.path.join(at);
        fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        sh::output(sh::program("mount").args(args).arg(&path))?;
        if args.contains(&"--rbind") {
            sh::output(sh::program("mount").arg("--make-rslave").arg(&path))?;
        }
        self.mounts.push(path);
        Ok(())
    }

    /// Returns a command that runs `args` in the root as the user root.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = sh::program("chroot");
        command.arg(&self.path).args(args);
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LC_ALL", "C.UTF-8")
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// Runs a shell script in the root and returns its output, with its standard error; the error contains it, too.
    pub fn run(&self, script: &str) -> Result<String> {
        let mut command = self.command(&["sh", "-e", "-c", &format!("{{ {script}\n}} 2>&1")]);
        let output = command.output().map_err(|e| format!("chroot: {e}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        Err(format!("in the new root: `{script}`: {}\n{}", output.status, text.trim_end()))
    }

    /// Copies packages into the root and installs them with their dependencies.
    pub fn install(&self, packages: &[&Path], names: &str) -> Result<String> {
        let mut paths = String::new();
        for package in packages {
            let name = package.file_name().unwrap_or_default().to_string_lossy();
            let to = self.path.join("tmp").join(name.as_ref());
            fs::copy(package, &to).map_err(|e| format!("{}: {e}", to.display()))?;
            paths += &format!("/tmp/{name} ");
        }
        self.run(&format!("apt-get install -y -qq --no-install-recommends {paths} {names}"))
    }

    /// Returns the paths below the root that contain `text` in their names, except those of the package manager and of
    /// the system's own folders.
    pub fn left(&self, text: &str) -> Result<Vec<String>> {
        let found = self.run(&format!(
            "find / -xdev \\( -path /proc -o -path /dev -o -path /tmp -o -path /var/lib/apt -o -path /var/cache/apt \\) \
             -prune -o -iname '*{text}*' -print"
        ))?;
        Ok(found.lines().map(str::to_owned).collect())
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        for mount in self.mounts.iter().rev() {
            let _ = sh::output(sh::program("umount").arg("--lazy").arg(mount));
        }
    }
}

fn make_base(base: &Path) -> Result {
    let path = folder().join("base");
    fs::create_dir_all(folder()).map_err(|e| format!("{}: {e}", folder().display()))?;
    sh::run(sh::program("debootstrap").args(["--variant=minbase", SUITE]).arg(&path).arg(MIRROR))?;
    let part = base.with_extension("part");
    sh::output(sh::program("tar").arg("-C").arg(&path).arg("-cf").arg(&part).arg("."))?;
    fs::remove_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    fs::rename(&part, base).map_err(|e| format!("{}: {e}", base.display()))
}
