//! Measures the budgets that need the real window, on a release build: starts, lessons, finished sections, web vitals,
//! memory.
//!
//! `start` measures starts of programs, `page.js` measures inside the page, `courses` generates a large library.
//! The baselines are an empty window (src-tauri/examples/empty-window) and one paint without a visible change.
//! Does not measure the time from the engine's frame to the display.

mod courses;
pub(super) mod start;
#[path = "../../../../tests/benches/table.rs"]
mod table;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use self::{
    start::{Memory, Program, StartTimes, Started},
    table::{Table, median_and_p99},
};
use super::{driver::Window, scenario, screen::Screen};
use crate::{
    demo::Demo,
    release_build,
    setup::{self, Part},
    sh::{self, Result},
};

/// Cargo profile, and its folder below the target folder.
const PROFILE: &str = "release";
/// Starts of the app and of the empty window, alternating.
const STARTS: usize = 9;
/// Number of lessons opened.
const OPENINGS: usize = 240;
/// Lessons opened per script: the driver aborts a script after 30 s.
const LESSONS_PER_SCRIPT: usize = 40;
/// Number of 30 s waits for the download of all courses.
const MAX_WAITS: usize = 10;
/// Courses of the demo library: pages with images, formulas and recordings.
const DEMO_COURSES: &[&str] = &[
    "waves-and-sound",
    "how-rivers-work",
    "first-steps-in-fractions",
    "write-a-program-that-listens",
];
const PAGE: &str = include_str!("page.js");

/// Measures once and prints the table. Returns an error if a step fails or a row is over its budget.
pub fn measure() -> Result {
    if !cfg!(target_os = "linux") {
        println!("skipped: the window can be driven on Linux only");
        return Ok(());
    }
    setup::install_packages(&[Part::App, Part::E2e])?;
    build()?;
    let folder = sh::target().join("window-bench");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let screen = Screen::start(1280, 800, &folder.join("logs"))?;
    let app = Program::new("carrel", &program("carrel"), &folder)?;
    let empty = Program::new("empty-window", &program("examples/empty-window"), &folder)?;
    let mut demo = library(&folder)?;
    demo.start()?;
    prepare(&app, &screen, &demo)?;

    let mut table = Table::new();
    demo.stop();
    let offline = Starts::of(&app, &empty, &screen, STARTS)?;
    offline.rows(&mut table);
    let mut table = lessons(table, &app, &screen, &offline)?;
    demo.start()?;
    let online = Starts::of(&app, &empty, &screen, STARTS)?;
    online.start_row(&mut table, "start to list, the server running");
    download_all(&app, &screen)?;
    demo.stop();
    let full = Starts::of(&app, &empty, &screen, STARTS)?;
    full.start_row(&mut table, "start to list, all 1,000 downloaded");
    full.memory_row(&mut table, "memory, all 1,000 downloaded");
    match table.over_budget() {
        0 => Ok(()),
        count => Err(format!("{count} window measurements are over budget")),
    }
}

/// Builds the UI, then the programs: the app embeds the UI.
fn build() -> Result {
    setup::install_node_modules("ui")?;
    sh::run(sh::npm("ui").args(["run", "--silent", "build"]))?;
    let mut command = sh::cargo();
    command.args(["build", "--profile", PROFILE, "--locked", "--quiet", "--package", "carrel"]);
    command.args(["--package", "carrel-server", "--bins", "--example", "empty-window"]);
    release_build::set_flags(&mut command, &sh::root(), &sh::target());
    sh::run(&mut command)
}

fn program(name: &str) -> PathBuf {
    sh::target().join(PROFILE).join(name)
}

/// Prepares a server with the demo library and the generated courses.
fn library(folder: &Path) -> Result<Demo> {
    let courses = folder.join("courses");
    courses::write(&courses)?;
    let demo = Demo::prepare_with_profile(PROFILE, &folder.join("server"), folder)?;
    demo.import_packages(&courses)?;
    Ok(demo)
}

