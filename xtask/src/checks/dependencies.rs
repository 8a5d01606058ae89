//! Checks the dependencies between crates against docs/ARCHITECTURE.md and docs/adr/0002.
//!
//! Reads `cargo metadata`: a declared dependency counts, used or not.

use std::fs;

use serde_json::Value;

use super::{list, metadata, report, text};
use crate::sh::{self, Result};

/// Crate, the workspace crates on which it may depend, and the additional crates on which its tests may depend.
const ALLOWED: &[(&str, &[&str], &[&str])] = &[
    ("carrel-model", &[], &[]),
    ("carrel-mobile", &["carrel"], &[]),
    ("carrel-system", &["carrel-model"], &[]),
    ("carrel-sqlite", &["carrel-model", "carrel-system"], &["carrel-testkit"]),
    ("carrel-net", &["carrel-model", "carrel-system"], &["carrel-testkit"]),
    ("carrel-listener", &[], &[]),
    ("carrel-imaging", &[], &[]),
    ("carrel-recording", &[], &[]),
    ("carrel-maths", &[], &[]),
    ("carrel-svg", &["carrel-imaging"], &[]),
    (
        "carrel-package",
        &["carrel-model", "carrel-imaging", "carrel-recording", "carrel-maths", "carrel-svg"],
        &[],
    ),
    (
        "carrel-authoring",
        &["carrel-model", "carrel-package", "carrel-bundle", "carrel-dictionary"],
        &[],
    ),
    ("carrel-import", &["carrel-model", "carrel-package"], &[]),
    ("carrel-bundle", &["carrel-model"], &[]),
    ("carrel-dictionary", &["carrel-model", "carrel-sqlite", "carrel-bundle"], &[]),
    ("carrel-fonts", &["carrel-model"], &["carrel-testkit"]),
    ("carrel-policy", &[], &[]),
    ("carrel-oidc", &[], &[]),
    ("carrel-mail", &[], &[]),
    ("carrel-monitoring", &[], &[]),
    ("carrel-rate-limits", &["carrel-model"], &[]),
    ("carrel-precis", &[], &[]),
    ("carrel-roster", &["carrel-model", "carrel-precis"], &[]),
    ("carrel-scheduling", &["carrel-model", "carrel-overview"], &[]),
    ("carrel-overview", &["carrel-model"], &[]),
    ("carrel-analytics", &["carrel-model", "carrel-overview", "carrel-roster"], &[]),
    (
        "carrel-learning",
        &["carrel-model", "carrel-system", "carrel-sqlite", "carrel-scheduling", "carrel-overview"],
        &["carrel-testkit"],
    ),
    (
        "carrel-sync",
        &["carrel-model", "carrel-system", "carrel-sqlite", "carrel-net", "carrel-learning"],
        &["carrel-testkit"],
    ),
    (
        "carrel-http-cache",
        &["carrel-model", "carrel-system", "carrel-sqlite", "carrel-net"],
        &["carrel-testkit"],
    ),
    (
        "carrel-content",
        &[
            "carrel-model",
            "carrel-system",
            "carrel-sqlite",
            "carrel-net",
            "carrel-imaging",
            "carrel-http-cache",
        ],
        &["carrel-testkit", "carrel-learning"],
    ),
    (
        "carrel-client",
        &[
            "carrel-model",
            "carrel-system",
            "carrel-sqlite",
            "carrel-net",
            "carrel-bundle",
            "carrel-dictionary",
            "carrel-policy",
            "carrel-learning",
            "carrel-sync",
            "carrel-http-cache",
            "carrel-content",
            "carrel-diagnostics",
            "carrel-package",
            "carrel-import",
            "carrel-update",
        ],
        &["carrel-testkit", "carrel-release"],
    ),
    (
        "carrel-diagnostics",
        &["carrel-model", "carrel-system", "carrel-sqlite", "carrel-net"],
        &["carrel-testkit"],
    ),
    (
        "carrel-commands",
        &["carrel-model", "carrel-client", "carrel-diagnostics"],
        &["carrel-testkit"],
    ),
    (
        "carrel-bridge",
        &["carrel-model", "carrel-client", "carrel-commands", "carrel-diagnostics"],
        &["carrel-testkit"],
    ),
    (
        "carrel",
        &[
            "carrel-model",
            "carrel-policy",
            "carrel-client",
            "carrel-commands",
            "carrel-diagnostics",
        ],
        &["carrel-testkit", "carrel-release"],
    ),
    (
        "carrel-update",
        &["carrel-model", "carrel-system", "carrel-net"],
        &["carrel-release", "carrel-testkit"],
    ),
    ("carrel-release", &["carrel-model", "carrel-update"], &[]),
    (
        "carrel-store",
        &["carrel-model", "carrel-analytics", "carrel-sqlite", "carrel-precis", "carrel-roster"],
        &[],
    ),
    (
        "carrel-store-postgres",
        &[
            "carrel-model",
            "carrel-system",
            "carrel-analytics",
            "carrel-roster",
            "carrel-sqlite",
            "carrel-store",
        ],
        &[],
    ),
    ("carrel-redis", &["carrel-store"], &[]),
    ("carrel-object-store", &["carrel-model", "carrel-package", "carrel-domain"], &[]),
    ("carrel-response-cache", &["carrel-model", "carrel-redis"], &[]),
    ("carrel-password", &["carrel-precis"], &[]),
    ("carrel-people", &["carrel-model", "carrel-store", "carrel-precis", "carrel-roster"], &[]),
    (
        "carrel-domain",
        &[
            "carrel-model",
            "carrel-system",
            "carrel-monitoring",
            "carrel-analytics",
            "carrel-package",
            "carrel-overview",
            "carrel-password",
            "carrel-people",
            "carrel-precis",
            "carrel-roster",
            "carrel-scheduling",
            "carrel-store",
        ],
        &["carrel-sqlite"],
    ),
    (
        "carrel-server",
        &[
            "carrel-model",
            "carrel-analytics",
            "carrel-domain",
            "carrel-password",
            "carrel-people",
            "carrel-store",
            "carrel-store-postgres",
            "carrel-package",
            "carrel-authoring",
            "carrel-import",
            "carrel-bundle",
            "carrel-object-store",
            "carrel-oidc",
            "carrel-fonts",
            "carrel-listener",
            "carrel-mail",
            "carrel-monitoring",
            "carrel-overview",
            "carrel-precis",
            "carrel-rate-limits",
            "carrel-redis",
            "carrel-response-cache",
            "carrel-roster",
            "carrel-system",
        ],
        &["carrel-testkit", "carrel-sqlite", "carrel-learning"],
    ),
    ("carrel-load", &["carrel-model", "carrel-server"], &[]),
    ("carrel-testkit", ALL, ALL),
    ("carrel-tests", ALL, ALL),
    ("xtask", &[], &[]),
];

