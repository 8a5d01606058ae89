//! Compiles in the public keys of updates: the files `packaging/update-keys/*.pub`, and the key in
//! `CARREL_UPDATE_PUBLIC_KEY` at build time.

use std::{env, fs, io, path::Path};

/// Environment variable with one more public key: the second line of a minisign `.pub` file.
const VARIABLE: &str = "CARREL_UPDATE_PUBLIC_KEY";

fn main() -> io::Result<()> {
    let variable = |name: &str| env::var(name).map_err(io::Error::other);
    let dir = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../../packaging/update-keys");
    let mut keys = Vec::new();
    if dir.is_dir() {
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "pub") {
                keys.push(fs::read_to_string(path)?);
            }
        }
    }
    keys.sort();
    keys.extend(env::var(VARIABLE).ok().filter(|key| !key.trim().is_empty()));
    let code = format!("&{keys:?}");
    fs::write(Path::new(&variable("OUT_DIR")?).join("keys.rs"), code)?;
    println!("cargo::rerun-if-changed={}", dir.display());
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    println!("cargo::rerun-if-env-changed=CARREL_UPDATE_URL");
    Ok(())
}
