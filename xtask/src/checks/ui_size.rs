//! Checks the size of the built UI: the first load, gzipped, and all files without fonts.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::sh::{self, Result};

/// Maximum size of the JavaScript and CSS files in index.html, each gzipped. Bytes.
const MAX_FIRST_LOAD: usize = 120_000;
/// Maximum size of all files except fonts, interpreters and source maps, each gzipped. Bytes.
const MAX_TOTAL: usize = 600_000;
/// Maximum size of the interpreters of learners' programs (WebAssembly), each gzipped. Loaded when a program is run.
const MAX_INTERPRETERS: usize = 450_000;

pub fn check() -> Result {
    let dist = sh::root().join("ui/dist");
    let index = sh::read(&dist.join("index.html"))?;
    let first: Vec<PathBuf> = referenced(&index).into_iter().map(|path| dist.join(path)).collect();
    if first.is_empty() {
        return Err(
            "ui/dist/index.html has no script and no style sheet\nhint: cd ui && npm run build"
                .into(),
        );
    }
    let mut all = Vec::new();
    list_files(&dist, &mut all)?;
    all.retain(|path| !is_font_or_map(path));
    let (interpreters, all): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|path| is_interpreter(path));
    let (first, total, interpreters) = (gzipped(&first)?, gzipped(&all)?, gzipped(&interpreters)?);
    println!(
        "  first load {first} B (max {MAX_FIRST_LOAD}), all files without fonts {total} B (max {MAX_TOTAL}), \
         interpreters {interpreters} B (max {MAX_INTERPRETERS}), gzipped"
    );
    if first > MAX_FIRST_LOAD || total > MAX_TOTAL || interpreters > MAX_INTERPRETERS {
        return Err(format!(
            "the UI is too large: first load {first} B, all {total} B, interpreters {interpreters} B"
        ));
    }
    Ok(())
}

/// Returns the size of all files except fonts, interpreters and source maps, not compressed.
pub fn total_bytes() -> Result<u64> {
    let mut all = Vec::new();
    list_files(&sh::root().join("ui/dist"), &mut all)?;
    all.iter()
        .filter(|path| !is_font_or_map(path) && !is_interpreter(path))
        .map(|path| {
            fs::metadata(path).map(|m| m.len()).map_err(|e| format!("{}: {e}", path.display()))
        })
        .sum()
}

fn is_font_or_map(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "woff2" || end == "map")
}

fn is_interpreter(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "wasm")
}

/// Returns the relative paths of the scripts, preloaded modules and style sheets of a page.
fn referenced(html: &str) -> Vec<String> {
    html.split(['"', '\''])
        .skip(1)
        .step_by(2)
        .filter(|text| text.ends_with(".js") || text.ends_with(".css"))
        .map(|text| text.trim_start_matches("./").trim_start_matches('/').to_owned())
        .collect()
}

fn list_files(dir: &Path, out: &mut Vec<PathBuf>) -> Result {
    let entries = fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() { list_files(&path, out)? } else { out.push(path) }
    }
    Ok(())
}

fn gzipped(files: &[PathBuf]) -> Result<usize> {
    files.iter().map(|file| gzip(file)).sum()
}

fn gzip(file: &Path) -> Result<usize> {
    let bytes = fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let failed = |e: std::io::Error| format!("gzip: {e}");
    let mut gzip = Command::new("gzip")
        .args(["-9", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut input = gzip.stdin.take().ok_or("gzip has no standard input")?;
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let out = gzip.wait_with_output().map_err(failed)?;
    writer.join().map_err(|_| "the thread that writes to gzip panicked")?.map_err(failed)?;
    Ok(out.stdout.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn referenced_files_are_found() {
        let html = "<script type=\"module\" crossorigin src=\"/assets/index-1.js\"></script>\n<link rel='stylesheet' href='./assets/a.css'><link rel=\"icon\" href=\"/icon.svg\">";
        assert_eq!(referenced(html), ["assets/index-1.js", "assets/a.css"]);
    }
}