/// Signs the device in, waits until it lists every course, and downloads the courses that are read later.
fn prepare(app: &Program, screen: &Screen, demo: &Demo) -> Result {
    let started = app.start(screen)?;
    scenario::sign_in(&started.window, &demo.address())?;
    let all = courses::COUNT + DEMO_COURSES.len();
    started.window.wait_call(
        "every course to be listed",
        "list_courses",
        json!({ "onDevice": false, "pageSize": 1 }),
        |list| list["total"].as_u64() == Some(all as u64),
    )?;
    for course in DEMO_COURSES.iter().chain([&courses::LONG_COURSE]) {
        let request = json!({ "id": course, "isStory": false });
        started.window.call("start_download", request.clone())?;
        started
            .window
            .wait_call(course, "check_offline", request, |check| check["ready"] == true)?;
    }
    started.window.close()
}

/// Downloads every course.
fn download_all(app: &Program, screen: &Screen) -> Result {
    let started = app.start(screen)?;
    started.window.wait_for("h1")?;
    for n in 1..courses::COUNT {
        let request = json!({ "id": format!("course-{n}"), "isStory": false });
        started.window.call("start_download", request)?;
    }
    let page = json!({ "onDevice": true, "pageSize": 1 });
    let all = (courses::COUNT + DEMO_COURSES.len()) as u64;
    let complete = |list: &Value| list["total"].as_u64() == Some(all);
    let poll = || started.window.wait_call("the downloads", "list_courses", page.clone(), complete);
    // A thousand downloads take longer than one wait.
    (1..MAX_WAITS).find(|_| poll().is_ok()).map_or_else(poll, |_| Ok(Value::Null))?;
    started.window.close()
}

/// Starts of the app and of the empty window, alternating so that both run under the same conditions.
#[derive(Default)]
struct Starts {
    app: Vec<(StartTimes, Memory)>,
    empty: Vec<(StartTimes, Memory)>,
}

impl Starts {
    fn of(app: &Program, empty: &Program, screen: &Screen, count: usize) -> Result<Self> {
        let once = |program: &Program| -> Result<(StartTimes, Memory)> {
            let started = program.start(screen)?;
            let seen = (started.times()?, started.memory()?);
            started.window.close()?;
            Ok(seen)
        };
        // The first start of each warms the disk cache for the others.
        once(app)?;
        once(empty)?;
        let mut out = Self::default();
        for _ in 0..count {
            out.app.push(once(app)?);
            out.empty.push(once(empty)?);
        }
        Ok(out)
    }

    fn rows(&self, table: &mut Table) {
        self.start_row(table, "start to list, 1,000 courses, offline");
        let since = |at: fn(&StartTimes) -> f64| {
            move |(times, _): &(StartTimes, Memory)| at(times) - times.navigation
        };
        let contents = |it: &StartTimes| it.content.unwrap_or(f64::NAN);
        for (what, at, max) in [
            ("first contentful paint, from navigation", contents as fn(&StartTimes) -> f64, 150.0),
            ("largest paint (the list), from navigation", |it: &StartTimes| it.list, 300.0),
        ] {
            let (app, empty) = (median(&self.app, since(at)), median(&self.empty, since(at)));
            let baseline = format!("empty window {empty:.0} ms");
            table.row(what, format!("{app:.0} ms"), baseline, app, max, "ms");
        }
        self.memory_row(table, "memory, 1,000 courses");
    }

    fn start_row(&self, table: &mut Table, what: &str) {
        let list = |(times, _): &(StartTimes, Memory)| times.list;
        let (app, empty) = (median(&self.app, list), median(&self.empty, list));
        let baseline = format!("empty window {empty:.0} ms");
        table.row(what, format!("{app:.0} ms"), baseline, app - empty, 400.0, "ms over baseline");
    }

    fn memory_row(&self, table: &mut Table, what: &str) {
        let all = median(&self.app, |(_, memory)| memory.all);
        let own = median(&self.app, |(_, memory)| memory.own);
        self.add_memory_row(table, what, &Memory { own, all });
    }

    fn add_memory_row(&self, table: &mut Table, what: &str, memory: &Memory) {
        let empty_own = median(&self.empty, |(_, memory)| memory.own);
        let empty_all = median(&self.empty, |(_, memory)| memory.all);
        let figure = format!("{:.1} MiB, engine {:.0}", memory.own, memory.all - memory.own);
        let baseline = format!("empty {empty_own:.1} MiB, engine {:.0}", empty_all - empty_own);
        table.row(what, figure, baseline, memory.own - empty_own, 80.0, "MiB over baseline");
    }
}

