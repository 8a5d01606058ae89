//! Tests recordings and films in the real window with the server stopped: playback, seeking, speed, captions, playback
//! while the window is hidden, and the saved position after a restart and on the next device.

use std::{fs, path::PathBuf, process::Command};

use serde_json::{Value, json};

use super::{
    driver::Window,
    walk::{Device, say, sign_in, take_along},
};
use crate::{
    demo::Demo,
    programs,
    sh::{self, Result},
};

const COURSE: &str = "how-rivers-work";
const STORY: &str = "the-lamp-by-the-sea";
/// Tolerance of a seek and of a restored position. Seconds.
const NEAR: f64 = 0.3;

/// Where a recording was paused: page, element, position in seconds.
struct Left {
    page: String,
    css: &'static str,
    at: f64,
    name: String,
}

/// Runs the test once. The error contains the condition that timed out and the text of the window.
pub fn listen() -> Result {
    if !programs::app().exists() {
        return Err("the app is not built\nhint: cargo xtask run".into());
    }
    let place = sh::target().join("listen");
    if place.exists() {
        fs::remove_dir_all(&place).map_err(|e| format!("{}: {e}", place.display()))?;
    }
    let mut demo = Demo::prepare(&place.join("server"), &place)?;
    match storybooks() {
        Some(folder) => demo.import_more(&folder)?,
        None => say("skipped", "no african-storybook folder in CARREL_CONTENT: demo library only"),
    }
    demo.start()?;
    let laptop = Device::new("laptop", (1280, 800), &place)?;
    let window = laptop.open()?;
    sign_in(&window, &demo.address())?;
    take_along(&window, COURSE, false)?;
    let mut stories = vec![STORY.to_owned()];
    stories.extend(narrated(&window)?);
    for story in &stories {
        take_along(&window, story, true)?;
    }
    demo.stop();
    say(
        "offline",
        &format!("the server is stopped; downloaded: {COURSE} and {}", stories.join(", ")),
    );
    say("engine", &abilities(&window)?);

    let mut left = Vec::new();
    for (kind, css) in [("audio", ".player audio"), ("video", "figure video")] {
        let item = section_with(&window, kind)?;
        left.push(play(&window, &format!("#/read/{item}"), css, kind)?);
        laptop.picture(kind)?;
    }
    transcript(&window, &left[0])?;
    for story in &stories {
        narration(&window, story)?;
        laptop.picture(story)?;
    }
    hidden(&window, &laptop, &stories[0])?;
    window.close()?;

    let window = laptop.open()?;
    for left in &left {
        found_again(&window, left)?;
    }
    say("restart", "restarted offline: every recording is at its saved position");
    demo.start()?;
    window.call("sync_now", json!({}))?;
    let idle = |status: &Value| status["waiting"] == 0 && status["phase"] != "running";
    window.wait_call("the outbox to be empty", "get_sync_status", json!({}), idle)?;
    window.close()?;
    let phone = Device::new("phone", (390, 844), &place)?;
    let window = phone.open()?;
    sign_in(&window, &demo.address())?;
    // Nothing is downloaded on this device: media is streamed from the server through the loopback server.
    for left in &left {
        found_again(&window, left)?;
    }
    phone.picture("second-device")?;
    window.close()?;
    say(
        "synced",
        "a second device resumes at the same positions and streams media that it has not downloaded",
    );
    Ok(())
}

/// Returns the storybook folder below `CARREL_CONTENT`, or below `shared/content` beside the repository.
fn storybooks() -> Option<PathBuf> {
    let root = std::env::var_os("CARREL_CONTENT").map(PathBuf::from);
    let root = root.unwrap_or_else(|| sh::root().join("../shared/content"));
    let folder = root.join("african-storybook");
    folder.join("text").is_dir().then_some(folder)
}

/// Returns the ids of two narrated stories among the imported storybooks.
fn narrated(window: &Window) -> Result<Vec<String>> {
    let list = window.call("list_stories", json!({ "pageSize": 200 }))?;
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let real = items.iter().map(|item| &item["story"]).filter(|story| {
        story["narrated"] == true && story["id"].as_str().is_some_and(|id| id.starts_with("gs-"))
    });
    Ok(real.filter_map(|story| story["id"].as_str().map(str::to_owned)).take(2).collect())
}

