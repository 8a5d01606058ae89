//! The repository's own commands. `cargo xtask help` lists them.
//!
//! One file per command. `checks/` contains the checks that `test` performs itself, `window/` drives the real window.
//! No part of this crate is shipped. It depends on no other crate of the workspace.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]
#![allow(clippy::disallowed_methods, reason = "measures and waits for other programs in real time")]

mod bench;
mod bundle;
mod checks;
mod demo;
mod dev;
mod r#gen;
mod load;
mod mutants;
mod packages;
mod platforms;
mod postgres;
mod programs;
mod release;
mod release_build;
mod run;
mod setup;
mod sh;
mod test;
mod third_party;
mod window;

use std::process::ExitCode;

const HELP: &str = "\
usage: cargo xtask <command>

  run [--fresh]       build everything, start a server with the demo library, and open the app, signed in to it;
                      without a display, run the main scenario in a virtual display and write screenshots
                      to target/scenario
  test [--long]       run all checks; --long adds the long tests and the other platforms
       [--only NAME]  only the steps whose name contains NAME
  dev [--browser]     run the app with live reload; --browser: the UI in a browser with the bridge
  gen [--check]       generate ui/src/api from the command registry, packaging/policy and docs/POLICIES.md from the
                      list of policy keys; --check: fail if a file changes
  bench [PART]        measure the budgets on a release build; PART: study, downloads, media, storage, search, lists,
                      sign-ins, sockets, push, updates, hostile, window;
                      fleet only if it is named
  bench record        measure the founding budgets (also a step of test) and add them to tests/limits.csv
  load [SCENARIO]     load tests of the server on SQLite and PostgreSQL, with a release build; reports in target/load
       [--engine sqlite|postgres] [--seconds N] [--bin-dir DIR]
  mutants [PART]      mutation tests: apply each mutant and require a test to fail; PART: part of a mutant's name
                      or file
  platforms [NAME]    build for Windows, run tests in Wine and on emulated ARM, type-check for Android, macOS, iOS;
                      NAME: windows, wine, android, macos, ios
  bundle              build the installers of this system in target/bundle (Linux: deb and rpm of the app, deb of the
                      server)
       [--target windows]   installers for Windows from programs that `platforms windows` built
       [--bin-dir DIR]      use these programs instead of building
       [--set-version V] [--out DIR] [--without-library]
  packages [PART]     install, use, upgrade and remove the packages in a new Debian root and in Wine (as root);
       [--bin-dir DIR]      programs in place of those of `bundle`; PART: app, server, rpm, windows
  release [--channel C] [--out DIR]
                      make the update feed from the installers in target/bundle; docs/UPDATES.md lists more options
  reproduce           build the programs of a release here and in a copy in another folder, and compare them
  setup [PART]        install missing packages; PART: app, e2e, server, platforms, packages (default: app, e2e and
                      server)
  rolling-upgrade --old-bin PATH
                      run processes of an older server (PATH: its program) and of this one on one PostgreSQL database
                      under load, and replace the old ones; builds only this one
  with-postgres CMD   run CMD with a temporary PostgreSQL cluster, whose address is in CARREL_TEST_POSTGRES

environment
  CARREL_UPDATE_KEY, CARREL_UPDATE_KEY_PASSWORD
                      release: path and password of the minisign key that signs updates
  CARREL_NO_SETUP=1   never install system packages; list the missing ones instead
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let done = match command.as_str() {
        "run" => run::run(&rest),
        "test" => test::run(&rest),
        "dev" => dev::run(&rest),
        "gen" => r#gen::run(&rest),
        "bench" => bench::run(&rest),
        "load" => load::run(&rest),
        "mutants" => mutants::run(&rest),
        "platforms" => platforms::run(&rest),
        "bundle" => bundle::run(&rest),
        "release" => release::run(&rest),
        "reproduce" => release_build::reproduce(&rest),
        "packages" => packages::run(&rest),
        "rolling-upgrade" => postgres::rolling_upgrade(&rest),
        "setup" => setup::run(&rest),
        "with-postgres" => postgres::run(&rest),
        "" | "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("unknown command `{other}`\n\n{HELP}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
