//! Stubs for a C compiler, an archiver and Apple's `xcrun`, sufficient for build scripts when the Rust code is only
//! type-checked. Their output files are empty and cannot be linked.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::sh::{self, Result};

/// Passes queries to the host's compiler and writes an empty file in place of an object.
const COMPILER: &str = r#"#!/bin/sh
out=
for arg; do
  case $arg in -E|--version|-v) exec cc "$@" 2>/dev/null;; esac
done
while [ $# -gt 0 ]; do
  case $1 in
    -o) out=$2; shift;;
    -o*) out=${1#-o};;
  esac
  shift
done
[ -z "$out" ] || : > "$out"
"#;

/// Writes an archive without members.
const ARCHIVER: &str = r#"#!/bin/sh
for arg; do
  case $arg in *.a) [ -e "$arg" ] || printf '!<arch>\n' > "$arg"; exit 0;; esac
done
"#;

/// Prints the path of an empty folder as that of the SDK.
const XCRUN: &str = r#"#!/bin/sh
dir=$(dirname "$0")
case "$*" in
  *--show-sdk-path*) echo "$dir/sdk";;
  *--show-sdk-version*) echo 18.0;;
  *--show-sdk-platform-path*) echo "$dir/sdk";;
  *-f*|*--find*) echo "$dir/../cc";;
esac
"#;

/// Sets the variables that build scripts read when they compile C for `target`.
pub fn configure(command: &mut Command, target: &str, target_dir: &Path) -> Result {
    let dir = target_dir.join("stubs");
    // A separate folder: the stub compiler must not precede the host's own on PATH.
    let tools = dir.join("bin");
    let sdk = tools.join("sdk");
    fs::create_dir_all(&sdk).map_err(|e| format!("{}: {e}", sdk.display()))?;
    let compiler = script(&dir, "cc", COMPILER)?;
    let archiver = script(&dir, "ar", ARCHIVER)?;
    script(&tools, "xcrun", XCRUN)?;
    let name = target.replace('-', "_");
    command
        .env(format!("CC_{name}"), &compiler)
        .env(format!("CXX_{name}"), &compiler)
        .env(format!("AR_{name}"), &archiver)
        .env(format!("RANLIB_{name}"), &archiver);
    if target.contains("apple") {
        let path = env::var_os("PATH").unwrap_or_default();
        let joined = env::join_paths(std::iter::once(tools).chain(env::split_paths(&path)));
        command.env("SDKROOT", sdk).env("PATH", joined.map_err(|e| format!("PATH: {e}"))?);
    }
    Ok(())
}

fn script(dir: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = dir.join(name);
    sh::write_script(&path, text)?;
    Ok(path)
}
