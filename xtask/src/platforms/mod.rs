//! `platforms`: checks the app for systems other than this one. Windows programs are linked, and their tests run under
//! Wine; the states of cards are computed on an emulated ARM processor and with musl; Android, macOS and iOS are
//! type-checked.
//!
//! Needs no toolchain of those systems: Debian's own Rust (`rustc-web`) builds the standard library from source.
//! Shipped builds are made on the systems themselves. All output is written to target-platforms/.

mod stub_tools;
pub mod wine;

use std::{fs, path::PathBuf, process::Command, time::Instant};

use crate::{
    setup::{self, Part},
    sh::{self, Result},
};

const WINDOWS: &str = "x86_64-pc-windows-gnu";
const MUSL: &str = "x86_64-unknown-linux-musl";

/// A platform that can be selected on the command line.
struct Platform {
    name: &'static str,
    run: fn() -> Result,
}

const PLATFORMS: &[Platform] = &[
    Platform { name: "windows", run: windows },
    Platform { name: "wine", run: wine_tests },
    Platform { name: "arm64", run: arm64 },
    Platform { name: "musl", run: musl },
    Platform { name: "android", run: android },
    Platform { name: "macos", run: macos },
    Platform { name: "ios", run: ios },
];

pub fn run(args: &[String]) -> Result {
    let chosen: Vec<&Platform> = PLATFORMS
        .iter()
        .filter(|platform| args.is_empty() || args.iter().any(|arg| arg == platform.name))
        .collect();
    if chosen.is_empty() || chosen.len() < args.len() {
        return Err(
            "unknown platform\nhint: windows, wine, arm64, musl, android, macos, ios".into()
        );
    }
    setup::install_packages(&[Part::Platforms])?;
    let mut lines = Vec::new();
    let mut failed = 0;
    for platform in chosen {
        println!("\n-- {}", platform.name);
        let start = Instant::now();
        let result = match (platform.run)() {
            Ok(()) => "passed".to_owned(),
            Err(error) => {
                failed += 1;
                format!("FAILED: {error}")
            }
        };
        lines.push(format!(
            "{:<10} {:>6.1} s  {result}",
            platform.name,
            start.elapsed().as_secs_f64()
        ));
    }
    println!("\n{}", lines.join("\n"));
    if failed > 0 { Err(format!("{failed} platforms failed")) } else { Ok(()) }
}

/// A separate target folder, because this command uses another compiler and other flags.
fn target_dir() -> PathBuf {
    sh::root().join("target-platforms")
}

/// Returns `cargo <verb> --target <target>` with Debian's compiler and a standard library built from source.
fn cargo(verb: &str, target: &str) -> Command {
    let mut command = sh::cargo();
    command
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTDOC", "/usr/bin/rustdoc")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        // The caller's flags are for the normal compiler.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .args([verb, "--quiet", "--locked", "-Zbuild-std=std,panic_abort", "--target", target])
        .arg("--target-dir")
        .arg(target_dir());
    command
}

fn windows() -> Result {
    let mut command = cargo("build", WINDOWS);
    sh::run(command.args(["--package", "carrel", "--package", "carrel-server", "--bins"]))?;
    for name in ["carrel.exe", "carrel-server.exe"] {
        let program = target_dir().join(WINDOWS).join("debug").join(name);
        let bytes =
            fs::metadata(&program).map_err(|e| format!("{}: {e}", program.display()))?.len();
        println!("  {name}: {:.1} MB, debug", bytes as f64 / 1e6);
    }
    Ok(())
}

/// Runs tests of code that depends on the system: file names, locks, renames, SQLite, the clock.
fn wine_tests() -> Result {
    let mut command = cargo("test", WINDOWS);
    let crates = [
        "model",
        "scheduling",
        "system",
        "policy",
        "sqlite",
        "net",
        "learning",
        "sync",
        "http-cache",
        "content",
        "client",
    ];
    for name in crates {
        command.args(["--package", &format!("carrel-{name}")]);
    }
    command.args(["--lib", "--tests", "--no-fail-fast"]);
    sh::run(command.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", wine::runner(&target_dir())?))
}

/// Computes the states of cards with qemu: they must be equal to the bit on every processor.
fn arm64() -> Result {
    let mut command = cargo("test", "aarch64-unknown-linux-gnu");
    command
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc")
        .env(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
            "qemu-aarch64 -L /usr/aarch64-linux-gnu",
        )
        .env("CC_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-gcc")
        // An emulator runs code without optimisation for minutes.
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "2")
        .args(["--package", "carrel-scheduling", "--test", "golden"]);
    sh::run(&mut command)
}

/// The only function of glibc that gcc's unwinding library calls. Says that it knows no program, so that a panic ends the
/// test at once instead of unwinding.
const FIND_OBJECT_SOURCE: &str = "int _dl_find_object(void *pc, void *found) { return -1; }\n";

/// Computes the states of cards in a static program with musl, whose mathematical functions are not those of glibc.
fn musl() -> Result {
    // Rust links `libunwind.a`, which musl does not include. The library of gcc has the same functions.
    let library = sh::output(Command::new("gcc").arg("-print-file-name=libgcc_eh.a"))?;
    let dir = target_dir().join("musl");
    let (unwind, source) = (dir.join("libunwind.a"), dir.join("find_object.c"));
    let object = source.with_extension("o");
    sh::write_if_changed(&source, FIND_OBJECT_SOURCE)?;
    fs::copy(library.trim(), &unwind).map_err(|e| format!("{}: {e}", unwind.display()))?;
    sh::run(Command::new("musl-gcc").args(["-c", "-o"]).args([&object, &source]))?;
    sh::run(Command::new("ar").arg("r").args([&unwind, &object]))?;
    let mut command = cargo("test", MUSL);
    command
        .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER", "musl-gcc")
        .env(
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS",
            format!("-Clink-self-contained=no -Lnative={}", dir.display()),
        )
        .env("CC_x86_64_unknown_linux_musl", "musl-gcc")
        .args(["--package", "carrel-scheduling", "--test", "golden"]);
    sh::run(&mut command)
}

fn android() -> Result {
    check("carrel-mobile", "aarch64-linux-android")
}

fn macos() -> Result {
    check("carrel", "aarch64-apple-darwin")
}

fn ios() -> Result {
    check("carrel-mobile", "aarch64-apple-ios")
}

/// Type-checks the app with stubs for the C tools of the target system.
fn check(package: &str, target: &str) -> Result {
    let mut command = cargo("check", target);
    command.args(["--package", package]);
    stub_tools::configure(&mut command, target, &target_dir())?;
    sh::run(&mut command)
}
