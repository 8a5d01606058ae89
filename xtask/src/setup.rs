//! `setup`: installs missing system packages and Node modules. A second run changes nothing.
//!
//! Supports Debian and its derivatives. On other systems it lists the required packages and installs none.

use std::{env, fs, path::PathBuf, process::Command};

use crate::sh::{self, Result};

/// Folder of the npm packages from which a server installs fonts.
const FONT_PACKS: &str = "assets/fonts/packs";

/// Groups of system packages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Needed to build and run the app.
    App,
    /// Needed to drive the real window and a browser.
    E2e,
    /// Needed to test the server on PostgreSQL.
    Server,
    /// Needed by `cargo xtask platforms`.
    Platforms,
    /// Needed to build installers for Windows.
    Installers,
    /// Needed by `cargo xtask packages`.
    Packages,
}

impl Part {
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::App => &[
                "build-essential",
                "pkg-config",
                "libwebkit2gtk-4.1-dev",
                "libdbus-1-dev",
                "gstreamer1.0-plugins-base",
                "gstreamer1.0-plugins-good",
                "gstreamer1.0-libav",
            ],
            Self::E2e => &[
                "xvfb",
                "xdotool",
                "dbus-daemon",
                "at-spi2-core",
                "systemd",
                "webkit2gtk-driver",
                "imagemagick",
                "chromium",
                "fonts-dejavu-core",
            ],
            Self::Server => &["postgresql"],
            Self::Platforms => &[
                "rustc-web",
                "rust-web-src",
                "gcc-mingw-w64-x86-64-win32",
                "g++-mingw-w64-x86-64-win32",
                "wine64",
                "gcc-aarch64-linux-gnu",
                "libc6-dev-arm64-cross",
                "qemu-user",
                "musl-tools",
            ],
            Self::Installers => &["nsis", "wixl", "msitools"],
            Self::Packages => &[
                "debootstrap",
                "desktop-file-utils",
                "appstream",
                "rpm",
                "cpio",
                "shared-mime-info",
            ],
        }
    }
}

pub fn run(args: &[String]) -> Result {
    let parts = match args.first().map(String::as_str) {
        None => vec![Part::App, Part::E2e, Part::Server],
        Some("app") => vec![Part::App],
        Some("e2e") => vec![Part::E2e],
        Some("server") => vec![Part::Server],
        Some("platforms") => vec![Part::Platforms, Part::Installers],
        Some("packages") => vec![Part::Packages, Part::Installers],
        Some(other) => {
            return Err(format!(
                "unknown part `{other}`\nhint: app, e2e, server, platforms or packages"
            ));
        }
    };
    install_packages(&parts)?;
    install_node_modules("ui")?;
    install_demo_fonts()?;
    println!("all packages are installed");
    Ok(())
}

/// Installs the missing system packages of `parts`.
pub fn install_packages(parts: &[Part]) -> Result {
    if !cfg!(target_os = "linux") {
        return if parts.contains(&Part::Platforms) {
            Err("`platforms` runs on Debian 12 only\nhint: build for this system with `cargo xtask bundle`"
                .into())
        } else {
            Ok(())
        };
    }
    let wanted: Vec<&str> = parts.iter().flat_map(|part| part.packages()).copied().collect();
    if sh::which("dpkg-query").is_none() || sh::which("apt-get").is_none() {
        println!(
            "  apt was not found: install WebKitGTK 4.1, D-Bus and GStreamer (base, good, libav)"
        );
        println!("  with their headers, and Xvfb, WebKitWebDriver, ImageMagick and Chromium");
        return Ok(());
    }
    let missing = missing(&wanted);
    if missing.is_empty() { Ok(()) } else { apt_install(&missing) }
}

fn missing<'a>(wanted: &[&'a str]) -> Vec<&'a str> {
    // dpkg-query fails if a name is unknown but still lists the others, so its exit code is ignored.
    let listing = Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status} ${Package}\n"])
        .args(wanted)
        .output()
        .map(|out| String::from_utf8_lossy(&out.stdout).into_owned())
        .unwrap_or_default();
    not_installed(wanted, &listing)
}

fn not_installed<'a>(wanted: &[&'a str], listing: &str) -> Vec<&'a str> {
    let is_installed = |name: &str| listing.lines().any(|line| line == format!("installed {name}"));
    wanted.iter().copied().filter(|name| !is_installed(name)).collect()
}

fn apt_install(missing: &[&str]) -> Result {
    let manual = format!("sudo apt-get update && sudo apt-get install -y {}", missing.join(" "));
    if env::var_os("CARREL_NO_SETUP").is_some() {
        return Err(format!(
            "system packages are missing and CARREL_NO_SETUP is set\nhint: {manual}"
        ));
    }
    let root = sh::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let sudo = !root && sh::output(Command::new("sudo").args(["-n", "true"])).is_ok();
    if !root && !sudo {
        return Err(format!(
            "system packages are missing and installing them needs root\nhint: {manual}"
        ));
    }
    let apt = || {
        let mut command = if root { Command::new("apt-get") } else { Command::new("sudo") };
        if sudo {
            command.args(["-n", "--preserve-env=DEBIAN_FRONTEND", "apt-get"]);
        }
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    sh::run(apt().args(["-qq", "update"]))?;
    sh::run(apt().args(["-qq", "install", "-y", "--no-install-recommends"]).args(missing))
        .map_err(|e| format!("{e}\nhint: {manual}"))
}

/// Runs `npm ci` in `dir` unless its `node_modules` already match `package-lock.json`.
pub fn install_node_modules(dir: &str) -> Result {
    install_node_modules_with(dir, &[])
}

/// Installs the font packages of the demo library, unless all font packages are installed, and returns their folder.
pub fn install_demo_fonts() -> Result<PathBuf> {
    // The packages of other fonts are optional dependencies.
    install_node_modules_with(FONT_PACKS, &["--omit=optional"])?;
    Ok(sh::root().join(FONT_PACKS).join("node_modules"))
}

/// Like [`install_node_modules`], with further options of npm.
fn install_node_modules_with(dir: &str, options: &[&str]) -> Result {
    let folder = sh::root().join(dir);
    if !folder.join("package.json").exists() {
        return Ok(());
    }
    if sh::which("npm").is_none() {
        return Err("npm was not found: Node.js 20.19 or newer is required\n\
                    hint: install it from https://nodejs.org or as a system package"
            .into());
    }
    let lock = sh::read(&folder.join("package-lock.json"))?;
    let installed_lock = folder.join("node_modules/.installed-lock.json");
    if fs::read_to_string(&installed_lock).is_ok_and(|old| old == lock) {
        return Ok(());
    }
    let ci = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
    sh::run(sh::npm(dir).args(ci).args(options))?;
    sh::write_if_changed(&installed_lock, &lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_installed_packages_count() {
        let listing = "installed xvfb\nconfig-files chromium\nnot-installed wine64\ninstalled chromium-common\n";
        assert_eq!(
            not_installed(&["xvfb", "chromium", "wine64", "imagemagick"], listing),
            ["chromium", "wine64", "imagemagick"]
        );
    }
}
