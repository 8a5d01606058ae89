//! Checks the size of the built UI: the first load, gzipped, and all files without fonts; and that no text for staff is
//! in a file that learners load.

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

/// Maximum size of the files of the pages for staff in a browser, except fonts, each gzipped.
const MAX_STAFF_TOTAL: usize = 250_000;
/// Folder of the pages for staff that the server serves.
pub const STAFF_DIST: &str = "ui/dist-staff";

pub fn check() -> Result {
    let dist = sh::root().join("ui/dist");
    let first = first_load(&dist, "index.html")?;
    check_staff(&dist)?;
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

/// Returns the scripts and styles of a page.
fn first_load(dist: &Path, page: &str) -> Result<Vec<PathBuf>> {
    let html = sh::read(&dist.join(page))?;
    let first: Vec<PathBuf> = referenced(&html).into_iter().map(|path| dist.join(path)).collect();
    if first.is_empty() {
        let page = dist.join(page);
        return Err(format!(
            "{} has no script and no style sheet\nhint: cd ui && npm run build",
            page.display()
        ));
    }
    Ok(first)
}

/// Returns the files of the pages for staff.
pub fn staff_files() -> Result<Vec<PathBuf>> {
    let (dist, mut files) = (sh::root().join(STAFF_DIST), Vec::new());
    first_load(&dist, "staff.html")?;
    list_files(&dist, &mut files)?;
    files.sort();
    Ok(files)
}

/// Checks the size of the pages for staff, and that only files of their own contain texts of their catalogue.
fn check_staff(dist: &Path) -> Result {
    let files: Vec<PathBuf> =
        staff_files()?.into_iter().filter(|path| !is_font_or_map(path)).collect();
    let total = gzipped(&files)?;
    println!("  pages for staff {total} B (max {MAX_STAFF_TOTAL}), gzipped");
    if total > MAX_STAFF_TOTAL {
        return Err(format!("the pages for staff are too large: {total} B"));
    }
    let catalogue = sh::read(&sh::root().join("ui/src/i18n/staff.en.json"))?;
    let marks = long_texts(&catalogue);
    let (mut all, mut with_texts) = (Vec::new(), Vec::new());
    list_files(dist, &mut all)?;
    for path in all.iter().filter(|path| path.extension().is_some_and(|end| end == "js")) {
        let script = sh::read(path)?;
        if marks.iter().any(|text| script.contains(text.as_str())) {
            with_texts.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    // The catalogue is one file, which only the pages for staff import.
    match with_texts.as_slice() {
        [file] if file.starts_with("staff.en-") => Ok(()),
        files => Err(format!(
            "texts for staff must be in one file `staff.en-*.js` of ui/dist, and are in {files:?}"
        )),
    }
}

/// Returns the long texts of a catalogue, without quotes and parameters, as they also are in a script.
fn long_texts(catalogue: &str) -> Vec<String> {
    let texts = catalogue.split('"').skip(1).step_by(2);
    let is_mark = |text: &&str| text.len() > 40 && !text.contains(['{', '\\', '’']);
    texts.filter(is_mark).map(str::to_owned).collect()
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
    fn long_texts_of_a_catalogue_are_found() {
        let text = "The server cannot be reached, so nothing was changed.";
        let catalogue = format!(
            "{{ \"a\": \"Short\", \"b\": {{ \"one\": \"{text}\", \"other\": \"{{n}} {text}\" }} }}"
        );
        assert_eq!(long_texts(&catalogue), [text]);
    }

    #[test]
    fn referenced_files_are_found() {
        let html = "<script type=\"module\" crossorigin src=\"/assets/index-1.js\"></script>\n<link rel='stylesheet' href='./assets/a.css'><link rel=\"icon\" href=\"/icon.svg\">";
        assert_eq!(referenced(html), ["assets/index-1.js", "assets/a.css"]);
    }
}
