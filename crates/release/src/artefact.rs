//! Which target a file of a release is for, derived from its name as Tauri's bundler writes it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use carrel_update::{PackageKind, Target};

use crate::{Error, Result};

/// Endings of file names, with the system and the kind of package that updates use; none: a file for a first
/// installation only.
const ENDINGS: [(&str, &str, Option<PackageKind>); 8] = [
    (".AppImage", "linux", Some(PackageKind::AppImage)),
    (".deb", "linux", Some(PackageKind::Deb)),
    (".rpm", "linux", Some(PackageKind::Rpm)),
    ("-setup.exe", "windows", Some(PackageKind::Nsis)),
    (".msi", "windows", Some(PackageKind::Msi)),
    (".app.tar.gz", "macos", Some(PackageKind::App)),
    (".dmg", "macos", None),
    (".pkg", "macos", None),
];
/// Names of processors in file names.
const PROCESSORS: [(&str, &str); 7] = [
    ("amd64", "x86_64"),
    ("x86_64", "x86_64"),
    ("x64", "x86_64"),
    ("aarch64", "aarch64"),
    ("arm64", "aarch64"),
    ("universal", "universal"),
    ("all", "x86_64"),
];
/// Start of the names of the server's packages, which are not updates of the app.
const SERVER: &str = "carrel-server";

/// A file of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artefact {
    /// Path.
    pub path: PathBuf,
    /// `linux`, `windows` or `macos`.
    pub os: String,
    /// Package of the workspace that it contains.
    pub package: &'static str,
    /// Target of updates, if the app can be updated with it.
    pub target: Option<String>,
}

impl Artefact {
    /// Recognizes a file by its name; `None` if it is none of a release.
    pub fn of(path: &Path) -> Result<Option<Self>> {
        let name = name_of(path)?;
        let Some((_, os, kind)) = ENDINGS.into_iter().find(|(end, ..)| name.ends_with(end)) else {
            return Ok(None);
        };
        let is_server = name.starts_with(SERVER);
        let target = match kind {
            Some(kind) if !is_server => Some(target(&name, os, kind)?),
            _ => None,
        };
        let package = if is_server { SERVER } else { "carrel" };
        Ok(Some(Self { path: path.to_owned(), os: os.into(), package, target }))
    }
    /// Reads `TARGET=PATH`.
    pub fn parse(text: &str) -> Result<Self> {
        let (target, path) = text.split_once('=').ok_or_else(|| {
            Error::Input(format!(
                "{text:?}: hint: write TARGET=PATH, such as linux-x86_64-program=carrel"
            ))
        })?;
        let kinds = PackageKind::ALL.map(PackageKind::as_str);
        let parts: Vec<&str> = target.splitn(3, '-').collect();
        match parts[..] {
            [os, _, kind] if kinds.contains(&kind) => Ok(Self {
                path: path.into(),
                os: os.into(),
                package: "carrel",
                target: Some(target.into()),
            }),
            _ => Err(Error::Input(format!(
                "{target:?} is not a target such as linux-x86_64-program"
            ))),
        }
    }
    /// Returns the file name.
    pub fn name(&self) -> Result<String> {
        name_of(&self.path)
    }
}

/// Returns the files of a release in a folder and its subfolders, sorted.
pub fn find(folder: &Path) -> Result<Vec<Artefact>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(Error::at(&folder))? {
            let path = entry.map_err(Error::at(&folder))?.path();
            // An application folder and the contents of a package are not files of a release.
            if path.is_dir() && path.extension().is_none_or(|e| e != "app") {
                folders.push(path);
            } else if path.is_file() {
                found.extend(Artefact::of(&path)?);
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn name_of(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned)
        .ok_or_else(|| Error::Input(format!("{}: the file has no usable name", path.display())))
}

fn target(name: &str, os: &'static str, package: PackageKind) -> Result<String> {
    let words = |c: char| matches!(c, '.' | '-' | '_') || c.is_whitespace();
    // `x86_64` contains a separator.
    let name_parts: Vec<&str> = name.split(words).collect();
    let is_in_name = |processor: &str| match processor {
        "x86_64" => name.contains("x86_64"),
        other => name_parts.contains(&other),
    };
    let found = PROCESSORS.into_iter().find(|(word, _)| is_in_name(word));
    let arch = match (found, package) {
        (_, PackageKind::App) => "universal",
        (Some((_, arch)), _) => arch,
        (None, _) => {
            return Err(Error::Input(format!(
                "{name}: its name contains no processor; hint: rename it, such as Carrel_1.2.0_amd64.deb"
            )));
        }
    };
    Ok(Target { os, arch, package }.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target_of(name: &str) -> Option<Option<String>> {
        Artefact::of(Path::new(name)).unwrap().map(|a| a.target)
    }

    #[test]
    fn targets_of_the_bundlers_names() {
        for (name, target) in [
            ("deb/Carrel_1.2.0_amd64.deb", "linux-x86_64-deb"),
            ("Carrel-1.2.0-1.x86_64.rpm", "linux-x86_64-rpm"),
            ("Carrel_1.2.0_aarch64.AppImage", "linux-aarch64-appimage"),
            ("Carrel_1.2.0_x64-setup.exe", "windows-x86_64-nsis"),
            ("Carrel_1.2.0_arm64_en-US.msi", "windows-aarch64-msi"),
            ("Carrel.app.tar.gz", "macos-universal-app"),
        ] {
            assert_eq!(target_of(name), Some(Some(target.into())), "{name}");
        }
        for name in ["Carrel_1.2.0_universal.dmg", "carrel-server_1.2.0_amd64.deb"] {
            assert_eq!(target_of(name), Some(None), "{name}");
        }
        assert_eq!(target_of("notes.txt"), None);
        assert!(Artefact::of(Path::new("Carrel_1.2.0.deb")).is_err());
    }

    #[test]
    fn a_target_can_be_given() {
        let artefact = Artefact::parse("linux-x86_64-program=target/release/carrel").unwrap();
        assert_eq!(artefact.target.as_deref(), Some("linux-x86_64-program"));
        for wrong in ["carrel", "linux=carrel", "linux-x86_64-snap=carrel"] {
            assert!(Artefact::parse(wrong).is_err(), "{wrong}");
        }
    }
}
