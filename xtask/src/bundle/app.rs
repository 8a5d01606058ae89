//! Packages of the app for this system, made by the Tauri CLI from a built program.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{Options, deb, man, staging::Staging};
use crate::{
    programs,
    sh::{self, Result},
    third_party,
};

/// Packages the app in `programs`. The Tauri CLI changes the program that it packages, so it gets a copy.
pub fn build(options: &Options, programs: &Path, library: Option<&Path>) -> Result<Vec<PathBuf>> {
    let name = format!("carrel{}", std::env::consts::EXE_SUFFIX);
    let work = sh::target().join("bundle-work");
    let staging = Staging::new(work.join("release"))?;
    let program = staging.root.join(&name);
    fs::copy(programs.join(&name), &program)
        .map_err(|e| format!("{}: {e}", programs.join(&name).display()))?;
    if cfg!(target_os = "linux") {
        // The profile of releases strips symbols; programs of another folder may have them.
        sh::output(sh::program("strip").arg(&program))?;
    }
    let licences = work.join("licences.txt");
    fs::write(&licences, third_party::texts()?)
        .map_err(|e| format!("{}: {e}", licences.display()))?;
    let mut config = json!({ "version": options.version()?, "bundle": {} });
    // Not in tauri.conf.json, because then they would have to exist before every build of the app.
    config["bundle"]["resources"] = json!({ slashes(&licences): "licences.txt" });
    if let Some(library) = library {
        config["bundle"]["resources"][slashes(library)] = "demo-library".into();
    }
    let kinds: &[&str] = if cfg!(target_os = "linux") {
        config["bundle"]["linux"] = linux_files(&work, &program, &options.version()?)?;
        if options.is_quick {
            let compression = json!({ "type": "gzip", "level": 1 });
            config["bundle"]["linux"]["rpm"]["compression"] = compression;
        }
        &["deb", "rpm"]
    } else {
        &["app", "dmg"]
    };
    let mut command = programs::tauri_cli();
    command.args(["bundle", "--ci", "--bundles", &kinds.join(","), "--config"]);
    sh::run(command.arg(config.to_string()).env("CARGO_TARGET_DIR", &work))?;
    let mut packages = Vec::new();
    for kind in kinds {
        for file in packages_in(&staging.root.join("bundle").join(kind)) {
            if *kind == "deb" {
                deb::recompress(&file, options.is_quick)?;
            }
            packages.push(moved(&file, &options.out())?);
        }
    }
    if packages.is_empty() {
        return Err("the Tauri CLI made no package".into());
    }
    Ok(packages)
}

/// Files of the packages that are generated: the manual page and the list of changes.
fn linux_files(work: &Path, program: &Path, version: &str) -> Result<Value> {
    let staging = Staging::new(work.join("files"))?;
    let page = man::page(&man::APP, program, version)?;
    staging.write_gz("carrel.1", &page)?;
    staging.write_gz("changelog", &sh::read(&sh::root().join("CHANGELOG.md"))?)?;
    let path = |name: &str| slashes(&staging.root.join(name));
    let copyright = slashes(&sh::root().join("packaging/copyright"));
    let files = json!({
        "/usr/share/man/man1/carrel.1.gz": path("carrel.1.gz"),
        "/usr/share/doc/carrel/changelog.gz": path("changelog.gz"),
        "/usr/share/doc/carrel/copyright": copyright,
    });
    Ok(json!({ "deb": { "files": files }, "rpm": { "files": files } }))
}

fn packages_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_package = |path: &PathBuf| {
        let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        ["deb", "rpm", "msi", "exe", "dmg", "AppImage"].contains(&ending.as_str())
    };
    let mut packages: Vec<PathBuf> = entries.filter(is_package).collect();
    packages.sort();
    packages
}

fn moved(file: &Path, out: &Path) -> Result<PathBuf> {
    fs::create_dir_all(out).map_err(|e| format!("{}: {e}", out.display()))?;
    // Named like other packages of Debian.
    let name = file.file_name().unwrap_or_default().to_string_lossy().replace("Carrel", "carrel");
    let to = out.join(name);
    fs::copy(file, &to).map_err(|e| format!("{}: {e}", to.display()))?;
    Ok(to)
}

fn slashes(path: &Path) -> String {
    path.display().to_string().replace('\\', "/")
}