/// Measures lessons, finished sections, inputs, layout shift and memory in one window, offline.
fn lessons(mut table: Table, app: &Program, screen: &Screen, starts: &Starts) -> Result<Table> {
    let started = app.start(screen)?;
    let window = &started.window;
    started.times()?;
    window.script(PAGE, &[])?;
    let real = sections(window, DEMO_COURSES)?;
    let paint = times(window, "paints", &json!(100))?;
    let (paint_p50, paint_p99) = median_and_p99(paint);
    let paint = format!("one paint {}, p99 {}", ms(paint_p50), ms(paint_p99));

    let mut opened = Vec::new();
    let pages: Vec<&Value> = real.iter().cycle().take(OPENINGS).collect();
    for batch in pages.chunks(LESSONS_PER_SCRIPT) {
        opened.extend(times(window, "openings", &json!(batch))?);
    }
    slowest(&pages, &opened);
    row(&mut table, "open a cached lesson to paint", opened, &paint);

    let mut finished = Vec::new();
    for batch in sections(window, &[courses::LONG_COURSE])?.chunks(LESSONS_PER_SCRIPT) {
        finished.extend(times(window, "finishSections", &json!(batch))?);
    }
    row(&mut table, "finish a section, to paint", finished, &paint);
    inputs(&mut table, &started, &paint)?;
    layout_shifts(&mut table, window, &real)?;
    starts.add_memory_row(&mut table, "memory after all measurements", &started.memory()?);
    started.window.close()?;
    Ok(table)
}

/// Prints the slowest openings.
fn slowest(pages: &[&Value], opened: &[Duration]) {
    let mut order: Vec<usize> = (0..opened.len()).collect();
    order.sort_by_key(|n| std::cmp::Reverse(opened[*n]));
    let named = order.iter().take(8).map(|&n| {
        let hash = pages[n]["hash"].as_str().unwrap_or_default();
        format!("{} {hash} (opening {n})", ms(opened[n]))
    });
    println!("  slowest: {}", named.collect::<Vec<_>>().join(", "));
}

/// Sends keys and clicks, and measures the time from each to the next frame.
fn inputs(table: &mut Table, started: &Started, paint: &str) -> Result {
    let window = &started.window;
    window.script("window.bench.recordInputs()", &[])?;
    for key in "jjjjjjjjjjkkkkk".chars() {
        window.send_keys(&key.to_string())?;
        wait_for_effects(window)?;
    }
    window.send_keys("?")?;
    window.wait_for("dialog[open]")?;
    // Escape.
    window.send_keys("\u{e00c}")?;
    window.navigate("#/")?;
    window.wait_for(".filters .chip")?;
    for chip in [2, 1, 2, 1] {
        window.click(&format!(".filters .chip:nth-child({chip})"))?;
        wait_for_effects(window)?;
    }
    window.click(".library header input")?;
    for key in "rivers".chars() {
        window.send_keys(&key.to_string())?;
        wait_for_effects(window)?;
    }
    window.navigate("#/sync")?;
    window.wait_for("h1")?;
    for page in ["#/progress", "#/", "#/settings", "#/"] {
        window.click(&format!("nav a[href='{page}']"))?;
        wait_for_effects(window)?;
    }
    let seen = durations(&window.script("return window.bench.inputs()", &[])?)?;
    println!("  in order: {}", seen.iter().map(|t| ms(*t)).collect::<Vec<_>>().join(", "));
    row(table, &format!("input to next paint ({} inputs)", seen.len()), seen, paint);
    Ok(())
}

/// Waits until the effects of an input have finished.
fn wait_for_effects(window: &Window) -> Result {
    let script = "window.bench.wait(120).then(arguments[arguments.length - 1])";
    window.script_async(script).map(drop)
}

