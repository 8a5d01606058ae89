//! Walks through the main use case in the real window: study, disconnect the network, study offline, restart,
//! reconnect, and compare the state with a second device. Prints the results; writes pictures to target/walk.

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

/// Runs the walk once. The error contains the condition that timed out and the text of the window.
pub fn walk() -> Result {
    if !programs::app().exists() {
        return Err("the app is not built\nhint: cargo xtask run".into());
    }
    let place = sh::target().join("walk");
    if place.exists() {
        fs::remove_dir_all(&place).map_err(|e| format!("{}: {e}", place.display()))?;
    }
    let mut demo = Demo::prepare(&place.join("server"), &place)?;
    demo.start()?;
    let laptop = Device::new("laptop", (1280, 800), &place)?;
    let phone = Device::new("phone", (390, 844), &place)?;

    let window = laptop.open()?;
    sign_in(&window, &demo.address())?;
    window.wait_for(&format!("a[href='#/course/{COURSE}']"))?;
    laptop.picture("01-library")?;
    for (id, is_story) in [(COURSE, false), (STORY, true)] {
        take_along(&window, id, is_story)?;
    }
    laptop.picture("02-course")?;
    say("online", "signed in; one course and one story downloaded and verified");

    demo.stop();
    if TcpStream::connect(demo.socket()).is_ok() {
        return Err("the server accepts connections after it was stopped".into());
    }
    let studied = study(&window, &laptop)?;
    say("offline", &format!("the server is stopped; studied {}", studied.join(", ")));
    window.go("#/sync")?;
    let waiting = waiting(&window, |n| n > 0)?;
    window.wait_for("h2#waiting")?;
    laptop.picture("05-pending")?;
    say("pending", &format!("{waiting} rows in the outbox"));

    window.close()?;
    let window = laptop.open()?;
    let again = self::waiting(&window, |n| n > 0)?;
    if again != waiting {
        return Err(format!("{waiting} rows in the outbox before the restart, {again} after"));
    }
    say("restart", &format!("restarted offline: {again} rows in the outbox"));

    demo.start()?;
    window.go("#/sync")?;
    window.click(".state button")?;
    self::waiting(&window, |n| n == 0)?;
    window.wait_for("h2#accepted")?;
    laptop.picture("06-accepted")?;
    let receipts = window.call("list_receipts", json!({}))?;
    let count = |key: &str| receipts[key].as_array().map_or(0, Vec::len);
    if count("refused") > 0 {
        return Err(format!("the server refused: {}", receipts["refused"]));
    }
    say("online", &format!("{} accepted, none refused", count("accepted")));
    let here = state(&window)?;
    window.close()?;

    let window = phone.open()?;
    sign_in(&window, &demo.address())?;
    let there = window.wait_call(
        "the second device to have the same state",
        "get_course",
        json!({ "course": COURSE }),
        |course| course["done"] == here["done"] && course["timeSpentMs"] == here["timeSpentMs"],
    )?;
    let there = pick(&there);
    if there != here {
        return Err(format!("the devices differ:\n{here}\n{there}"));
    }
    window.go(&format!("#/course/{COURSE}"))?;
    window.wait_for(".acts .button")?;
    phone.picture("07-second-device")?;
    window.close()?;
    say("synced", &format!("the second device shows the same state: {here}"));

    demo.stop();
    let guest = Device::new("guest", (390, 844), &place)?;
    let window = guest.open_with(&[("CARREL_DEMO_DIR", &demo.library().display().to_string())])?;
    window.click("section .button.go")?;
    window.wait_for("nav a[href='#/sync']")?;
    window.go(&format!("#/story/{STORY}"))?;
    window.wait_for(".story .text")?;
    let read = json!({ "kind": "story", "item": STORY, "percent": 2500, "pos": "p2.s1" });
    window.call("record_progress", read)?;
    guest.picture("08-demo-library")?;
    window.close()?;
    say("guest", "the demo library opens and saves progress without an account or a server");
    println!("  screenshots: {}", place.display());
    Ok(())
}

