//! The packages that the app contains: a list for its licences page, and their licence texts for installers.
//!
//! Not here: which licences are allowed (`checks::licences`).

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::sh::{self, Result};

/// The generated list, which the licences page loads.
pub const LIST: &str = "ui/src/features/settings/packages.json";

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ListedPackage {
    name: String,
    version: String,
    /// SPDX expression.
    licence: String,
    /// Folder with its sources; none for packages of npm.
    folder: Option<PathBuf>,
}

/// Writes the list.
pub fn write_list() -> Result {
    let rows: Vec<Value> =
        packages()?.iter().map(|p| json!([p.name, p.version, p.licence])).collect();
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    let text = format!("[\n  {}\n]\n", lines.join(",\n  "));
    let path = sh::root().join(LIST);
    fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// Returns the licence texts of all packages of the app as one text. Texts that several packages share are contained
/// once.
pub fn texts() -> Result<String> {
    let mut shared: Vec<(String, Vec<String>)> = Vec::new();
    for package in packages()? {
        let name = format!("{} {} ({})", package.name, package.version, package.licence);
        let Some(folder) = package.folder else { continue };
        for text in licence_files(&folder) {
            match shared.iter_mut().find(|(known, _)| *known == text) {
                Some((_, names)) => names.push(name.clone()),
                None => shared.push((text, vec![name.clone()])),
            }
        }
    }
    let mut out = String::from("Licences of the software in Carrel\n");
    for (text, names) in shared {
        let _ = write!(out, "\n{}\n{}\n\n{text}\n", "=".repeat(72), names.join("\n"));
    }
    Ok(out)
}

/// Returns the contents of the licence files in a folder.
fn licence_files(folder: &Path) -> Vec<String> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let is_licence = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    let read = |path: PathBuf| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    paths.into_iter().filter(is_licence).filter_map(read).filter(|text| !text.is_empty()).collect()
}

/// Returns the packages of the app on all desktop systems, sorted by name.
fn packages() -> Result<Vec<ListedPackage>> {
    let mut found = crates()?;
    found.extend(npm_packages(&sh::read(&sh::root().join("ui/package-lock.json"))?)?);
    Ok(found.into_iter().collect())
}

fn crates() -> Result<BTreeSet<ListedPackage>> {
    let tree = ["tree", "--package", "carrel", "--target", "all", "--locked", "--quiet"];
    let format = ["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}\t{l}"];
    let tree = sh::output(sh::cargo().args(tree).args(format))?;
    let metadata = ["metadata", "--format-version=1", "--locked", "--offline"];
    let metadata: Value = serde_json::from_str(&sh::output(sh::cargo().args(metadata))?)
        .map_err(|e| format!("cargo metadata: {e}"))?;
    let folder = |name: &str, version: &str| {
        let all = metadata["packages"].as_array()?;
        let package = all.iter().find(|p| p["name"] == name && p["version"] == version)?;
        Path::new(package["manifest_path"].as_str()?).parent().map(Path::to_owned)
    };
    Ok(parse_tree(&tree, folder))
}

/// Parses lines of `name v1.2.3 (source)<tab>licence`. Packages of this repository are left out.
fn parse_tree(
    tree: &str,
    folder: impl Fn(&str, &str) -> Option<PathBuf>,
) -> BTreeSet<ListedPackage> {
    let mut out = BTreeSet::new();
    for (package, licence) in tree.lines().filter_map(|line| line.split_once('\t')) {
        let mut words = package.split(' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if words.next().is_some_and(|source| source.starts_with("(/") || source.contains(":\\")) {
            continue;
        }
        let version = version.trim_start_matches('v');
        out.insert(ListedPackage {
            name: name.to_owned(),
            version: version.to_owned(),
            licence: licence.trim_end_matches(" (*)").replace('/', " OR "),
            folder: folder(name, version),
        });
    }
    out
}

/// Returns the packages of a package-lock.json that are not only for development.
fn npm_packages(lock: &str) -> Result<Vec<ListedPackage>> {
    let lock: Value = serde_json::from_str(lock).map_err(|e| format!("package-lock.json: {e}"))?;
    let packages = lock["packages"].as_object().into_iter().flatten();
    let used = packages.filter(|(path, package)| !path.is_empty() && package["dev"] != true);
    Ok(used
        .map(|(path, package)| {
            let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
            let name = path.rsplit("node_modules/").next().unwrap_or(path).to_owned();
            ListedPackage { name, version: text("version"), licence: text("license"), folder: None }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_this_repository_and_repeated_lines_are_left_out() {
        let tree = "carrel v0.1.0 (/src/carrel)\tMIT\nserde v1.0.1\tMIT OR Apache-2.0\nserde v1.0.1\tMIT OR Apache-2.0 (*)\n\
                    old v2.0.0\tMIT/Apache-2.0\n";
        let found = parse_tree(tree, |_, _| None);
        let found: Vec<_> = found.iter().map(|p| (&*p.name, &*p.version, &*p.licence)).collect();
        assert_eq!(
            found,
            [("old", "2.0.0", "MIT OR Apache-2.0"), ("serde", "1.0.1", "MIT OR Apache-2.0")]
        );
    }

    #[test]
    fn packages_for_development_only_are_left_out() {
        let lock = r#"{"packages": {"": {"version": "1.0.0"},
            "node_modules/a": {"version": "1.2.3", "license": "MIT"},
            "node_modules/a/node_modules/@x/b": {"version": "2.0.0", "license": "ISC"},
            "node_modules/tool": {"version": "9.0.0", "license": "MIT", "dev": true}}}"#;
        let found = npm_packages(lock).unwrap();
        let found: Vec<_> = found.iter().map(|p| (&*p.name, &*p.version, &*p.licence)).collect();
        assert_eq!(found, [("a", "1.2.3", "MIT"), ("@x/b", "2.0.0", "ISC")]);
    }
}
