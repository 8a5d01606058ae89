//! Measures what a learner waits for in the real window: a story with the card of a word, sound, feedback to an answer,
//! and the sync after a time without a network.

use std::time::Instant;

use serde_json::{Value, json};

use super::{
    driver::Window,
    limits::Budget,
    scenario::{self, download},
};
use crate::{demo::Demo, sh::Result};

const STORY: &str = "the-lamp-by-the-sea";

const CARD: Budget =
    Budget { name: "story page with the card of a word", unit: "ms", max: 1_000.0 };
const SOUND: Budget = Budget { name: "narration: press to sound", unit: "ms", max: 1_000.0 };
const FEEDBACK: Budget = Budget { name: "answer to feedback", unit: "ms", max: 500.0 };
const SYNCED: Budget = Budget { name: "offline to synced", unit: "ms", max: 10_000.0 };

/// Resolves once `good` returns true, with the time after the next frame.
const PAINTED: &str = "const painted = (good) => new Promise((done) => { \
    const check = () => good() ? requestAnimationFrame(() => done(performance.now())) : requestAnimationFrame(check); \
    check(); });";

/// Measures with a device that is signed in and has `course`. The server of `demo` is running before and after.
pub(super) fn measure(
    window: &Window,
    demo: &mut Demo,
    course: &str,
) -> Result<Vec<(Budget, f64)>> {
    download(window, STORY, true)?;
    let card = card(window)?;
    let sound = sound(window)?;
    let feedback = feedback(window, course)?;
    let synced = synced(window, demo)?;
    Ok(vec![(CARD, card), (SOUND, sound), (FEEDBACK, feedback), (SYNCED, synced)])
}

/// Runs a script that calls `done` with a time in milliseconds.
fn time(window: &Window, script: &str) -> Result<f64> {
    let script = format!("const done = arguments[arguments.length - 1]; {PAINTED} {script}");
    let reply = window.script_async(&script)?;
    reply.as_f64().ok_or_else(|| format!("no time: {reply}"))
}

/// From the change of the address to the card of a marked word of the first page.
fn card(window: &Window) -> Result<f64> {
    let script = format!(
        "const from = performance.now(), word = () => document.querySelector('.story .word'); \
         location.hash = '#/story/{STORY}'; \
         painted(word).then(() => {{ word().click(); \
         return painted(() => document.querySelector('.card[popover]')?.matches(':popover-open')); }}) \
         .then((at) => done(at - from));"
    );
    let took = time(window, &script)?;
    // Escape closes the card.
    window.send_keys("\u{e00c}")?;
    window.wait_true("the card to close", "!document.querySelector('.card[popover]')")?;
    Ok(took)
}

/// From the click to the first progress of the recording.
fn sound(window: &Window) -> Result<f64> {
    let element = "document.querySelector('.story audio')";
    window.wait_true("the narration", &format!("{element}?.readyState >= 1"))?;
    window.script(
        &format!(
            "addEventListener('click', (event) => (window.pressedAt = event.timeStamp), {{ capture: true, once: true }}); \
             const it = {element}, check = () => it.currentTime > 0 ? (window.heardAt = performance.now()) \
             : requestAnimationFrame(check); check();"
        ),
        &[],
    )?;
    window.click(".story .play")?;
    window.wait_true("the narration to play", "window.heardAt !== undefined")?;
    let took = window.script("return window.heardAt - window.pressedAt", &[])?;
    window.click(".story .play")?;
    took.as_f64().ok_or_else(|| format!("no time: {took}"))
}

/// The button "Check".
const CHECK: &str = "document.querySelector('.stage .actions button, .stage button.primary')";

/// From the click on "Check" to the feedback, for the first question of the course's first quiz.
fn feedback(window: &Window, course: &str) -> Result<f64> {
    let view = window.call("get_course", json!({ "course": course }))?;
    let lessons = view["lessons"].as_array().into_iter().flatten();
    let mut sections = lessons.flat_map(|l| l["sections"].as_array().into_iter().flatten());
    let quiz = sections.find(|section| section["type"] == "QUIZ");
    let quiz = quiz.and_then(|section| section["item"].as_str());
    let quiz = quiz.ok_or_else(|| format!("{course} has no quiz"))?;
    window.navigate(&format!("#/read/{quiz}"))?;
    window.click("article .button.primary")?;
    window.wait_for(".stage input")?;
    let answer = "for (const it of document.querySelectorAll('.stage input')) { \
         if (it.type === 'radio' || it.type === 'checkbox') { it.click(); break; } \
         it.value = '1'; it.dispatchEvent(new Event('input', { bubbles: true })); }";
    window.script(answer, &[])?;
    // A click before the answer is known would do nothing, and no feedback would come.
    window.wait_true("the answer", &format!("{CHECK}?.disabled === false"))?;
    let script = format!(
        "const from = performance.now(); {CHECK}.click(); \
         painted(() => document.querySelector('[data-result]')).then((at) => done(at - from));"
    );
    time(window, &script)
}

/// From the start of the server to the empty outbox, for work that was recorded without a network.
fn synced(window: &Window, demo: &mut Demo) -> Result<f64> {
    demo.stop();
    let read = json!({ "kind": "story", "item": STORY, "percent": 2500, "pos": "p2.s1" });
    window.call("record_progress", read)?;
    let is_offline = |status: &Value| status["phase"] == "offline" && status["waiting"] != 0;
    window.wait_call("the loss of the network", "get_sync_status", json!({}), is_offline)?;
    let start = Instant::now();
    demo.start()?;
    let is_synced = |status: &Value| status["waiting"] == 0 && status["phase"] != "running";
    window.wait_call("the sync", "get_sync_status", json!({}), is_synced)?;
    let took = start.elapsed().as_secs_f64() * 1e3;
    scenario::print_result("synced", "without an action of the learner");
    Ok(took)
}
