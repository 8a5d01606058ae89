//! Runs learners' programs in the real window with the server stopped: the table tests/e2e/programs.json with results,
//! errors, and programs that try to reach the network, the app or the page.

use std::{fs, process::Command};

use serde_json::{Value, json};

use super::{
    driver::Window,
    scenario::{Device, download, print_result, sign_in},
};
use crate::{
    demo::Demo,
    programs,
    sh::{self, Result},
};

/// Id of the test course, and its section with two programs (tests/e2e/course.mjs).
const COURSE: &str = "springs";
const SECTION: &str = "#/read/springs/programs/programs";
/// Shown by programs that reach the page or the host.
const ESCAPED: &str = "ESCAPED";

/// Runs the table once.
pub fn test() -> Result {
    if !programs::app().exists() {
        return Err("the app is not built\nhint: cargo xtask run".into());
    }
    let folder = sh::target().join("window-programs");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let mut demo = Demo::prepare(&folder.join("server"), &folder)?;
    demo.import_packages(&test_course(&folder.join("packages"))?)?;
    demo.start()?;
    let laptop = Device::new("laptop", (1280, 800), &folder)?;
    let window = laptop.open()?;
    sign_in(&window, &demo.address())?;
    download(&window, COURSE, false)?;
    demo.stop();
    window.navigate(SECTION)?;
    window.wait_for("figure.editable textarea")?;

    let table = sh::read(&sh::root().join("tests/e2e/programs.json"))?;
    let table: Value = serde_json::from_str(&table).map_err(|e| format!("programs.json: {e}"))?;
    let rows = |part: &str| table[part].as_array().cloned().unwrap_or_default();
    let text = |row: &Value, n: usize| row[n].as_str().unwrap_or_default().to_owned();
    for row in rows("works") {
        let (end, output) = run_program(&window, &text(&row, 0), &text(&row, 1), &text(&row, 2))?;
        if end != "Ended" || output.trim() != text(&row, 3) {
            return Err(format!("{row}: {end}: {output}"));
        }
    }
    for row in rows("errors") {
        let (end, output) = run_program(&window, &text(&row, 0), &text(&row, 1), "")?;
        let is_named = output.contains(&text(&row, 2)) && output.contains(&text(&row, 3));
        if end != "Ended with an error" || !is_named {
            return Err(format!("{row}: {end}: {output}"));
        }
    }
    let attacks = rows("attacks");
    for row in &attacks {
        let (end, output) = run_program(&window, &text(row, 0), &text(row, 2), "")?;
        if end == "Ended" || output.contains(ESCAPED) {
            return Err(format!("{row}: {end}: {output}"));
        }
    }
    laptop.screenshot("programs")?;
    window.close()?;
    let (works, errors) = (rows("works").len(), rows("errors").len());
    print_result(
        "programs",
        &format!("{works} ran, {errors} errors were named, {} attacks failed", attacks.len()),
    );
    Ok(())
}

/// Writes the test course and returns the folder that contains it.
fn test_course(folder: &std::path::Path) -> Result<std::path::PathBuf> {
    let script = "const { writeTestCourse } = await import(process.argv[1]); writeTestCourse(process.argv[2])";
    let mut node = Command::new("node");
    node.args(["--input-type=module", "-e", script]).arg(sh::root().join("tests/e2e/course.mjs"));
    sh::run(node.arg(folder.join(COURSE)))?;
    Ok(folder.to_owned())
}

/// Runs a program in the block of its language, and returns how it ended and its output.
fn run_program(
    window: &Window,
    language: &str,
    code: &str,
    input: &str,
) -> Result<(String, String)> {
    let block = usize::from(language == "python");
    let block = format!("document.querySelectorAll('figure.editable')[{block}]");
    // Typing would let the editor indent the lines.
    let fill = "const [area, text] = arguments; area.value = text; area.dispatchEvent(new Event('input', { bubbles: true }))";
    let script = |field: &str| {
        fill.replace("[area, text] = arguments", &format!("area = {field}, [text] = arguments"))
    };
    window.script(&script(&format!("{block}.querySelector('textarea')")), &[json!(code)])?;
    if !input.is_empty() {
        window
            .wait_true("the field for input", &format!("{block}.querySelector('.run textarea')"))?;
        window
            .script(&script(&format!("{block}.querySelector('.run textarea')")), &[json!(input)])?;
    }
    window.script(&format!("{block}.querySelector('.actions button').click()"), &[])?;
    let end = format!("{block}.querySelector('.actions .small:not([role])')");
    window.wait_true(&format!("the end of {code}"), &end)?;
    let seen = window.script(
        &format!(
            "return [{end}.textContent, {block}.querySelector('.run pre')?.textContent ?? '']"
        ),
        &[],
    )?;
    let part = |n: usize| seen[n].as_str().unwrap_or_default().trim().to_owned();
    Ok((part(0), part(1)))
}