/// Measures layout shift of the library on reload and of lessons when they are opened. WebKit has no performance
/// entries for it.
fn layout_shifts(table: &mut Table, window: &Window, pages: &[Value]) -> Result {
    window.navigate("#/")?;
    window.wait_for(".items")?;
    window.script("window.bench = undefined; location.reload()", &[])?;
    window.wait_true("the page to be reloaded", "window.bench === undefined")?;
    window.script(PAGE, &[])?;
    let (score, from_start) = shift(window, "the library", 1_500)?;
    let seen =
        if from_start { "from before the first paint" } else { "from after the first paint" };
    let what = "layout shift of the library";
    table.row(what, format!("{score:.4}"), format!("measured {seen}"), score, 0.0, "CLS");
    let mut worst: f64 = 0.0;
    let mut count = 0;
    for page in pages.iter().step_by(5) {
        let hash = page["hash"].as_str().unwrap_or_default();
        window.navigate(hash)?;
        worst = worst.max(shift(window, hash, 400)?.0);
        count += 1;
    }
    let what = format!("layout shift of a lesson, worst of {count}");
    table.row(&what, format!("{worst:.4}"), "measured in JS".into(), worst, 0.0, "CLS");
    Ok(())
}

/// Measures the layout shift of a page for `ms`; true if the measurement started before the first paint.
fn shift(window: &Window, name: &str, ms: u32) -> Result<(f64, bool)> {
    let script = format!(
        "const done = arguments[arguments.length - 1]; window.bench.shift({ms}).then(done, (error) => done(String(error)))"
    );
    let seen = window.script_async(&script)?;
    let score = seen["score"].as_f64().ok_or_else(|| format!("no layout shift: {seen}"))?;
    if score > 0.0 {
        println!("  {name}: layout shift {score:.4}: {}", seen["moved"]);
    }
    Ok((score, seen["early"] == true))
}

/// Returns the sections of these courses, alternating between courses, without equal consecutive titles.
fn sections(window: &Window, courses: &[&str]) -> Result<Vec<Value>> {
    let mut found: Vec<Vec<Value>> = Vec::new();
    for course in courses {
        let view = window.call("get_course", json!({ "course": course }))?;
        let lessons = view["lessons"].as_array().into_iter().flatten();
        let sections =
            lessons.flat_map(|lesson| lesson["sections"].as_array().into_iter().flatten());
        found.push(
            sections
                .map(|section| {
                    let item = section["item"].as_str().unwrap_or_default();
                    json!({ "hash": format!("#/read/{item}"), "title": section["title"] })
                })
                .collect(),
        );
    }
    let longest = found.iter().map(Vec::len).max().unwrap_or_default();
    let mut pages: Vec<Value> = (0..longest)
        .flat_map(|n| found.iter().filter_map(move |course| course.get(n).cloned()))
        .collect();
    pages.dedup_by(|a, b| a["title"] == b["title"]);
    if pages.is_empty() { Err(format!("no sections in {courses:?}")) } else { Ok(pages) }
}

/// Calls a measurement of page.js.
fn times(window: &Window, what: &str, argument: &Value) -> Result<Vec<Duration>> {
    let script = format!(
        "const done = arguments[arguments.length - 1]; window.bench.{what}({argument}).then(done, (error) => done(String(error)))"
    );
    durations(&window.script_async(&script)?)
}

fn durations(list: &Value) -> Result<Vec<Duration>> {
    let numbers = list.as_array().ok_or_else(|| format!("no times: {list}"))?;
    let duration = |ms: &Value| ms.as_f64().map(|ms| Duration::from_secs_f64(ms.max(0.0) / 1e3));
    numbers.iter().map(|ms| duration(ms).ok_or_else(|| format!("no time: {ms}"))).collect()
}

/// Adds a row with a budget of 50 ms for the 99th percentile.
fn row(table: &mut Table, what: &str, times: Vec<Duration>, baseline: &str) {
    let (p50, p99) = median_and_p99(times);
    let figure = format!("{} p99 {}", ms(p50), ms(p99));
    table.row(what, figure, baseline.to_owned(), p99.as_secs_f64() * 1e3, 50.0, "ms p99");
}

/// Formats whole milliseconds, the engine's resolution.
fn ms(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1e3)
}

fn median<T>(all: &[T], of: impl Fn(&T) -> f64) -> f64 {
    let mut values: Vec<f64> = all.iter().map(of).collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