const ALL: &[&str] = &[
    "carrel-model",
    "carrel-system",
    "carrel-sqlite",
    "carrel-net",
    "carrel-imaging",
    "carrel-package",
    "carrel-authoring",
    "carrel-import",
    "carrel-bundle",
    "carrel-dictionary",
    "carrel-fonts",
    "carrel-policy",
    "carrel-analytics",
    "carrel-overview",
    "carrel-scheduling",
    "carrel-learning",
    "carrel-sync",
    "carrel-http-cache",
    "carrel-content",
    "carrel-client",
    "carrel-diagnostics",
    "carrel-commands",
    "carrel-bridge",
    "carrel-mail",
    "carrel-server",
    "carrel-monitoring",
    "carrel-store",
    "carrel-store-postgres",
    "carrel-password",
    "carrel-people",
    "carrel-rate-limits",
    "carrel-redis",
    "carrel-response-cache",
    "carrel-testkit",
    "carrel-update",
    "carrel-release",
];

/// External crates allowed in some crates only: prefix of the name, the allowed crates, the reason.
const EXTERNAL: &[(&str, &[&str], &str)] = &[
    ("tauri", &["carrel", "carrel-mobile"], "only the app depends on tauri"),
    (
        "axum",
        &[
            "carrel-content",
            "carrel-client",
            "carrel-server",
            "carrel-listener",
            "carrel-authoring",
            "carrel-bridge",
            "carrel-testkit",
            "carrel-tests",
        ],
        "only the server, the preview of packages, the bridge and the client's loopback server serve HTTP",
    ),
    (
        "rusqlite",
        &[
            "carrel-sqlite",
            "carrel-dictionary",
            "carrel-import",
            "carrel-learning",
            "carrel-sync",
            "carrel-http-cache",
            "carrel-content",
            "carrel-client",
            "carrel-store",
            "carrel-testkit",
            "carrel-tests",
        ],
        "only crates with a database, and the reader of Anki's, use SQL",
    ),
    ("lettre", &["carrel-mail"], "one implementation of SMTP"),
    ("tokio", ALL_BUT_MODEL, "model does no I/O"),
    (
        "reqwest",
        &[
            "carrel-net",
            "carrel-monitoring",
            "carrel-oidc",
            "carrel-object-store",
            "carrel-bridge",
            "carrel-server",
            "carrel-testkit",
            "carrel-tests",
        ],
        "only carrel-net sends requests of the client; the server's go to identity providers, object stores and receivers of alerts and traces",
    ),
    ("minisign-verify", &["carrel-update"], "one implementation of signatures of updates"),
    (
        "tokio-postgres",
        &["carrel-store-postgres", "carrel-server"],
        "only the engine, and the tests of the server on it, use PostgreSQL",
    ),
    ("sqlx", &[], "its SQLite pin conflicts with rusqlite's"),
];

