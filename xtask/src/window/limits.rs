//! Checks the founding budgets on the real window: page, API, memory, size of the UI, first and largest paint, and what a
//! learner waits for (`waits`). Compares each figure with its last record in `tests/limits.csv`, so that a regression is
//! named before a budget is exceeded.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use super::{
    bench::start::{Program, Started},
    scenario,
    screen::Screen,
    waits,
};
use crate::{
    checks::ui_size,
    demo::Demo,
    programs,
    sh::{self, Result},
};

const COURSE: &str = "waves-and-sound";
const LESSON_LINK: &str = ".actions .button.primary";
/// A figure is named as a regression if it is this much above its last record.
const REGRESSION: f64 = 1.5;

/// A budget of the founding documents.
pub(super) struct Budget {
    pub name: &'static str,
    pub unit: &'static str,
    pub max: f64,
}

const PAGE: Budget = Budget { name: "page: start to list", unit: "ms", max: 3_000.0 };
const API: Budget = Budget { name: "API: slowest command or request", unit: "ms", max: 500.0 };
const MEMORY: Budget = Budget { name: "memory of the app without code", unit: "MiB", max: 100.0 };
const UI: Budget = Budget { name: "UI without fonts", unit: "MB", max: 2.0 };
const FCP: Budget = Budget { name: "first contentful paint", unit: "ms", max: 1_800.0 };
const LCP: Budget = Budget { name: "largest contentful paint", unit: "ms", max: 2_500.0 };

/// Metrics of the app whose greatest value is the time of the API.
const API_METRICS: &[&str] = &["course.load", "lesson.load", "progress.record", "request.time"];

/// Measures and compares. Returns an error if a budget is exceeded.
pub fn check() -> Result {
    let history = History::read()?;
    let mut over = Vec::new();
    for (budget, value) in measure()? {
        let last = history.last(budget.name);
        println!("  {}", line(&budget, value, last));
        if value > budget.max {
            over.push(format!("{}: {value:.1} {} > {}", budget.name, budget.unit, budget.max));
        }
    }
    if over.is_empty() { Ok(()) } else { Err(over.join("; ")) }
}

/// Measures and appends the figures to `tests/limits.csv`.
pub fn record() -> Result {
    let mut history = History::read()?;
    let date = sh::output(std::process::Command::new("date").arg("+%F"))?;
    let commit =
        sh::output(std::process::Command::new("git").args(["rev-parse", "--short", "HEAD"]))?;
    for (budget, value) in measure()? {
        println!("  {}", line(&budget, value, history.last(budget.name)));
        history.add(date.trim(), commit.trim(), budget.name, value);
    }
    history.write()
}

/// Returns one line of the report.
fn line(budget: &Budget, value: f64, last: Option<f64>) -> String {
    let compared = match last {
        Some(last) if last > 0.0 && value > last * REGRESSION => {
            format!("  REGRESSION: the last record is {last:.1}")
        }
        Some(last) => format!("  last record {last:.1}"),
        None => "  no record".to_owned(),
    };
    format!("{:<34} {value:>8.1} <= {:<6} {:<4}{compared}", budget.name, budget.max, budget.unit)
}

fn measure() -> Result<Vec<(Budget, f64)>> {
    if !programs::app().exists() {
        return Err("the app is not built\nhint: cargo xtask run".into());
    }
    let folder = sh::target().join("window-limits");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let mut demo = Demo::prepare(&folder.join("server"), &folder)?;
    demo.start()?;
    let screen = Screen::start(1280, 800, &folder.join("logs"))?;
    let app = Program::new("carrel", &programs::app(), &folder)?;
    let first = app.start(&screen)?;
    scenario::sign_in(&first.window, &demo.address())?;
    scenario::download(&first.window, COURSE, false)?;
    first.window.close()?;

    let started = app.start(&screen)?;
    let times = started.times()?;
    study(&started)?;
    let api = slowest(&started.window.call("diagnostics_report", json!({}))?)?;
    let memory = started.memory_without_files()?;
    let waits = waits::measure(&started.window, &mut demo, COURSE)?;
    started.window.close()?;
    let paint = times.content.ok_or("the page reported no first contentful paint")?;
    let mut figures = vec![
        (PAGE, times.list),
        (API, api),
        (MEMORY, memory),
        (UI, ui_size::total_bytes()? as f64 / 1e6),
        (FCP, paint - times.navigation),
        // The list is the largest element of the first page.
        (LCP, times.list - times.navigation),
    ];
    figures.extend(waits);
    Ok(figures)
}

