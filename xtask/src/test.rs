//! `test`: runs all checks and prints a table of the results. A failed step does not stop the others.

use std::{
    env, fs,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    checks::{self, dependencies, documented_commands, hygiene, licences, modules, ui_size},
    r#gen, mutants, packages, platforms, postgres, programs,
    setup::{self, Part},
    sh::{self, Result},
    window,
};

/// Result of a step.
enum Outcome {
    Passed,
    Failed(String),
    Skipped(&'static str),
}

struct Step {
    name: &'static str,
    run: fn() -> Result<Outcome>,
}

/// The steps of a normal run: quick checks first; the UI before the app, because the app embeds it.
const STEPS: &[Step] = &[
    Step { name: "format", run: || passed(sh::run(sh::cargo().args(["fmt", "--all", "--check"]))) },
    Step { name: "crate dependencies", run: || passed(dependencies::check()) },
    Step { name: "repository", run: || passed(hygiene::check()) },
    Step { name: "licences", run: || passed(licences::check()) },
    Step { name: "modules", run: || passed(modules::check()) },
    Step { name: "ui format", run: || ui("format:check") },
    Step { name: "ui lint", run: || ui("lint") },
    Step { name: "ui types", run: || ui("check") },
    Step { name: "ui tests", run: || ui("test") },
    Step { name: "ui build", run: || ui("build") },
    Step { name: "ui size", run: || if has_ui() { passed(ui_size::check()) } else { Ok(NO_UI) } },
    Step { name: "clippy", run: clippy },
    Step { name: "release code", run: clippy_release },
    Step { name: "build", run: || passed(programs::build_tests()) },
    Step { name: "generated types", run: gen_check },
    Step { name: "documented commands", run: documented_commands },
    Step { name: "rust tests", run: rust_tests },
    Step { name: "server on PostgreSQL", run: postgres_tests },
    Step {
        name: "doc tests",
        run: || {
            passed(sh::run(sh::cargo().args([
                "test",
                "--doc",
                "--workspace",
                "--locked",
                "--quiet",
            ])))
        },
    },
    Step { name: "browser tests", run: || e2e("e2e") },
    Step { name: "window tests", run: window_tests },
    Step { name: "window media tests", run: media_window_tests },
    Step { name: "window programs", run: window_programs },
    Step { name: "founding budgets", run: founding_budgets },
];

/// Steps added by `--long`.
const LONG: &[Step] = &[
    Step { name: "long rust tests", run: long_tests },
    Step { name: "mutation tests", run: || passed(mutants::run(&[])) },
    Step { name: "faults (Workbox)", run: cache_faults },
    Step { name: "window names", run: window_names },
    Step { name: "platforms", run: || passed(platforms::run(&[])) },
    Step { name: "packages", run: packages },
];

const NO_UI: Outcome = Outcome::Skipped("ui/package.json does not exist");

pub fn run(args: &[String]) -> Result {
    let mut only = None;
    let mut long = false;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--long" => long = true,
            "--only" => only = Some(args.next().ok_or("--only requires a part of a step's name")?),
            other => return Err(format!("unknown argument `{other}`\nhint: --long, --only NAME")),
        }
    }
    let steps: Vec<&Step> = STEPS
        .iter()
        .chain(LONG.iter().filter(|_| long || only.is_some()))
        .filter(|step| only.is_none_or(|part| step.name.contains(part.as_str())))
        .collect();
    if steps.is_empty() {
        return Err(format!("no step name contains `{}`", only.map_or("", String::as_str)));
    }
    setup::install_packages(&[Part::App, Part::E2e])?;
    setup::install_node_modules("ui")?;
    setup::install_node_modules("tests/oidc")?;
    let done: Vec<(&str, Duration, Outcome)> = steps.into_iter().map(run_step).collect();
    report(&done)
}