pub(super) fn say(word: &str, text: &str) {
    println!("  {word:<8} {text}");
}

impl Device {
    pub(super) fn new(name: &str, size: (u32, u32), place: &Path) -> Result<Self> {
        let logs = place.join(format!("{name}-logs"));
        let screen = Screen::start(size.0, size.1, &logs)?;
        Ok(Self { screen, data: place.join(name), logs, size })
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

    pub(super) fn picture(&self, name: &str) -> Result {
        let place = self.data.parent().unwrap_or(&self.data);
        self.screen.picture(&place.join(format!("{name}.png"))).map(drop)
    }
}

/// Signs in on the first-run screen: enters the server's address, then login and password.
pub(super) fn sign_in(window: &Window, address: &str) -> Result {
    window.fill("#address", address)?;
    window.click(".connect form button")?;
    window.fill("#login", demo::LOGIN)?;
    window.fill("#password", demo::PASSWORD)?;
    window.click("form .button.go")?;
    window.wait_for("nav a[href='#/sync']").map(drop)
}

/// Downloads a course with its button or a story by the command, and waits until all its files are verified.
pub(super) fn take_along(window: &Window, id: &str, is_story: bool) -> Result {
    let request = json!({ "id": id, "isStory": is_story });
    if is_story {
        window.call("start_download", request.clone())?;
    } else {
        window.go(&format!("#/course/{id}"))?;
        window.click(".download button")?;
    }
    window.wait_call(&format!("`{id}` to be downloaded"), "check_offline", request, |check| {
        check["ready"] == true
    })?;
    Ok(())
}

/// Reads sections until one with a recording was played, then a page of the story. Returns descriptions of the steps.
fn study(window: &Window, laptop: &Device) -> Result<Vec<String>> {
    let mut done = Vec::new();
    window.go(&format!("#/course/{COURSE}"))?;
    window.click(".acts .button.go")?;
    let mut heard = false;
    while done.len() < 2 || !heard {
        if done.len() > 12 {
            return Err("no section of the course has a recording".into());
        }
        let title = window.text("article h1")?;
        if !heard && window.find(".player .play").is_ok() {
            window.click(".player .play")?;
            window.wait_true(
                "the recording to play",
                "document.querySelector('.player audio').currentTime > 0.2",
            )?;
            window.click(".player .play")?;
            heard = true;
            laptop.picture("03-lesson")?;
            done.push(format!("played the recording of \"{title}\""));
        }
        if window.find("article footer .button.go").is_ok() {
            window.click("article footer .button.go")?;
            window.wait_for("article footer .finished")?;
            done.push(format!("finished \"{title}\""));
        }
        window.click("article footer a[rel=next]")?;
        let expression =
            format!("document.querySelector('article h1')?.textContent !== {}", json!(title));
        window.wait_true("the next section", &expression)?;
    }
    window.go(&format!("#/story/{STORY}"))?;
    let title = window.text(".story h1")?;
    window.wait_for(".story .text")?;
    window.press("j")?;
    laptop.picture("04-story")?;
    done.push(format!("turned a page of \"{title}\""));
    Ok(done)
}

/// Waits until `good` accepts the number of outbox rows, and returns it.
fn waiting(window: &Window, good: impl Fn(u64) -> bool) -> Result<u64> {
    let number = |status: &Value| status["waiting"].as_u64().unwrap_or_default();
    let settled = |status: &Value| status["phase"] != "running" && good(number(status));
    let status = window.wait_call("the outbox", "get_sync_status", json!({}), settled)?;
    Ok(number(&status))
}

fn state(window: &Window) -> Result<Value> {
    window.call("get_course", json!({ "course": COURSE })).map(|course| pick(&course))
}

/// The fields that must be equal on both devices.
fn pick(course: &Value) -> Value {
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