/// Opens a course and a lesson, finishes a section, opens the other pages, and syncs.
fn study(started: &Started) -> Result {
    let window = &started.window;
    window.navigate(&format!("#/course/{COURSE}"))?;
    window.click(LESSON_LINK)?;
    window.wait_for("article h1")?;
    for _ in 0..3 {
        if window.find("article footer .button.primary").is_ok() {
            window.click("article footer .button.primary")?;
            window.wait_for("article footer .finished")?;
        }
        let title = window.text("article h1")?;
        window.click("article footer a[rel=next]")?;
        let expression =
            format!("document.querySelector('article h1')?.textContent !== {}", json!(title));
        window.wait_true("the next section", &expression)?;
    }
    for page in ["#/review", "#/progress", "#/"] {
        window.navigate(page)?;
        window.wait_for("h1")?;
    }
    window.call("sync_now", json!({}))?;
    let idle = |status: &Value| status["phase"] != "running" && status["waiting"] == 0;
    window.wait_call("the sync", "get_sync_status", json!({}), idle).map(drop)
}

/// Returns the greatest value of [`API_METRICS`]. Every one of them must have been measured.
fn slowest(report: &Value) -> Result<f64> {
    let metrics = report["metrics"].as_array().ok_or("the report has no metrics")?;
    API_METRICS.iter().try_fold(0.0_f64, |slowest, name| {
        let metric = metrics.iter().find(|metric| metric["name"] == **name);
        let max = metric.and_then(|metric| metric["statistics"]["max"].as_f64());
        Ok(slowest.max(max.ok_or_else(|| format!("the app did not measure `{name}`"))?))
    })
}

/// The recorded figures: `date,commit,measurement,value`, oldest first.
struct History {
    path: PathBuf,
    text: String,
}

impl History {
    fn read() -> Result<Self> {
        let path = sh::root().join("tests/limits.csv");
        let text = sh::read(&path)?;
        Ok(Self { path, text })
    }

    /// Returns the newest value of a measurement.
    fn last(&self, name: &str) -> Option<f64> {
        self.text
            .lines()
            .rev()
            .filter_map(|line| line.split(',').collect::<Vec<_>>().try_into().ok())
            .find_map(|[_, _, measurement, value]: [&str; 4]| {
                (measurement == name).then(|| value.parse().ok()).flatten()
            })
    }

    fn add(&mut self, date: &str, commit: &str, name: &str, value: f64) {
        self.text.push_str(&format!("{date},{commit},{name},{value:.1}\n"));
    }

    fn write(&self) -> Result {
        fs::write(&self.path, &self.text).map_err(|e| format!("{}: {e}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_record_counts_and_a_slower_figure_is_named() {
        let mut history = History {
            path: PathBuf::new(),
            text: "date,commit,measurement,value\n2026-11-01,a,page: start to list,400.0\n".into(),
        };
        history.add("2026-11-02", "b", PAGE.name, 500.0);
        assert_eq!(history.last(PAGE.name), Some(500.0));
        assert_eq!(history.last("measurement"), None);
        assert!(line(&PAGE, 749.0, history.last(PAGE.name)).ends_with("last record 500.0"));
        assert!(line(&PAGE, 751.0, Some(500.0)).contains("REGRESSION: the last record is 500.0"));
        assert!(line(&PAGE, 751.0, None).ends_with("no record"));
    }

    #[test]
    fn every_metric_of_the_api_must_have_been_measured() {
        let metric = |name: &str, max: f64| json!({ "name": name, "statistics": { "max": max } });
        let mut metrics: Vec<Value> = API_METRICS.iter().map(|name| metric(name, 5.0)).collect();
        metrics[2] = metric(API_METRICS[2], 70.0);
        assert_eq!(slowest(&json!({ "metrics": metrics })), Ok(70.0));
        metrics[1] = json!({ "name": API_METRICS[1], "statistics": null });
        assert!(slowest(&json!({ "metrics": metrics })).is_err());
    }
}
