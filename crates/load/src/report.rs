//! The report: one HTML file without scripts, and the figures as JSON.

use std::{fmt::Write as _, fs, path::Path};

use serde_json::json;

use crate::{
    Result,
    run::{Measured, Second, Verdict},
};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1d1b18;\
background:#faf8f4}table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .75rem;border-bottom:1px solid #d8d2c6;\
text-align:right}td:first-child,th:first-child{text-align:left}svg{background:#fff;border:1px solid #d8d2c6}\
.Green{color:#20603a}.Yellow{color:#8a5a00}.Red{color:#a02020}figure{display:inline-block;margin:.5rem 1rem .5rem 0}\
figcaption{font-size:13px;color:#5c564c}";
const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 120.0;

/// Writes the report. Returns false if a verdict is red.
pub fn write(folder: &Path, engine: &str, results: &[Measured]) -> Result<bool> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("report.html"), html(engine, results))?;
    let figures: Vec<_> = results.iter().map(figures).collect();
    let text = serde_json::to_string_pretty(&json!({ "engine": engine, "scenarios": figures }))?;
    fs::write(folder.join("report.json"), text)?;
    Ok(results.iter().all(|result| result.verdict() != Verdict::Red))
}

fn figures(result: &Measured) -> serde_json::Value {
    json!({
        "name": result.plan.name,
        "people": result.plan.people,
        "seconds": result.elapsed_s,
        "requests": result.requests,
        "requestsPerSecond": result.rate(),
        "deferred": result.deferred,
        "errors": result.errors,
        "p50Ms": result.p50_ms,
        "p95Ms": result.p95_ms,
        "p99Ms": result.p99_ms,
        "maxMs": result.max_ms,
        "serverMib": result.max_resident_mib(),
        "serverCores": result.cores(),
        "openFiles": result.seconds.iter().map(|s| s.usage.open_files).max(),
        "streams": result.streams,
        "verdict": format!("{:?}", result.verdict()),
    })
}

fn html(engine: &str, results: &[Measured]) -> String {
    let mut text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Load of a Carrel server</title>\
         <style>{STYLE}</style><h1>Load of a Carrel server on {engine}</h1>\
         <p>The load is made on the same computer. Durations count from the planned time of a request.</p>\
         <table><tr><th>Scenario<th>Requests<th>per s<th>p50 ms<th>p95 ms<th>p99 ms<th>max ms<th>Errors<th>Deferred\
         <th>Memory MiB<th>Cores<th>Verdict</tr>"
    );
    for r in results {
        let verdict = format!("{:?}", r.verdict());
        let _ = write!(
            text,
            "<tr><td>{}<td>{}<td>{:.0}<td>{:.1}<td>{:.1}<td>{:.1}<td>{:.0}<td>{:.2} %<td>{}<td>{:.0}<td>{:.2}\
             <td class=\"{verdict}\">{verdict}</tr>",
            r.plan.name,
            r.requests,
            r.rate(),
            r.p50_ms,
            r.p95_ms,
            r.p99_ms,
            r.max_ms,
            r.error_share() * 100.0,
            r.deferred,
            r.max_resident_mib(),
            r.cores()
        );
    }
    text.push_str("</table>");
    for r in results {
        section(&mut text, r);
    }
    text
}

fn section(text: &mut String, r: &Measured) {
    let targets = r.plan.targets;
    let _ = write!(
        text,
        "<h2>{}</h2><p>{}; {:.0} s. Targets: p95 {} ms, p99 {} ms, errors {} %.</p>",
        r.plan.name,
        r.plan.about,
        r.elapsed_s,
        targets.p95_ms,
        targets.p99_ms,
        targets.errors * 100.0
    );
    type Value = fn(&Second) -> f64;
    let plots: [(&str, &[Value]); 3] = [
        ("requests and failed requests per second", &[|s| s.requests as f64, |s| s.errors as f64]),
        ("p50, p95 and p99 in ms", &[|s| s.p50_ms, |s| s.p95_ms, |s| s.p99_ms]),
        ("memory of the server in MiB", &[|s| s.usage.resident_mib]),
    ];
    for (title, values) in plots {
        plot(text, title, &r.seconds, values);
    }
    text.push_str("<table><tr><th>Action<th>Requests<th>p50 ms<th>p95 ms<th>p99 ms<th>max ms</tr>");
    for a in &r.actions {
        let _ = write!(
            text,
            "<tr><td>{}<td>{}<td>{:.1}<td>{:.1}<td>{:.1}<td>{:.1}</tr>",
            a.name, a.requests, a.p50_ms, a.p95_ms, a.p99_ms, a.max_ms
        );
    }
    text.push_str("</table>");
}

/// Draws lines over the seconds of the run.
fn plot(text: &mut String, title: &str, seconds: &[Second], values: &[fn(&Second) -> f64]) {
    let top = seconds.iter().flat_map(|s| values.iter().map(|value| value(s))).fold(1.0, f64::max);
    let step = WIDTH / seconds.len().saturating_sub(1).max(1) as f64;
    let _ = write!(
        text,
        "<figure><svg width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"{title}, at most {top:.0}\">"
    );
    for (value, colour) in values.iter().zip(["#1f5f8b", "#b5651d", "#a02020"]) {
        let points = seconds.iter().enumerate().map(|(n, second)| {
            format!("{:.1},{:.1}", n as f64 * step, HEIGHT - value(second) / top * (HEIGHT - 8.0))
        });
        let points: Vec<_> = points.collect();
        let _ = write!(
            text,
            "<polyline fill=\"none\" stroke=\"{colour}\" points=\"{}\"/>",
            points.join(" ")
        );
    }
    let _ = write!(text, "</svg><figcaption>{title} (at most {top:.0})</figcaption></figure>");
}
