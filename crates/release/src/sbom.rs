//! Lists of components in CycloneDX 1.6, from `cargo metadata`, Cargo.lock and the lock file of npm.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{Error, Result};

/// The inputs of a list.
pub struct Sources<'a> {
    /// Output of `cargo metadata --format-version 1` for the platform.
    pub metadata: &'a Value,
    /// Text of Cargo.lock, for the hashes.
    pub cargo_lock: &'a str,
    /// package-lock.json of the UI, if the artefact contains the UI.
    pub npm_lock: Option<&'a Value>,
}

/// The artefact that a list describes.
pub struct Described<'a> {
    /// File name.
    pub name: &'a str,
    /// Package of the workspace.
    pub package: &'a str,
    /// SHA-256 hash of the file in hex.
    pub sha256: &'a str,
    /// Time of the release in RFC 3339.
    pub time: &'a str,
}

/// Returns the list of components of an artefact: everything that is compiled into it. Equal inputs give equal bytes.
pub fn cyclonedx(sources: &Sources<'_>, of: &Described<'_>) -> Result<Value> {
    let packages: BTreeMap<&str, &Value> = list(&sources.metadata["packages"])
        .iter()
        .filter_map(|p| Some((p["id"].as_str()?, p)))
        .collect();
    let root = packages
        .values()
        .find(|p| p["name"] == of.package && p["source"].is_null())
        .and_then(|p| p["id"].as_str())
        .ok_or_else(|| Error::Input(format!("cargo metadata has no package {}", of.package)))?;
    let edges = edges(sources.metadata);
    let (mut reached, mut open) = (BTreeSet::from([root]), vec![root]);
    while let Some(id) = open.pop() {
        for to in edges.get(id).into_iter().flatten() {
            if reached.insert(to) {
                open.push(to);
            }
        }
    }
    let hashes = checksums(sources.cargo_lock);
    let reference = |id: &str| packages.get(id).map(|p| purl("cargo", p));
    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    for id in &reached {
        let Some(package) = packages.get(id) else { continue };
        if *id != root {
            components.push(component(
                "cargo",
                package,
                hashes.get(&key(package)).map(String::as_str),
            ));
        }
        let mut on: Vec<String> =
            edges.get(id).into_iter().flatten().filter_map(|to| reference(to)).collect();
        on.sort();
        on.dedup();
        dependencies.push(json!({ "ref": purl("cargo", package), "dependsOn": on }));
    }
    if let Some(lock) = sources.npm_lock {
        components.extend(npm_components(lock));
    }
    components.sort_by_key(|c| c["bom-ref"].as_str().map(str::to_owned));
    let root = packages.get(root).copied().unwrap_or(&Value::Null);
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": of.time,
            "component": {
                "type": "application",
                "bom-ref": purl("cargo", root),
                "name": of.name,
                "version": root["version"],
                "licenses": licences(root["license"].as_str()),
                "hashes": [{ "alg": "SHA-256", "content": of.sha256 }],
            },
        },
        "components": components,
        "dependencies": dependencies,
    }))
}

/// Returns the dependencies of each package that are part of the program: not those of build scripts and tests.
fn edges(metadata: &Value) -> BTreeMap<&str, Vec<&str>> {
    let is_normal = |dependency: &&Value| {
        list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null())
    };
    let of_node = |node: &'_ Value| -> Vec<usize> {
        let all = list(&node["deps"]);
        (0..all.len()).filter(|n| is_normal(&&all[*n])).collect()
    };
    list(&metadata["resolve"]["nodes"])
        .iter()
        .filter_map(|node| {
            let all = list(&node["deps"]);
            let to = of_node(node).into_iter().filter_map(|n| all[n]["pkg"].as_str()).collect();
            Some((node["id"].as_str()?, to))
        })
        .collect()
}

/// Returns the SHA-256 hashes in Cargo.lock by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let line = package.lines().find(|line| line.starts_with(name))?;
            Some(line.split('"').nth(1)?.to_owned())
        };
        if let (Some(name), Some(version), Some(sum)) =
            (field("name = "), field("version = "), field("checksum = "))
        {
            found.insert((name, version), sum);
        }
    }
    found
}

