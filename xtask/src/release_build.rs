//! Builds the app and the server as they are released. `reproduce` builds them in two folders and compares the results.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    programs,
    setup::{self, Part},
    sh::{self, Result},
};

const PROGRAMS: [&str; 2] = ["carrel", "carrel-server"];

/// Builds the app with its UI, and the server, in the repository or a copy of it; returns the folder of the programs.
pub fn build(root: &Path) -> Result<PathBuf> {
    let target = if root == sh::root() { sh::target() } else { root.join("target") };
    let prepare = |mut command: Command| {
        command.current_dir(root).env("CARGO_TARGET_DIR", &target);
        set_flags(&mut command, root, &target);
        command
    };
    let server = ["build", "--release", "--locked", "--package", "carrel-server"];
    sh::run(prepare(sh::cargo()).args(server))?;
    // The app is not a default member of the workspace.
    let app = ["build", "--ci", "--no-bundle", "--", "--package", "carrel", "--locked"];
    sh::run(prepare(programs::tauri_cli()).args(app))?;
    Ok(target.join("release"))
}

/// Sets the compiler flags of releases: neither a path of this machine nor a symbol is in the programs, so the same source
/// gives the same program in every folder.
pub fn set_flags(command: &mut Command, root: &Path, target: &Path) {
    // The compiler uses the last flag that matches: of two folders, the inner one.
    let mut flags = vec![renamed(root, "/carrel"), renamed(target, "/carrel/target")];
    if !target.starts_with(root) {
        flags.reverse();
    }
    if let Some(home) = cargo_home() {
        flags.push(renamed(&home, "/cargo"));
    }
    // Cargo does not apply `strip` of the profile to a package with settings of its own in the profile. The names of local
    // symbols depend on the folder (thin LTO).
    flags.push("-Cstrip=symbols".to_owned());
    flags.extend(
        env::var("RUSTFLAGS").iter().flat_map(|text| text.split_whitespace().map(str::to_owned)),
    );
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    if cfg!(not(windows)) {
        // For the assertions of libraries in C.
        let c_flags = env::var("CFLAGS").unwrap_or_default();
        let prefix = format!("-ffile-prefix-map={}=/carrel/target", target.display());
        command.env("CFLAGS", format!("{c_flags} {prefix}").trim_start());
    }
}

fn renamed(path: &Path, name: &str) -> String {
    format!("--remap-path-prefix={}={name}", path.display())
}

fn cargo_home() -> Option<PathBuf> {
    let home = || env::var_os(if cfg!(windows) { "USERPROFILE" } else { "HOME" });
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&home()?).join(".cargo")))
}

/// Builds the programs here and in a copy of the source in another folder, and compares them byte by byte.
pub fn reproduce(args: &[String]) -> Result {
    if let Some(arg) = args.first() {
        return Err(format!("unknown argument `{arg}`\nhint: `reproduce` has no arguments"));
    }
    setup::install_packages(&[Part::App])?;
    setup::install_node_modules("ui")?;
    let copy = sh::target().join("reproduce/copy");
    copy_source(&copy)?;
    sh::run(sh::npm("ui").arg("ci").current_dir(copy.join("ui")))?;
    let (first, second) = (build(&sh::root())?, build(&copy)?);
    let mut differing = Vec::new();
    for name in PROGRAMS {
        let (a, b) = (read(&first.join(name))?, read(&second.join(name))?);
        if a == b {
            println!("  {name}: {} bytes, equal", a.len());
            continue;
        }
        let sections = differing_sections(&first.join(name), &second.join(name))?;
        println!(
            "  {name}: {} and {} bytes, different in: {}",
            a.len(),
            b.len(),
            sections.join(", ")
        );
        differing.push(name);
    }
    match differing[..] {
        [] => Ok(()),
        _ => Err(format!("two builds of one source differ: {}", differing.join(", "))),
    }
}

/// Copies the files that git tracks, as they are now.
fn copy_source(to: &Path) -> Result {
    let listed = sh::output(sh::program("git").args(["ls-files", "-z"]))?;
    for name in listed.split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (sh::root().join(name), to.join(name));
        if from.is_file() {
            sh::create(&to)?;
            fs::copy(&from, &to).map_err(|e| format!("{}: {e}", to.display()))?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Returns the names of the ELF sections whose contents differ.
fn differing_sections(first: &Path, second: &Path) -> Result<Vec<String>> {
    let headers =
        |path| sh::output(sh::program("readelf").arg("--section-headers").arg("--wide").arg(path));
    let (a, b) =
        (sections(&headers(first)?, &read(first)?), sections(&headers(second)?, &read(second)?));
    let other = |name: &str| b.iter().find(|(of, _)| of == name).map(|(_, bytes)| bytes);
    Ok(a.iter()
        .filter(|(name, bytes)| other(name) != Some(bytes))
        .map(|(name, _)| name.clone())
        .collect())
}

/// Returns the names and contents of sections from the table that `readelf` prints.
fn sections(table: &str, file: &[u8]) -> Vec<(String, Vec<u8>)> {
    let section = |line: &str| {
        let (_, line) = line.split_once(']')?;
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [name, kind, _, offset, size, ..] = fields[..] else { return None };
        // The first section has no name.
        if !name.starts_with('.') {
            return None;
        }
        let number = |text| usize::from_str_radix(text, 16).ok();
        let size = if kind == "NOBITS" { 0 } else { number(size)? };
        let start = number(offset)?;
        Some((name.to_owned(), file.get(start..start + size)?.to_vec()))
    };
    table.lines().filter_map(section).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_this_machine_are_renamed_the_target_folder_first() {
        let flags = |target: &str| {
            let mut command = Command::new("cargo");
            set_flags(&mut command, Path::new("/data/src"), Path::new(target));
            let value = command.get_envs().find(|(name, _)| *name == "CARGO_ENCODED_RUSTFLAGS");
            value.unwrap().1.unwrap().to_string_lossy().into_owned()
        };
        let position = |flags: &str, text: &str| flags.find(text).unwrap();
        let inside = flags("/data/src/target");
        assert!(
            position(&inside, "/data/src=/carrel") < position(&inside, "/data/src/target="),
            "{inside}"
        );
        assert!(inside.contains("-Cstrip=symbols"), "{inside}");
        let outside = flags("/data");
        assert!(position(&outside, "/data=") < position(&outside, "/data/src="), "{outside}");
    }

    #[test]
    fn the_sections_of_a_program_are_read_from_the_table_of_readelf() {
        let table = "  [Nr] Name  Type  Address  Off  Size\n  [ 0]  NULL 0 000000 000000 00\n  \
                     [ 1] .text PROGBITS 0000000000001000 000002 000003 00 AX 0 0 16\n  \
                     [ 2] .bss NOBITS 0000000000002000 000005 000100 00 WA 0 0 8\n";
        let found = sections(table, b"abcdefgh");
        assert_eq!(found, [(".text".into(), b"cde".to_vec()), (".bss".into(), Vec::new())]);
    }
}