const ALL_BUT_MODEL: &[&str] = &[
    "carrel-load",
    "carrel-domain",
    "carrel-monitoring",
    "carrel-oidc",
    "carrel-mail",
    "carrel-object-store",
    "carrel-rate-limits",
    "carrel-redis",
    "carrel-response-cache",
    "carrel-password",
    "carrel-system",
    "carrel-sqlite",
    "carrel-net",
    "carrel-diagnostics",
    "carrel-listener",
    "carrel-package",
    "carrel-authoring",
    "carrel-learning",
    "carrel-sync",
    "carrel-http-cache",
    "carrel-content",
    "carrel-client",
    "carrel-commands",
    "carrel-bridge",
    "carrel-server",
    "carrel-store",
    "carrel-store-postgres",
    "carrel-testkit",
    "carrel-update",
    "carrel",
    "carrel-tests",
];

/// Checks the crates of the workspace, and that only ui/src/platform/ imports Tauri's API.
pub fn check() -> Result {
    let mut problems = problems(&metadata()?);
    problems.extend(ui_problems()?);
    report(&problems, "dependencies that docs/ARCHITECTURE.md does not allow")
}

/// Returns each forbidden dependency in the output of `cargo metadata` as `from -> to (kind): why`.
fn problems(metadata: &Value) -> Vec<String> {
    let packages = list(metadata, "packages");
    let workspace: Vec<&str> = packages.iter().map(|package| text(package, "name")).collect();
    let mut out = Vec::new();
    for package in packages {
        let from = text(package, "name");
        let Some((_, allowed, in_tests)) = ALLOWED.iter().find(|(name, ..)| *name == from) else {
            out.push(format!(
                "{from}: crate is not listed\nhint: add it to xtask/src/checks/dependencies.rs and write an ADR"
            ));
            continue;
        };
        for dependency in list(package, "dependencies") {
            let to = text(dependency, "name");
            let kind = dependency["kind"].as_str().unwrap_or("normal");
            let edge = format!("{from} -> {to} ({kind})");
            if to == from {
                // A crate may enable more of its own features for its tests.
                continue;
            }
            if workspace.contains(&to) {
                let permitted = allowed.contains(&to) || (kind == "dev" && in_tests.contains(&to));
                if !permitted {
                    out.push(format!("{edge}: dependency is not allowed"));
                }
            } else if let Some((_, users, why)) = external_rule(to)
                && !users.contains(&from)
                // Tests may use the other external crates, for example a runtime, but not Tauri.
                && (kind != "dev" || to.starts_with("tauri"))
            {
                out.push(format!("{edge}: {why}"));
            }
        }
    }
    out
}