/// Returns the item of the first section in the course with a block of this kind.
fn section_with(window: &Window, kind: &str) -> Result<String> {
    let course = window.call("get_course", json!({ "course": COURSE }))?;
    for lesson in course["lessons"].as_array().into_iter().flatten() {
        for section in lesson["sections"].as_array().into_iter().flatten() {
            let page = window.call("open_section", json!({ "item": section["item"] }))?;
            let blocks = page["body"]["blocks"].as_array();
            if blocks.into_iter().flatten().any(|block| block["kind"] == kind) {
                return Ok(section["item"].as_str().unwrap_or_default().to_owned());
            }
        }
    }
    Err(format!("no section of {COURSE} has a block of kind {kind}"))
}

fn number(window: &Window, expression: &str) -> Result<f64> {
    let value = window.script(&format!("return Number({expression})"), &[])?;
    value.as_f64().ok_or_else(|| format!("`{expression}` is {value}"))
}

/// Plays, seeks with the page's slider (videos: on the element), doubles the speed and pauses. Returns the position.
fn play(window: &Window, page: &str, css: &'static str, name: &str) -> Result<Left> {
    window.go(page)?;
    window.wait_for(if name == "audio" { ".player .play" } else { css })?;
    let it = format!("document.querySelector({})", json!(css));
    window.wait_true("the length of the recording", &format!("{it}?.readyState >= 1"))?;
    let length = number(window, &format!("{it}.duration"))?;
    start(window, &it, name)?;
    window.wait_true("playback to start", &format!("{it}.currentTime > 0.4 && !{it}.paused"))?;
    let begun = number(window, &format!("{it}.currentTime"))?;
    window.wait_true("playback to continue", &format!("{it}.currentTime > {}", begun + 0.5))?;

    let to = (length * 0.55 * 10.0).round() / 10.0;
    let seek = format!(
        "const it = {it}; window.landed = undefined; it.addEventListener('seeked', () => (window.landed = it.currentTime), {{ once: true }}); \
         const slider = document.querySelector('.player input[type=range]'); \
         if (slider && it.tagName === 'AUDIO') {{ slider.value = arguments[0]; slider.dispatchEvent(new Event('input', {{ bubbles: true }})); }} \
         else it.currentTime = arguments[0];"
    );
    window.script(&seek, &[json!(to)])?;
    window.wait_true("the seek to finish", "window.landed !== undefined")?;
    let landed = number(window, "window.landed")?;
    if (landed - to).abs() > NEAR {
        return Err(format!("{name}: seek to {to} s ended at {landed} s"));
    }
    window
        .wait_true("playback to continue after the seek", &format!("{it}.currentTime > {}", landed + 0.4))?;

    let faster = "const select = [...document.querySelectorAll('.speed select')].find((s) => s.closest('.player, figure')?.contains(arguments[0] && document.querySelector(arguments[0]))); \
         select.value = '2'; select.dispatchEvent(new Event('change', { bubbles: true }));";
    window.script(faster, &[json!(css)])?;
    window
        .wait_true("twice the speed", &format!("{it}.playbackRate === 2 && {it}.preservesPitch"))?;
    let measure = format!(
        "const done = arguments[arguments.length - 1], it = {it}, at = it.currentTime, from = performance.now(); \
         setTimeout(() => done((it.currentTime - at) / ((performance.now() - from) / 1000)), 700);"
    );
    let speed = window.script_async(&measure)?.as_f64().unwrap_or_default();
    if !(1.4..2.7).contains(&speed) {
        return Err(format!("{name}: at speed 2 it played {speed:.2} s per second"));
    }
    window.script(&format!("{it}.pause()"), &[])?;
    window.wait_true("playback to pause", &format!("{it}.paused"))?;
    let at = number(window, &format!("{it}.currentTime"))?;
    let hash = word(window, &format!("{it}.src.split('/').pop()"))?;
    let request = json!({ "kind": "media", "item": format!("{COURSE}/{hash}") });
    window.wait_call("the position to be saved", "get_place", request, |place| {
        let kept = place["pos"].as_str().and_then(|pos| pos[1..].parse::<f64>().ok());
        kept.is_some_and(|ms| (ms / 1000.0 - at).abs() < NEAR)
    })?;
    say(
        name,
        &format!(
            "{length:.1} s: seek to {to:.1} s ended at {landed:.2} s, at speed 2 plays {speed:.2} s per second, paused at {at:.2} s"
        ),
    );
    Ok(Left { page: page.to_owned(), css, at, name: name.to_owned() })
}

