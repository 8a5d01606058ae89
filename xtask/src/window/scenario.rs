//! Runs the main scenario in the real window: study, disconnect the network, study offline, restart, reconnect, and
//! compare the state with a second device. Prints the results; writes screenshots to target/scenario.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{driver::Window, screen::Screen};
use crate::{
    demo::{self, Demo},
    programs,
    sh::{self, Result},
};

const COURSE: &str = "waves-and-sound";
const STORY: &str = "the-goat-on-the-bus";

/// A device: its screen and the app's files.
pub(super) struct Device {
    screen: Screen,
    data: PathBuf,
    logs: PathBuf,
    size: (u32, u32),
}

/// Runs the scenario once. The error contains the condition that timed out and the text of the window.
pub fn run() -> Result {
    if !programs::app().exists() {
        return Err("the app is not built\nhint: cargo xtask run".into());
    }
    let folder = sh::target().join("scenario");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let mut demo = Demo::prepare(&folder.join("server"), &folder)?;
    demo.start()?;
    let laptop = Device::new("laptop", (1280, 800), &folder)?;
    let phone = Device::new("phone", (390, 844), &folder)?;

    let window = laptop.open()?;
    sign_in(&window, &demo.address())?;
    window.wait_for(&format!("a[href='#/course/{COURSE}']"))?;
    laptop.screenshot("01-library")?;
    for (id, is_story) in [(COURSE, false), (STORY, true)] {
        download(&window, id, is_story)?;
    }
    laptop.screenshot("02-course")?;
    print_result("online", "signed in; one course and one story downloaded and verified");

    demo.stop();
    if TcpStream::connect(demo.socket()).is_ok() {
        return Err("the server accepts connections after it was stopped".into());
    }
    let studied = study(&window, &laptop)?;
    print_result("offline", &format!("the server is stopped; studied {}", studied.join(", ")));
    window.navigate("#/sync")?;
    let before = outbox_rows(&window, |n| n > 0)?;
    window.wait_for("h2#waiting")?;
    laptop.screenshot("05-pending")?;
    print_result("pending", &format!("{before} rows in the outbox"));

    window.close()?;
    let window = laptop.open()?;
    let after = outbox_rows(&window, |n| n > 0)?;
    if after != before {
        return Err(format!("{before} rows in the outbox before the restart, {after} after"));
    }
    print_result("restart", &format!("restarted offline: {after} rows in the outbox"));

    demo.start()?;
    window.navigate("#/sync")?;
    window.click(".state button")?;
    outbox_rows(&window, |n| n == 0)?;
    window.wait_for("h2#accepted")?;
    laptop.screenshot("06-accepted")?;
    let receipts = window.call("list_receipts", json!({}))?;
    let count = |key: &str| receipts[key].as_array().map_or(0, Vec::len);
    if count("refused") > 0 {
        return Err(format!("the server refused: {}", receipts["refused"]));
    }
    print_result("online", &format!("{} accepted, none refused", count("accepted")));
    let first = state(&window)?;
    window.close()?;

    let window = phone.open()?;
    sign_in(&window, &demo.address())?;
    let second = window.wait_call(
        "the second device to have the same state",
        "get_course",
        json!({ "course": COURSE }),
        |course| course["done"] == first["done"] && course["timeSpentMs"] == first["timeSpentMs"],
    )?;
    let second = compared_fields(&second);
    if second != first {
        return Err(format!("the devices differ:\n{first}\n{second}"));
    }
    window.navigate(&format!("#/course/{COURSE}"))?;
    window.wait_for(".actions .button")?;
    phone.screenshot("07-second-device")?;
    window.close()?;
    print_result("synced", &format!("the second device shows the same state: {first}"));

    demo.stop();
    let guest = Device::new("guest", (390, 844), &folder)?;
    let window = guest.open_with(&[("CARREL_DEMO_DIR", &demo.library().display().to_string())])?;
    window.click("section .button.primary")?;
    window.wait_for("nav a[href='#/sync']")?;
    window.navigate(&format!("#/story/{STORY}"))?;
    window.wait_for(".story .text")?;
    let read = json!({ "kind": "story", "item": STORY, "percent": 2500, "pos": "p2.s1" });
    window.call("record_progress", read)?;
    guest.screenshot("08-demo-library")?;
    window.close()?;
    print_result(
        "guest",
        "the demo library opens and saves progress without an account or a server",
    );
    println!("  screenshots: {}", folder.display());
    Ok(())
}

pub(super) fn print_result(label: &str, text: &str) {
    println!("  {label:<8} {text}");
}

