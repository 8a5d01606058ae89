//! Checks licences, sources and banned crates against the lists in deny.toml, without cargo-deny.

use std::collections::BTreeSet;

use super::report;
use crate::sh::{self, Result};

/// Checks every package on which the workspace depends with all features and on all platforms. (`cargo metadata` also
/// lists packages of features that no crate enables.)
pub fn check() -> Result {
    let rules = sh::read(&sh::root().join("deny.toml"))?;
    let mut command = sh::cargo();
    command.args([
        "tree",
        "--workspace",
        "--all-features",
        "--target",
        "all",
        "--locked",
        "--quiet",
    ]);
    command.args(["--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}\t{l}"]);
    let root = sh::root().display().to_string();
    let problems = problems(&sh::output(&mut command)?, &rules, &root);
    report(&problems, "packages that deny.toml does not allow")
}

/// Parses lines of `name v1.2.3 (source, unless the registry)<tab>licence`.
fn problems(tree: &str, rules: &str, root: &str) -> Vec<String> {
    let allowed = quoted_between(rules, "allow = [", "]");
    let banned: Vec<&str> =
        rules.split("crate = \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let mut out = BTreeSet::new();
    for (package, licence) in tree.lines().filter_map(|line| line.split_once('\t')) {
        let licence = licence.trim_end_matches(" (*)");
        let name = package.split(' ').take(2).collect::<Vec<_>>().join(" ");
        if banned.contains(&package.split(' ').next().unwrap_or_default()) {
            out.insert(format!("{name}: banned in deny.toml"));
        }
        if licence.is_empty() {
            out.insert(format!("{name}: no licence is declared"));
        } else if !permits(licence, &allowed) {
            out.insert(format!("{name}: licence {licence} is not allowed"));
        }
        let source = package.split_once('(').map_or("", |(_, source)| source);
        if !source.is_empty() && !source.starts_with("proc-macro)") && !source.starts_with(root) {
            out.insert(format!("{name}: source is not the registry ({source}"));
        }
    }
    out.into_iter().collect()
}

/// Returns the quoted strings between the first `start` and the next `end`.
fn quoted_between(text: &str, start: &str, end: &str) -> Vec<String> {
    let inner = text
        .split_once(start)
        .and_then(|(_, rest)| rest.split_once(end))
        .map_or("", |(inner, _)| inner);
    inner.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Returns true if the allowed licences satisfy an SPDX expression. `/` is the deprecated form of OR.
fn permits(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any_of(&tokens, &mut at, allowed) && at == tokens.len()
}

fn any_of(tokens: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut met = all_of(tokens, at, allowed);
    while tokens.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all_of(tokens, at, allowed);
    }
    met
}

fn all_of(tokens: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut met = operand(tokens, at, allowed);
    while tokens.get(*at) == Some(&"AND") {
        *at += 1;
        met &= operand(tokens, at, allowed);
    }
    met
}

fn operand(tokens: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let Some(token) = tokens.get(*at) else { return false };
    *at += 1;
    if *token == "(" {
        let met = any_of(tokens, at, allowed);
        let closed = tokens.get(*at) == Some(&")");
        *at += usize::from(closed);
        return met && closed;
    }
    let mut name = (*token).to_owned();
    if tokens.get(*at) == Some(&"WITH") {
        name = tokens[*at - 1..tokens.len().min(*at + 2)].join(" ");
        *at += 2;
    }
    allowed.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "[licenses]\nallow = [\n \"MIT\",\n \"Apache-2.0\",\n \"Apache-2.0 WITH LLVM-exception\",\n \"Unicode-3.0\"]\n[bans]\ndeny = [{ crate = \"openssl\", reason = \"x\" }]\n";

    #[test]
    fn spdx_expressions_are_evaluated() {
        let allowed = quoted_between(RULES, "allow = [", "]");
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
            "(Apache-2.0 AND (MIT OR GPL-2.0))",
        ] {
            assert!(permits(good, &allowed), "{good}");
        }
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT",
            "GPL-2.0 WITH Classpath-exception-2.0",
            "",
            "MIT MIT",
        ] {
            assert!(!permits(bad, &allowed), "{bad}");
        }
    }

    #[test]
    fn banned_foreign_and_unlicensed_packages_are_reported() {
        let tree = "own v1.0.0 (/src/own)\tMIT\nmacros v1.0.0 (proc-macro)\tMIT\nopenssl v1.0.0\tMIT\n\
                    forked v1.0.0 (https://example.org/x#1)\tMIT\nbare v1.0.0\t\nopenssl v1.0.0\tMIT (*)\n";
        let found = problems(tree, RULES, "/src");
        assert_eq!(
            found,
            [
                "bare v1.0.0: no licence is declared",
                "forked v1.0.0: source is not the registry (https://example.org/x#1)",
                "openssl v1.0.0: banned in deny.toml",
            ]
        );
    }
}
