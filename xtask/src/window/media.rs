//! Tests recordings and videos in the real window with the server stopped: playback, seeking, speed, captions, playback
//! while the window is hidden, and the saved position after a restart and on a second device.

use std::{fs, path::PathBuf, process::Command};

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

const COURSE: &str = "how-rivers-work";
const STORY: &str = "the-lamp-by-the-sea";
/// Tolerance of a seek and of a restored position. Seconds.
const TOLERANCE_S: f64 = 0.3;

/// A paused recording or video: its page, element, position in seconds and name.
struct Paused {
    page: String,
    css: &'static str,
    at: f64,
    name: String,
}

/// Runs the test once. The error contains the condition that timed out and the text of the window.
pub fn test() -> Result {
    if !programs::app().exists() {
        return Err("the app is not built\nhint: cargo xtask run".into());
    }
    let folder = sh::target().join("window-media");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let mut demo = Demo::prepare(&folder.join("server"), &folder)?;
    match storybooks() {
        Some(folder) => demo.import_packages(&folder)?,
        None => print_result(
            "skipped",
            "no african-storybook folder in CARREL_CONTENT: demo library only",
        ),
    }
    demo.start()?;
    let laptop = Device::new("laptop", (1280, 800), &folder)?;
    let window = laptop.open()?;
    sign_in(&window, &demo.address())?;
    download(&window, COURSE, false)?;
    let mut stories = vec![STORY.to_owned()];
    stories.extend(narrated_stories(&window)?);
    for story in &stories {
        download(&window, story, true)?;
    }
    demo.stop();
    print_result(
        "offline",
        &format!("the server is stopped; downloaded: {COURSE} and {}", stories.join(", ")),
    );
    print_result("engine", &media_features(&window)?);

    let mut paused_recordings = Vec::new();
    for (kind, css) in [("audio", ".player audio"), ("video", "figure video")] {
        let item = section_with(&window, kind)?;
        paused_recordings.push(play(&window, &format!("#/read/{item}"), css, kind)?);
        laptop.screenshot(kind)?;
    }
    transcript(&window, &paused_recordings[0])?;
    for story in &stories {
        narration(&window, story)?;
        laptop.screenshot(story)?;
    }
    hidden_window(&window, &laptop, &stories[0])?;
    window.close()?;

    let window = laptop.open()?;
    for paused in &paused_recordings {
        check_position(&window, paused)?;
    }
    print_result("restart", "restarted offline: every recording is at its saved position");
    demo.start()?;
    window.call("sync_now", json!({}))?;
    let idle = |status: &Value| status["waiting"] == 0 && status["phase"] != "running";
    window.wait_call("the outbox to be empty", "get_sync_status", json!({}), idle)?;
    window.close()?;
    let phone = Device::new("phone", (390, 844), &folder)?;
    let window = phone.open()?;
    sign_in(&window, &demo.address())?;
    // Nothing is downloaded on this device: media is streamed from the server through the loopback server.
    for paused in &paused_recordings {
        check_position(&window, paused)?;
    }
    phone.screenshot("second-device")?;
    window.close()?;
    print_result(
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
fn narrated_stories(window: &Window) -> Result<Vec<String>> {
    let list = window.call("list_stories", json!({ "pageSize": 200 }))?;
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let imported = items.iter().map(|item| &item["story"]).filter(|story| {
        story["narrated"] == true && story["id"].as_str().is_some_and(|id| id.starts_with("gs-"))
    });
    Ok(imported.filter_map(|story| story["id"].as_str().map(str::to_owned)).take(2).collect())
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
fn play(window: &Window, page: &str, css: &'static str, name: &str) -> Result<Paused> {
    window.navigate(page)?;
    window.wait_for(if name == "audio" { ".player .play" } else { css })?;
    let element = format!("document.querySelector({})", json!(css));
    window.wait_true("the length of the recording", &format!("{element}?.readyState >= 1"))?;
    let length = number(window, &format!("{element}.duration"))?;
    start(window, &element, name)?;
    window.wait_true(
        "playback to start",
        &format!("{element}.currentTime > 0.4 && !{element}.paused"),
    )?;
    let position = number(window, &format!("{element}.currentTime"))?;
    window.wait_true(
        "playback to continue",
        &format!("{element}.currentTime > {}", position + 0.5),
    )?;

    let to = (length * 0.55 * 10.0).round() / 10.0;
    let seek = format!(
        "const it = {element}; window.seekEnd = undefined; it.addEventListener('seeked', () => (window.seekEnd = it.currentTime), {{ once: true }}); \
         const slider = document.querySelector('.player input[type=range]'); \
         if (slider && it.tagName === 'AUDIO') {{ slider.value = arguments[0]; slider.dispatchEvent(new Event('input', {{ bubbles: true }})); }} \
         else it.currentTime = arguments[0];"
    );
    window.script(&seek, &[json!(to)])?;
    window.wait_true("the seek to finish", "window.seekEnd !== undefined")?;
    let ended_at = number(window, "window.seekEnd")?;
    if (ended_at - to).abs() > TOLERANCE_S {
        return Err(format!("{name}: seek to {to} s ended at {ended_at} s"));
    }
    window.wait_true(
        "playback to continue after the seek",
        &format!("{element}.currentTime > {}", ended_at + 0.4),
    )?;

    let faster = "const select = [...document.querySelectorAll('.speed select')].find((s) => s.closest('.player, figure')?.contains(arguments[0] && document.querySelector(arguments[0]))); \
         select.value = '2'; select.dispatchEvent(new Event('change', { bubbles: true }));";
    window.script(faster, &[json!(css)])?;
    window.wait_true(
        "twice the speed",
        &format!("{element}.playbackRate === 2 && {element}.preservesPitch"),
    )?;
    let measure = format!(
        "const done = arguments[arguments.length - 1], it = {element}, at = it.currentTime, from = performance.now(); \
         setTimeout(() => done((it.currentTime - at) / ((performance.now() - from) / 1000)), 700);"
    );
    let speed = window.script_async(&measure)?.as_f64().unwrap_or_default();
    if !(1.4..2.7).contains(&speed) {
        return Err(format!("{name}: at speed 2, {speed:.2} s were played per second"));
    }
    window.script(&format!("{element}.pause()"), &[])?;
    window.wait_true("playback to pause", &format!("{element}.paused"))?;
    let at = number(window, &format!("{element}.currentTime"))?;
    let hash = text(window, &format!("{element}.src.split('/').pop()"))?;
    let request = json!({ "kind": "media", "item": format!("{COURSE}/{hash}") });
    window.wait_call("the position to be saved", "get_position", request, |reply| {
        let saved = reply["pos"].as_str().and_then(|pos| pos[1..].parse::<f64>().ok());
        saved.is_some_and(|ms| (ms / 1000.0 - at).abs() < TOLERANCE_S)
    })?;
    print_result(
        name,
        &format!(
            "{length:.1} s: seek to {to:.1} s ended at {ended_at:.2} s, at speed 2 plays {speed:.2} s per second, \
             paused at {at:.2} s"
        ),
    );
    Ok(Paused { page: page.to_owned(), css, at, name: name.to_owned() })
}

/// Starts playback with a click, because the engine requires a user gesture for audible media.
fn start(window: &Window, element: &str, name: &str) -> Result {
    if name == "audio" {
        return window.click(".player .play");
    }
    window.script(
        &format!("{element}.scrollIntoView({{ block: 'center' }}); {element}.focus()"),
        &[],
    )?;
    window.click("figure video")?;
    let playing = window.script(&format!("return !{element}.paused"), &[])?;
    if playing != true {
        window.script(&format!("{element}.play()"), &[])?;
    }
    Ok(())
}

fn text(window: &Window, expression: &str) -> Result<String> {
    let value = window.script(&format!("return String({expression})"), &[])?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}

/// Checks that a click on a sentence of the transcript seeks to its time.
fn transcript(window: &Window, paused: &Paused) -> Result {
    window.navigate(&paused.page)?;
    window.click(".player details summary")?;
    window.wait_for(".player [data-cue='2']")?;
    window.click(".player [data-cue='2']")?;
    let element = format!("document.querySelector({})", json!(paused.css));
    window.wait_true(
        "the clicked sentence to be marked",
        "document.querySelector(\".player [data-cue='2']\").getAttribute('aria-current') === 'true'",
    )?;
    let caption = window.text(".player .cue")?;
    let count = number(window, "document.querySelectorAll('.player [data-cue]').length")?;
    window.script(&format!("{element}.pause()"), &[])?;
    // Restores the position for later steps.
    window.script(&format!("{element}.currentTime = arguments[0]"), &[json!(paused.at)])?;
    window.wait_true(
        "the position",
        &format!("Math.abs({element}.currentTime - {}) < 0.05", paused.at),
    )?;
    print_result("text", &format!("{count} sentences seek to their time; caption: \"{caption}\""));
    Ok(())
}

/// Checks the narration of a story: playback, seeking, and the turn to the next page at the end of the recording.
fn narration(window: &Window, story: &str) -> Result {
    window.navigate(&format!("#/story/{story}"))?;
    let element = "document.querySelector('.story audio')";
    window.wait_for(".story .play")?;
    window.wait_true(
        "the narration",
        &format!("{element}?.readyState >= 1 && {element}.duration > 0"),
    )?;
    window.click(".story .play")?;
    window.wait_true(
        "the narration to play",
        &format!("{element}.currentTime > 0.3 && !{element}.paused"),
    )?;
    let length = number(window, &format!("{element}.duration"))?;
    let to = (length - 0.6).max(0.0);
    let first = text(window, &format!("{element}.src"))?;
    let seek = format!(
        "const it = {element}; window.seekEnd = undefined; it.addEventListener('seeked', () => (window.seekEnd = it.currentTime), {{ once: true }}); it.currentTime = arguments[0];"
    );
    window.script(&seek, &[json!(to)])?;
    window.wait_true("the seek to finish", "window.seekEnd !== undefined")?;
    let ended_at = number(window, "window.seekEnd")?;
    if (ended_at - to).abs() > TOLERANCE_S {
        return Err(format!("{story}: seek to {to} s ended at {ended_at} s"));
    }
    let next = format!(
        "{element}.src !== {} && {element}.currentTime > 0.2 && !{element}.paused",
        json!(first)
    );
    window.wait_true("the narration of the next page", &next)?;
    window.click(".story .play")?;
    window.wait_true("the narration to pause", &format!("{element}.paused"))?;
    print_result(
        "story",
        &format!(
            "{story}: {length:.1} s, seek to {to:.1} s ended at {ended_at:.2} s, \
             then the narration of the next page started automatically"
        ),
    );
    Ok(())
}

/// Hides the window and checks that the narration continues and turns the page.
fn hidden_window(window: &Window, laptop: &Device, story: &str) -> Result {
    window.navigate(&format!("#/story/{story}"))?;
    let element = "document.querySelector('.story audio')";
    window.wait_true("the narration", &format!("{element}?.readyState >= 1"))?;
    window.click(".story .play")?;
    window.wait_true("the narration to play", &format!("{element}.currentTime > 0.3"))?;
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
    let before = text(window, &format!("{element}.src"))?;
    window.script(&format!("{element}.currentTime = {element}.duration - 0.5"), &[])?;
    // This engine may delay loading a recording while the page is hidden: the page must be turned and `play` called
    // now, and playback must start at the latest when the window is visible again.
    let next = format!("{element}.src !== {} && !{element}.paused", json!(before));
    wait_for_media(window, element, "the next page while hidden", &next)?;
    let mut show = Command::new("xdotool");
    laptop.use_screen(&mut show);
    sh::run(show.args(["windowmap", &id]))?;
    window.wait_true("the page to be visible", "document.visibilityState === 'visible'")?;
    // WebKitGTK 2.50 under Xvfb sometimes pauses the element at this point without an event; a click must then
    // resume it.
    let playing = format!("{element}.currentTime > 0.5");
    let clicked = window.wait_true("the next page to play", &playing).is_err();
    if clicked {
        window.click(".story .play")?;
        wait_for_media(window, element, "the next page to play after a click", &playing)?;
    }
    window.click(".story .play")?;
    let how = if clicked { ", playback resumed after a click" } else { "" };
    print_result("hidden", &format!("the window was hidden: the narration turned the page{how}"));
    Ok(())
}

/// Waits until `expression` is true; the error contains the state of the media element.
fn wait_for_media(window: &Window, element: &str, what: &str, expression: &str) -> Result {
    window.wait_true(what, expression).or_else(|e| {
        let facts = format!(
            "[{element}.paused, {element}.ended, {element}.currentTime, {element}.duration, {element}.readyState, {element}.networkState, {element}.src.slice(-8), document.visibilityState].join(' ')"
        );
        Err(format!("{e}\nmedia element: {}", text(window, &facts)?))
    })
}

fn check_position(window: &Window, paused: &Paused) -> Result {
    window.navigate(&paused.page)?;
    let element = format!("document.querySelector({})", json!(paused.css));
    let restored =
        format!("Math.abs(({element}?.currentTime ?? -9) - {}) <= {TOLERANCE_S}", paused.at);
    window.wait_true(&format!("the {} to be at its saved position", paused.name), &restored)?;
    let at = number(window, &format!("{element}.currentTime"))?;
    print_result(
        "position",
        &format!("{}: saved {:.2} s, restored {at:.2} s", paused.name, paused.at),
    );
    // Check that playback continues from there.
    start(window, &element, &paused.name)?;
    window.wait_true(
        "playback to continue",
        &format!("{element}.currentTime > {}", paused.at + 0.3),
    )?;
    window.script(
        &format!("{element}.pause(); {element}.currentTime = arguments[0]"),
        &[json!(paused.at)],
    )?;
    window.wait_true(
        "the position",
        &format!("Math.abs({element}.currentTime - {}) < 0.05", paused.at),
    )?;
    let hash = text(window, &format!("{element}.src.split('/').pop()"))?;
    let request = json!({ "kind": "media", "item": format!("{COURSE}/{hash}") });
    window
        .wait_call("the position to be saved again", "get_position", request, |reply| {
            let saved = reply["pos"].as_str().and_then(|pos| pos[1..].parse::<f64>().ok());
            saved.is_some_and(|ms| (ms / 1000.0 - paused.at).abs() < TOLERANCE_S)
        })
        .map(drop)
}

/// Returns which media features the engine supports.
fn media_features(window: &Window) -> Result<String> {
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
        self.screen().configure(command);
    }
}