fn run_step(step: &Step) -> (&'static str, Duration, Outcome) {
    println!("\n== {}", step.name);
    let start = Instant::now();
    let outcome = (step.run)().unwrap_or_else(Outcome::Failed);
    if let Outcome::Failed(error) = &outcome {
        println!("  failed: {error}");
    }
    (step.name, start.elapsed(), outcome)
}

fn report(done: &[(&str, Duration, Outcome)]) -> Result {
    println!("\n{:<20} {:>8}", "step", "time");
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, time, outcome) in done {
        let result = match outcome {
            Outcome::Passed => {
                passed += 1;
                "passed".to_owned()
            }
            Outcome::Failed(error) => {
                failed += 1;
                format!("FAILED: {}", error.lines().next().unwrap_or_default())
            }
            Outcome::Skipped(why) => {
                skipped += 1;
                format!("skipped: {why}")
            }
        };
        println!("{name:<20} {:>6.1} s  {result}", time.as_secs_f64());
    }
    let total: Duration = done.iter().map(|(_, time, _)| *time).sum();
    println!("{:<20} {:>6.1} s\n", "total", total.as_secs_f64());
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    println!("{passed} passed, {failed} failed{skipped}");
    if failed > 0 { Err(format!("{failed} steps failed")) } else { Ok(()) }
}

fn passed(result: Result) -> Result<Outcome> {
    result.map(|()| Outcome::Passed)
}

fn has_ui() -> bool {
    sh::root().join("ui/package.json").exists()
}

fn ui(script: &str) -> Result<Outcome> {
    if !has_ui() {
        return Ok(NO_UI);
    }
    passed(sh::run(sh::npm("ui").args(["run", "--silent", script])))
}

fn clippy() -> Result<Outcome> {
    let args =
        ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"];
    passed(sh::run(sh::cargo().args(args)))
}

/// Checks the code of the app and the server that only release builds have: code under `not(debug_assertions)`. Only
/// the crates of this workspace are checked without debug assertions, so the dependencies of the debug build are reused.
fn clippy_release() -> Result<Outcome> {
    let mut command = sh::cargo();
    command.args(["clippy", "-p", "carrel", "-p", "carrel-server", "--locked", "--quiet"]);
    for name in checks::package_names()? {
        command.arg("--config").arg(format!("profile.dev.package.{name}.debug-assertions=false"));
    }
    passed(sh::run(command.args(["--", "-D", "warnings"])))
}

fn documented_commands() -> Result<Outcome> {
    if !cfg!(target_os = "linux") {
        return Ok(Outcome::Skipped("checked on Linux only"));
    }
    passed(documented_commands::check())
}

fn gen_check() -> Result<Outcome> {
    match r#gen::generator() {
        Some(_) => passed(r#gen::check()),
        None => Ok(Outcome::Skipped("the generator is not built")),
    }
}

fn rust_tests() -> Result<Outcome> {
    passed(sh::run(&mut all_rust_tests()))
}

fn long_tests() -> Result<Outcome> {
    passed(sh::run(all_rust_tests().env("CARREL_LONG", "1")))
}

/// Runs the tests of the server's API and of convergence on the other engine.
fn postgres_tests() -> Result<Outcome> {
    let Some(cluster) = postgres::Cluster::start()? else {
        return Ok(Outcome::Skipped(
            "PostgreSQL is not installed; `cargo xtask setup server` installs it",
        ));
    };
    let mut command = sh::cargo();
    if sh::output(sh::cargo().args(["nextest", "--version"])).is_ok() {
        command.args(["nextest", "run", "--no-fail-fast", "--status-level=slow"]);
    } else {
        command.args(["test", "--no-fail-fast", "--quiet"]);
    }
    command.args([
        "--workspace",
        "--test",
        "api",
        "--test",
        "postgres",
        "--test",
        "convergence",
        "--locked",
    ]);
    command.env("CARREL_TEST_ENGINE", "postgres").env(postgres::VARIABLE, cluster.address());
    passed(sh::run(&mut command))
}