/// Starts playback with a click, because the engine requires a user gesture for audible media.
fn start(window: &Window, it: &str, name: &str) -> Result {
    if name == "audio" {
        return window.click(".player .play");
    }
    window.script(&format!("{it}.scrollIntoView({{ block: 'center' }}); {it}.focus()"), &[])?;
    window.click("figure video")?;
    let playing = window.script(&format!("return !{it}.paused"), &[])?;
    if playing != true {
        window.script(&format!("{it}.play()"), &[])?;
    }
    Ok(())
}

fn word(window: &Window, expression: &str) -> Result<String> {
    let value = window.script(&format!("return String({expression})"), &[])?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}

/// Checks that a click on a sentence of the transcript seeks to its time.
fn transcript(window: &Window, left: &Left) -> Result {
    window.go(&left.page)?;
    window.click(".player details summary")?;
    window.wait_for(".player [data-cue='2']")?;
    window.click(".player [data-cue='2']")?;
    let it = format!("document.querySelector({})", json!(left.css));
    window.wait_true(
        "the clicked sentence to be marked",
        "document.querySelector(\".player [data-cue='2']\").getAttribute('aria-current') === 'true'",
    )?;
    let caption = window.text(".player .cue")?;
    let count = number(window, "document.querySelectorAll('.player [data-cue]').length")?;
    window.script(&format!("{it}.pause()"), &[])?;
    // Restores the position for later steps.
    window.script(&format!("{it}.currentTime = arguments[0]"), &[json!(left.at)])?;
    window.wait_true("the position", &format!("Math.abs({it}.currentTime - {}) < 0.05", left.at))?;
    say(
        "text",
        &format!("{count} sentences seek to their time; caption: \"{caption}\""),
    );
    Ok(())
}

/// Checks the narration of a story: playback, seeking, and the turn to the next page at the end of the recording.
fn narration(window: &Window, story: &str) -> Result {
    window.go(&format!("#/story/{story}"))?;
    let it = "document.querySelector('.story audio')";
    window.wait_for(".story .play")?;
    window.wait_true("the narration", &format!("{it}?.readyState >= 1 && {it}.duration > 0"))?;
    window.click(".story .play")?;
    window.wait_true("the narration to play", &format!("{it}.currentTime > 0.3 && !{it}.paused"))?;
    let length = number(window, &format!("{it}.duration"))?;
    let to = (length - 0.6).max(0.0);
    let first = word(window, &format!("{it}.src"))?;
    let seek = format!(
        "const it = {it}; window.landed = undefined; it.addEventListener('seeked', () => (window.landed = it.currentTime), {{ once: true }}); it.currentTime = arguments[0];"
    );
    window.script(&seek, &[json!(to)])?;
    window.wait_true("the seek to finish", "window.landed !== undefined")?;
    let landed = number(window, "window.landed")?;
    if (landed - to).abs() > NEAR {
        return Err(format!("{story}: seek to {to} s ended at {landed} s"));
    }
    let next = format!("{it}.src !== {} && {it}.currentTime > 0.2 && !{it}.paused", json!(first));
    window.wait_true("the narration of the next page", &next)?;
    window.click(".story .play")?;
    window.wait_true("the narration to pause", &format!("{it}.paused"))?;
    say(
        "story",
        &format!(
            "{story}: {length:.1} s, seek to {to:.1} s ended at {landed:.2} s, then the next page was read automatically"
        ),
    );
    Ok(())
}

