//! Runs learners' programs in the real window with the server stopped: the table tests/e2e/programs.json with results,
//! errors, and programs that try to reach the network, the app or the page. Opens each text of the hostile course.

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
/// Id of the course with hostile texts, and its lesson.
const HOSTILE_COURSE: &str = "hostile";
const HOSTILE_LESSON: &str = "#/read/hostile/all";
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
    demo.import_packages(&test_courses(&folder.join("packages"))?)?;
    demo.start()?;
    let laptop = Device::new("laptop", (1280, 800), &folder)?;
    let window = laptop.open()?;
    sign_in(&window, &demo.address())?;
    download(&window, COURSE, false)?;
    download(&window, HOSTILE_COURSE, false)?;
    demo.stop();
    window.navigate(SECTION)?;
    window.wait_for("figure.editable textarea")?;

    let table = sh::read(&sh::root().join("tests/e2e/programs.json"))?;
    let table: Value = serde_json::from_str(&table).map_err(|e| format!("programs.json: {e}"))?;
    let rows = |part: &str| table[part].as_array().cloned().unwrap_or_default();
    let text = |row: &Value, n: usize| row[n].as_str().unwrap_or_default().to_owned();
    let check_works = || -> Result {
        for row in rows("works") {
            let (end, output) =
                run_program(&window, &text(&row, 0), &text(&row, 1), &text(&row, 2))?;
            if end != "Ended" || output.trim() != text(&row, 3) {
                return Err(format!("{row}: {end}: {output}"));
            }
        }
        Ok(())
    };
    check_works()?;
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
        // A program whose attack ends later, in a promise, prints "inside".
        let is_over = end != "Ended" || output == "inside";
        if !is_over || output.contains(ESCAPED) {
            return Err(format!("{row}: {end}: {output}"));
        }
    }
    // No attack changed what later programs do.
    check_works()?;
    laptop.screenshot("programs")?;
    let texts = read_hostile_course(&window)?;
    window.close()?;
    let (works, errors) = (rows("works").len(), rows("errors").len());
    print_result(
        "programs",
        &format!(
            "{works} ran, {errors} errors were named, {} attacks failed, {texts} hostile texts ran nothing",
            attacks.len()
        ),
    );
    Ok(())
}

/// Writes the test course and the hostile course, and returns the folder that contains them.
fn test_courses(folder: &std::path::Path) -> Result<std::path::PathBuf> {
    let script = "const { writeTestCourse, writeHostileCourse } = await import(process.argv[1]); \
                  writeTestCourse(process.argv[2]); writeHostileCourse(process.argv[3])";
    let mut node = Command::new("node");
    node.args(["--input-type=module", "-e", script]).arg(sh::root().join("tests/e2e/course.mjs"));
    sh::run(node.args([COURSE, HOSTILE_COURSE].map(|course| folder.join(course))))?;
    Ok(folder.to_owned())
}

/// Opens every text of the hostile course, and returns their number. An error names what ran or is a forbidden element.
fn read_hostile_course(window: &Window) -> Result<usize> {
    let course = window.call("get_course", json!({ "course": HOSTILE_COURSE }))?;
    let sections = course["lessons"][0]["sections"].as_array().map_or(0, Vec::len);
    for number in 0..sections {
        window.navigate(&format!("{HOSTILE_LESSON}/v{number}"))?;
        let section = course["lessons"][0]["sections"][number]["title"].clone();
        let is_open = format!(
            "document.querySelector('article h1')?.textContent.trim() === {section}.trim()"
        );
        window.wait_true("the hostile text", &is_open)?;
        let script = "const article = document.querySelector('article'); \
            for (const e of article.querySelectorAll('[href], abbr, li, p')) e.dispatchEvent(new Event('click')); \
            const bad = 'script, style, iframe, object, embed, form, img, video, [onclick], [onerror]'; \
            return [window.ESCAPED ?? null, ...[...article.querySelectorAll(bad)].map((e) => e.outerHTML)]";
        let found = window.script(script, &[])?;
        if found != json!([null]) {
            return Err(format!("the text {section}: {found}"));
        }
    }
    if sections < 60 {
        return Err(format!("{sections} hostile texts were opened; expected: at least 60"));
    }
    Ok(sections)
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