/// Returns the command for all tests: nextest, which runs slow tests beside others, or else `cargo test`.
fn all_rust_tests() -> Command {
    let mut command = sh::cargo();
    if sh::output(sh::cargo().args(["nextest", "--version"])).is_ok() {
        command.args([
            "nextest",
            "run",
            "--no-fail-fast",
            "--status-level=slow",
            "--final-status-level=flaky",
        ]);
    } else {
        command.args(["test", "--no-fail-fast", "--quiet"]);
    }
    command.args(["--workspace", "--lib", "--bins", "--tests", "--locked"]);
    command
}

/// Runs a script of tests/e2e with the folder of the programs in `CARREL_BIN_DIR`.
fn e2e(script: &str) -> Result<Outcome> {
    let package = sh::root().join("tests/e2e/package.json");
    let text = fs::read_to_string(package).unwrap_or_default();
    if !text.contains(&format!("\"{script}\"")) {
        return Ok(Outcome::Skipped("tests/e2e has no such script"));
    }
    setup::install_node_modules("tests/e2e")?;
    setup::install_demo_fonts()?;
    let mut command = sh::npm("tests/e2e");
    command.args(["run", "--silent", script]).env("CARREL_BIN_DIR", sh::target().join("debug"));
    passed(sh::run(with_chromium(&mut command)))
}

fn with_chromium(command: &mut Command) -> &mut Command {
    match sh::which("chromium") {
        Some(chromium) if env::var_os("CARREL_CHROMIUM").is_none() => {
            command.env("CARREL_CHROMIUM", chromium)
        }
        _ => command,
    }
}

/// Prints the fault table of the cache for Carrel and Workbox side by side, and writes it to
/// `target/faults/report.txt`.
fn cache_faults() -> Result<Outcome> {
    let folder = sh::target().join("faults");
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let results = folder.join("carrel.json");
    let test = "faults::every_case_of_the_fault_table_has_the_expected_result";
    let args = ["test", "--workspace", "--test", "cache", "--locked", "--quiet", test];
    sh::run(sh::cargo().args(args).env("CARREL_FAULTS_OUT", &results))?;
    setup::install_node_modules("tests/workbox")?;
    let mut command = sh::npm("tests/workbox");
    command.args(["run", "--silent", "faults"]).env("CARREL_FAULTS", &results);
    command.env("CARREL_FAULTS_REPORT", folder.join("report.txt"));
    passed(sh::run(with_chromium(&mut command)))
}

fn window_tests() -> Result<Outcome> {
    if !cfg!(target_os = "linux") {
        return Ok(Outcome::Skipped("the window can be driven on Linux only"));
    }
    passed(window::scenario::run())
}

fn window_programs() -> Result<Outcome> {
    if !cfg!(target_os = "linux") {
        return Ok(Outcome::Skipped("the window can be driven on Linux only"));
    }
    passed(window::programs::test())
}

fn window_names() -> Result<Outcome> {
    if !cfg!(target_os = "linux") {
        return Ok(Outcome::Skipped("the window can be driven on Linux only"));
    }
    passed(window::names::test())
}

fn founding_budgets() -> Result<Outcome> {
    if !cfg!(target_os = "linux") {
        return Ok(Outcome::Skipped("the window can be driven on Linux only"));
    }
    passed(window::limits::check())
}

/// Packages the debug programs, because the release programs take many minutes to build.
fn packages() -> Result<Outcome> {
    if !packages::is_possible() {
        return Ok(Outcome::Skipped("needs Debian and the rights of root"));
    }
    passed(packages::run(&["--bin-dir".into(), sh::target().join("debug").display().to_string()]))
}

fn media_window_tests() -> Result<Outcome> {
    if !cfg!(target_os = "linux") {
        return Ok(Outcome::Skipped("the window can be driven on Linux only"));
    }
    passed(window::media::test())
}