/// Hides the window and checks that the narration continues and turns the page.
fn hidden(window: &Window, laptop: &Device, story: &str) -> Result {
    window.go(&format!("#/story/{story}"))?;
    let it = "document.querySelector('.story audio')";
    window.wait_true("the narration", &format!("{it}?.readyState >= 1"))?;
    window.click(".story .play")?;
    window.wait_true("the narration to play", &format!("{it}.currentTime > 0.3"))?;
    let mut hide = Command::new("xdotool");
    laptop.use_screen(&mut hide);
    let ids = sh::output(hide.args(["search", "--onlyvisible", "--name", "Carrel"]))?;
    let Some(id) = ids.lines().next().map(str::to_owned) else {
        return Err("the window was not found on the screen".into());
    };
    let mut hide = Command::new("xdotool");
    laptop.use_screen(&mut hide);
    sh::run(hide.args(["windowunmap", &id]))?;
    window.wait_true("the page to be hidden", "document.visibilityState === 'hidden'")?;
    let before = word(window, &format!("{it}.src"))?;
    window.script(&format!("{it}.currentTime = {it}.duration - 0.5"), &[])?;
    // This engine may delay loading a recording while the page is hidden: the page must be turned and `play` called
    // now, and playback must start at the latest when the window is visible again.
    let next = format!("{it}.src !== {} && !{it}.paused", json!(before));
    wait_voice(window, it, "the next page while hidden", &next)?;
    let mut show = Command::new("xdotool");
    laptop.use_screen(&mut show);
    sh::run(show.args(["windowmap", &id]))?;
    window.wait_true("the page to be visible", "document.visibilityState === 'visible'")?;
    // WebKitGTK 2.50 under Xvfb sometimes pauses the element at this point without an event; a tap must then resume it.
    let heard = format!("{it}.currentTime > 0.5");
    let tapped = window.wait_true("the next page to play", &heard).is_err();
    if tapped {
        window.click(".story .play")?;
        wait_voice(window, it, "the next page to play after a click", &heard)?;
    }
    window.click(".story .play")?;
    let how = if tapped { ", playback resumed after a click" } else { "" };
    say("hidden", &format!("the window was hidden: the narration turned the page{how}"));
    Ok(())
}

/// Waits; the error contains the state of the media element.
fn wait_voice(window: &Window, it: &str, what: &str, expression: &str) -> Result {
    window.wait_true(what, expression).or_else(|e| {
        let facts = format!(
            "[{it}.paused, {it}.ended, {it}.currentTime, {it}.duration, {it}.readyState, {it}.networkState, {it}.src.slice(-8), document.visibilityState].join(' ')"
        );
        Err(format!("{e}\nmedia element: {}", word(window, &facts)?))
    })
}

fn found_again(window: &Window, left: &Left) -> Result {
    window.go(&left.page)?;
    let it = format!("document.querySelector({})", json!(left.css));
    let near = format!("Math.abs(({it}?.currentTime ?? -9) - {}) <= {NEAR}", left.at);
    window.wait_true(&format!("the {} to be at its saved position", left.name), &near)?;
    let at = number(window, &format!("{it}.currentTime"))?;
    say("position", &format!("{}: saved {:.2} s, restored {at:.2} s", left.name, left.at));
    // Check that playback continues from there.
    start(window, &it, &left.name)?;
    window.wait_true("playback to continue", &format!("{it}.currentTime > {}", left.at + 0.3))?;
    window.script(&format!("{it}.pause(); {it}.currentTime = arguments[0]"), &[json!(left.at)])?;
    window.wait_true("the position", &format!("Math.abs({it}.currentTime - {}) < 0.05", left.at))?;
    let hash = word(window, &format!("{it}.src.split('/').pop()"))?;
    let request = json!({ "kind": "media", "item": format!("{COURSE}/{hash}") });
    window
        .wait_call("the position to be saved again", "get_place", request, |place| {
            let kept = place["pos"].as_str().and_then(|pos| pos[1..].parse::<f64>().ok());
            kept.is_some_and(|ms| (ms / 1000.0 - left.at).abs() < NEAR)
        })
        .map(drop)
}

/// Returns which media features the engine supports.
fn abilities(window: &Window) -> Result<String> {
    let script = "const a = document.createElement('audio'), v = document.createElement('video'); \
        return [['media keys', 'mediaSession' in navigator], ['pitch preserved', 'preservesPitch' in a], \
        ['mp3', a.canPlayType('audio/mpeg') !== ''], ['ogg', a.canPlayType('audio/ogg; codecs=vorbis') !== ''], \
        ['h264', v.canPlayType('video/mp4; codecs=avc1.42E01E') !== ''], ['vp9', v.canPlayType('video/webm; codecs=vp9') !== '']] \
        .map(([name, has]) => `${name} ${has ? 'yes' : 'no'}`).join(', ')";
    let found = window.script(script, &[])?;
    Ok(found.as_str().unwrap_or_default().to_owned())
}

impl Device {
    fn use_screen(&self, command: &mut Command) {
        self.screen().use_for(command);
    }
}