fn external_rule(
    name: &str,
) -> Option<&'static (&'static str, &'static [&'static str], &'static str)> {
    EXTERNAL.iter().find(|(start, ..)| {
        name == *start || name.strip_prefix(start).is_some_and(|rest| rest.starts_with('-'))
    })
}

fn ui_problems() -> Result<Vec<String>> {
    let root = sh::root();
    let listed = "ls-files --cached --others --exclude-standard -- ui/src";
    let listing = sh::output(sh::program("git").args(listed.split(' ')))?;
    let out = listing
        .lines()
        .filter(|path| !path.starts_with("ui/src/platform/"))
        .filter(|path| [".ts", ".js", ".svelte"].iter().any(|end| path.ends_with(end)))
        .filter(|path| {
            fs::read_to_string(root.join(path)).is_ok_and(|text| text.contains("@tauri-apps/"))
        })
        .map(|path| format!("{path}: only ui/src/platform/ imports @tauri-apps"))
        .collect();
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A package and its declared dependencies: name and kind of each.
    type Package<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)]);

    fn graph(packages: &[Package<'_>]) -> Value {
        let packages: Vec<Value> = packages
            .iter()
            .map(|(name, dependencies)| {
                let dependencies: Vec<Value> = dependencies
                    .iter()
                    .map(|(name, kind)| json!({ "name": name, "kind": kind }))
                    .collect();
                json!({ "name": name, "dependencies": dependencies })
            })
            .collect();
        json!({ "packages": packages })
    }

    #[test]
    fn the_allowed_dependencies_pass() {
        let good = graph(&[
            (
                "carrel-model",
                &[("serde", None), ("tokio", Some("dev")), ("carrel-model", Some("dev"))],
            ),
            ("carrel-sqlite", &[("carrel-model", None), ("rusqlite", None)]),
            ("carrel-package", &[("carrel-model", None)]),
            (
                "carrel-client",
                &[("carrel-sqlite", None), ("axum", None), ("carrel-testkit", Some("dev"))],
            ),
            ("carrel-commands", &[("carrel-client", None)]),
            ("carrel-server", &[("carrel-package", None), ("axum", None)]),
            ("carrel-testkit", &[("carrel-server", None), ("carrel-client", None)]),
            (
                "carrel",
                &[("carrel-commands", None), ("tauri", None), ("tauri-build", Some("build"))],
            ),
        ]);
        assert_eq!(problems(&good), [""; 0]);
    }

    #[test]
    fn every_forbidden_dependency_is_reported() {
        let cases: &[(&str, &str, Option<&str>)] = &[
            ("carrel-server", "carrel-client", None),
            ("carrel-server", "carrel-client", Some("dev")),
            ("carrel-client", "carrel-server", Some("dev")),
            ("carrel-client", "carrel-authoring", None),
            ("carrel-client", "carrel-commands", None),
            ("carrel-model", "carrel-sqlite", None),
            ("carrel-commands", "carrel-sqlite", None),
            ("carrel", "carrel-server", Some("build")),
            ("carrel-bridge", "carrel-testkit", None),
            ("xtask", "carrel-model", None),
            ("carrel-client", "tauri", None),
            ("carrel-commands", "tauri-plugin-opener", Some("dev")),
            ("carrel-commands", "axum", None),
            ("carrel-model", "tokio", None),
            ("carrel-commands", "rusqlite", None),
            ("carrel-server", "sqlx", None),
        ];
        for (from, to, kind) in cases {
            let mut packages: Vec<Package<'_>> = Vec::new();
            let dependencies = [(*to, *kind)];
            packages.push((from, &dependencies));
            packages.push((to, &[]));
            if external_rule(to).is_some() {
                packages.pop();
            }
            let found = problems(&graph(&packages));
            assert_eq!(found.len(), 1, "{from} -> {to}: {found:?}");
            assert!(found[0].starts_with(&format!("{from} -> {to} ")), "{found:?}");
        }
    }

    #[test]
    fn an_unlisted_crate_is_reported() {
        let found = problems(&graph(&[("carrel-extra", &[])]));
        assert!(found[0].contains("is not listed"), "{found:?}");
    }
}