/// Returns the packages of a package-lock.json that are not only for development; the UI's framework is compiled in.
fn npm_components(lock: &Value) -> Vec<Value> {
    let packages = lock["packages"].as_object();
    let entries = packages.into_iter().flatten().filter_map(|(path, package)| {
        let name = path.rsplit_once("node_modules/")?.1;
        let is_in_ui = package["dev"] != true || name == "svelte";
        let package = json!({
            "name": name,
            "version": package["version"],
            "license": package["license"],
        });
        is_in_ui.then(|| component("npm", &package, None))
    });
    entries.collect()
}

fn component(kind: &str, package: &Value, sha256: Option<&str>) -> Value {
    let purl = purl(kind, package);
    let mut component = json!({
        "type": "library",
        "bom-ref": purl,
        "name": package["name"],
        "version": package["version"],
        "purl": purl,
        "licenses": licences(package["license"].as_str()),
    });
    if let Some(sum) = sha256 {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    component
}

fn licences(expression: Option<&str>) -> Value {
    // `MIT/Apache-2.0` is an old way to write `OR`.
    expression.map_or_else(|| json!([]), |e| json!([{ "expression": e.replace('/', " OR ") }]))
}
fn purl(kind: &str, package: &Value) -> String {
    let text = |name: &str| package[name].as_str().unwrap_or_default().replace('@', "%40");
    format!("pkg:{kind}/{}@{}", text("name"), text("version"))
}
fn key(package: &Value) -> (String, String) {
    let text = |name: &str| package[name].as_str().unwrap_or_default().to_owned();
    (text("name"), text("version"))
}
fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_contains_what_is_compiled_in() {
        let package = |name: &str, source: Value| json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0", "source": source });
        let dependency =
            |name: &str, kind: Value| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let crates = "registry+https://example.org";
        let metadata = json!({
            "packages": [
                package("carrel", Value::Null), package("carrel-model", Value::Null),
                package("serde", crates.into()), package("cc", crates.into()),
                package("tempfile", crates.into()), package("unrelated", crates.into()),
            ],
            "resolve": { "nodes": [
                { "id": "carrel", "deps": [dependency("carrel-model", Value::Null), dependency("cc", "build".into())] },
                { "id": "carrel-model", "deps": [dependency("serde", Value::Null), dependency("tempfile", "dev".into())] },
                { "id": "serde", "deps": [] },
            ] },
        });
        let lock = "[[package]]\nname = \"serde\"\nversion = \"1.0.0\"\nchecksum = \"ab12\"\n";
        let npm = json!({ "packages": {
            "": { "name": "ui" },
            "node_modules/svelte": { "version": "5.0.0", "dev": true, "license": "MIT" },
            "node_modules/vite": { "version": "7.0.0", "dev": true },
            "node_modules/@a/b": { "version": "2.0.0" },
        } });
        let sources = Sources { metadata: &metadata, cargo_lock: lock, npm_lock: Some(&npm) };
        let of = Described {
            name: "a.deb",
            package: "carrel",
            sha256: "cd",
            time: "2026-11-30T00:00:00Z",
        };
        let list = cyclonedx(&sources, &of).unwrap();
        let names: Vec<&str> = list["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["purl"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "pkg:cargo/carrel-model@1.0.0",
                "pkg:cargo/serde@1.0.0",
                "pkg:npm/%40a/b@2.0.0",
                "pkg:npm/svelte@5.0.0"
            ]
        );
        assert_eq!(list["components"][1]["hashes"][0]["content"], "ab12");
        assert_eq!(list["components"][1]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(list["metadata"]["component"]["hashes"][0]["content"], "cd");
        assert_eq!(list["dependencies"][0]["dependsOn"], json!(["pkg:cargo/carrel-model@1.0.0"]));
        assert!(cyclonedx(&sources, &Described { package: "missing", ..of }).is_err());
    }
}