impl Device {
    pub(super) fn new(name: &str, size: (u32, u32), folder: &Path) -> Result<Self> {
        let logs = folder.join(format!("{name}-logs"));
        let screen = Screen::start(size.0, size.1, &logs)?;
        Ok(Self { screen, data: folder.join(name), logs, size })
    }

    pub(super) fn screen(&self) -> &Screen {
        &self.screen
    }

    pub(super) fn open(&self) -> Result<Window> {
        self.open_with(&[])
    }

    fn open_with(&self, more: &[(&str, &str)]) -> Result<Window> {
        let env = [&[("LANG", "C.UTF-8"), ("LANGUAGE", "en")], more].concat();
        let window = Window::open(&self.screen, &programs::app(), &self.data, &env, &self.logs)?;
        window.resize(self.size.0, self.size.1)?;
        window.wait_for("h1")?;
        Ok(window)
    }

    pub(super) fn screenshot(&self, name: &str) -> Result {
        let folder = self.data.parent().unwrap_or(&self.data);
        self.screen.screenshot(&folder.join(format!("{name}.png"))).map(drop)
    }
}

/// Signs in on the first-run screen: enters the server's address, then login and password.
pub(super) fn sign_in(window: &Window, address: &str) -> Result {
    window.fill("#address", address)?;
    window.click(".connect form button")?;
    window.fill("#login", demo::LOGIN)?;
    window.fill("#password", demo::PASSWORD)?;
    window.click("form .button.primary")?;
    window.wait_for("nav a[href='#/sync']").map(drop)
}

/// Downloads a course with its button or a story with the command, and waits until all its files are verified.
pub(super) fn download(window: &Window, id: &str, is_story: bool) -> Result {
    let request = json!({ "id": id, "isStory": is_story });
    if is_story {
        window.call("start_download", request.clone())?;
    } else {
        window.navigate(&format!("#/course/{id}"))?;
        window.click(".download button")?;
    }
    window.wait_call(&format!("`{id}` to be downloaded"), "check_offline", request, |check| {
        check["ready"] == true
    })?;
    Ok(())
}

/// Finishes sections until the recording of one was played, then turns a page of the story. Returns descriptions of the
/// steps.
fn study(window: &Window, laptop: &Device) -> Result<Vec<String>> {
    let mut done = Vec::new();
    window.navigate(&format!("#/course/{COURSE}"))?;
    window.click(".actions .button.primary")?;
    let mut played = false;
    while done.len() < 2 || !played {
        if done.len() > 12 {
            return Err("no section of the course has a recording".into());
        }
        let title = window.text("article h1")?;
        if !played && window.find(".player .play").is_ok() {
            window.click(".player .play")?;
            window.wait_true(
                "the recording to play",
                "document.querySelector('.player audio').currentTime > 0.2",
            )?;
            window.click(".player .play")?;
            played = true;
            laptop.screenshot("03-lesson")?;
            done.push(format!("played the recording of \"{title}\""));
        }
        if window.find("article footer .button.primary").is_ok() {
            window.click("article footer .button.primary")?;
            window.wait_for("article footer .finished")?;
            done.push(format!("finished \"{title}\""));
        }
        window.click("article footer a[rel=next]")?;
        let expression =
            format!("document.querySelector('article h1')?.textContent !== {}", json!(title));
        window.wait_true("the next section", &expression)?;
    }
    window.navigate(&format!("#/story/{STORY}"))?;
    let title = window.text(".story h1")?;
    window.wait_for(".story .text")?;
    window.send_keys("j")?;
    laptop.screenshot("04-story")?;
    done.push(format!("turned a page of \"{title}\""));
    Ok(done)
}

/// Waits until `good` accepts the number of outbox rows, and returns it.
fn outbox_rows(window: &Window, good: impl Fn(u64) -> bool) -> Result<u64> {
    let number = |status: &Value| status["waiting"].as_u64().unwrap_or_default();
    let settled = |status: &Value| status["phase"] != "running" && good(number(status));
    let status = window.wait_call("the outbox", "get_sync_status", json!({}), settled)?;
    Ok(number(&status))
}

fn state(window: &Window) -> Result<Value> {
    window.call("get_course", json!({ "course": COURSE })).map(|course| compared_fields(&course))
}

/// The fields that must be equal on both devices.
fn compared_fields(course: &Value) -> Value {
    let sections: Vec<Value> = course["lessons"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|lesson| lesson["sections"].as_array().into_iter().flatten())
        .map(|section| section["percent"].clone())
        .collect();
    json!({
        "done": course["done"],
        "percent": course["percent"],
        "timeSpentMs": course["timeSpentMs"],
        "sections": sections,
    })
}
