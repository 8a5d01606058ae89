//! `bundle`: builds the installers in target/bundle. On Linux these are deb and rpm of the app and a deb of the server;
//! with `--target windows`, installers for Windows from programs that `cargo xtask platforms windows` built.
//!
//! The other inputs are in `packaging/` and `tauri.conf.json`.

mod app;
mod deb;
mod man;
mod server;
mod staging;
pub mod windows;

use std::path::{Path, PathBuf};

pub use app::tauri_cli;

use crate::{
    demo, release_build,
    setup::{self, Part},
    sh::{self, Result},
};

/// What to build.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub target: Target,
    /// Folder of built programs; none: they are built.
    pub bin_dir: Option<PathBuf>,
    /// Version of the packages; none: that of the workspace. For tests of an upgrade.
    pub version: Option<String>,
    /// Leaves out the demo library.
    pub without_library: bool,
    /// Folder of the packages; none: target/bundle.
    pub out: Option<PathBuf>,
    /// Compresses quickly instead of well, for tests.
    pub is_quick: bool,
}

#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
pub enum Target {
    #[default]
    Host,
    Windows,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().cloned().ok_or(format!("{arg} requires a value"));
            match arg.as_str() {
                "--target" => match value()?.as_str() {
                    "windows" => options.target = Target::Windows,
                    other => return Err(format!("unknown target `{other}`\nhint: windows")),
                },
                "--bin-dir" => options.bin_dir = Some(absolute(&value()?)),
                "--set-version" => options.version = Some(value()?),
                "--out" => options.out = Some(absolute(&value()?)),
                "--without-library" => options.without_library = true,
                other => {
                    return Err(format!(
                        "unknown argument `{other}`\nhint: --target windows, --bin-dir DIR, --set-version VERSION, \
                         --out DIR, --without-library"
                    ));
                }
            }
        }
        Ok(options)
    }

    pub fn out(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| sh::target().join("bundle"))
    }

    pub fn version(&self) -> Result<String> {
        self.version.clone().map_or_else(workspace_version, Ok)
    }
}

fn absolute(path: &str) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.into())
}

pub fn run(args: &[String]) -> Result {
    for package in build(&Options::parse(args)?)? {
        let bytes = std::fs::metadata(&package).map_or(0, |meta| meta.len());
        println!("  {:>6.2} MB  {}", bytes as f64 / 1e6, package.display());
    }
    Ok(())
}

/// Builds the packages and returns their paths.
pub fn build(options: &Options) -> Result<Vec<PathBuf>> {
    if options.target == Target::Windows {
        return windows::build(options);
    }
    setup::install_packages(&[Part::App])?;
    setup::install_node_modules("ui")?;
    let programs = match &options.bin_dir {
        Some(dir) => dir.clone(),
        None => release_build::build(&sh::root())?,
    };
    if cfg!(windows) {
        println!(
            "  package on Debian: cargo xtask bundle --target windows --bin-dir DIR (docs/DISTRIBUTION.md)"
        );
        return Ok(vec![programs.join("carrel.exe")]);
    }
    let library = if options.without_library { None } else { Some(library(&programs)?) };
    let mut packages = app::build(options, &programs, library.as_deref())?;
    if cfg!(target_os = "linux") {
        packages.push(server::build(options, &programs)?);
    }
    Ok(packages)
}

fn library(programs: &Path) -> Result<PathBuf> {
    let library = sh::target().join("demo-library");
    let server = programs.join(format!("carrel-server{}", std::env::consts::EXE_SUFFIX));
    demo::build_library(&server, &library)?;
    Ok(library)
}

/// Returns the version of all packages of the workspace.
fn workspace_version() -> Result<String> {
    let text = sh::read(&sh::root().join("Cargo.toml"))?;
    let section = text.split("[workspace.package]").nth(1).unwrap_or_default();
    let line = section.lines().find_map(|line| line.strip_prefix("version = "));
    line.map(|version| version.trim_matches('"').to_owned())
        .ok_or_else(|| "Cargo.toml: [workspace.package] has no version".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_unknown_ones_are_refused() {
        let parse = |args: &[&str]| {
            Options::parse(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(parse(&[]), Ok(Options::default()));
        let options =
            parse(&["--target", "windows", "--set-version", "1.2.3", "--without-library"]);
        let options = options.expect("valid options");
        assert_eq!(options.target, Target::Windows);
        assert_eq!(options.version().as_deref(), Ok("1.2.3"));
        assert!(options.without_library);
        for bad in [&["--target", "beos"][..], &["--target"], &["--bin-dir"], &["x"]] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_version_of_the_workspace_is_found() {
        assert_eq!(workspace_version().as_deref(), Ok(env!("CARGO_PKG_VERSION")));
    }
}
