//! Sends heartbeats to the core while the learner is reading: the page is visible and has the focus, and there was
//! input recently or a recording is playing. The core measures the time.
import { api } from "../../api/client";

export const HEARTBEAT_MS = 10_000;
/** Time without input after which nobody is reading a page without text. */
export const IDLE_MS = 60_000;
/** Maximum time without input, for any amount of text. */
export const MAX_IDLE_MS = 300_000;
/** Slow readers: 120 words (of 5 letters) or 250 ideographs or syllables a minute. */
const LETTERS_PER_MINUTE = 600;
const IDEOGRAPHS_PER_MINUTE = 250;
const IDEOGRAPH = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/gu;
/** Elements with text to read: blocks of a lesson, a page of a story, a quiz. */
const TEXT = "[data-block], [data-page], .quiz";
const INPUT_EVENTS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart", "scroll"] as const;

export interface Clock {
  now(): number;
}

/** Returns the time in milliseconds that a slow reader needs for this text. */
export function readingMs(text: string): number {
  const ideographs = text.match(IDEOGRAPH)?.length ?? 0;
  const letters = text.replace(/\s+/g, " ").trim().length - ideographs;
  return 60_000 * (letters / LETTERS_PER_MINUTE + ideographs / IDEOGRAPHS_PER_MINUTE);
}

/**
 * Returns the time in milliseconds that a slow reader needs for the visible text. Of a partly visible block, only the
 * visible part of its height counts.
 */
export function visibleReadingMs(): number {
  let sum = 0;
  for (const element of document.querySelectorAll<HTMLElement>(TEXT)) {
    // A quiz inside a block is counted with the block.
    if (element.parentElement?.closest(TEXT)) continue;
    const box = element.getBoundingClientRect();
    const visible = Math.min(box.bottom, innerHeight) - Math.max(box.top, 0);
    if (box.height > 0 && visible > 0) sum += readingMs(element.textContent ?? "") * (visible / box.height);
  }
  return sum;
}

/** Sends heartbeats for `item` until the returned function is called. */
export function trackStudyTime(item: string, clock: Clock = { now: () => performance.now() }): () => void {
  let lastInput = clock.now();
  let reading = false;
  const send = (now: boolean): void => void api.studyHeartbeat({ item, reading: now }).catch(() => undefined);
  const playing = (): boolean =>
    [...document.querySelectorAll<HTMLMediaElement>("audio, video")].some((m) => !m.paused && !m.ended);
  /** Whether there was input recently: a long text is read without any for longer than a short one. */
  const active = (): boolean => {
    const idle = clock.now() - lastInput;
    return idle < IDLE_MS || (idle < MAX_IDLE_MS && idle < IDLE_MS + visibleReadingMs());
  };
  const update = (): void => {
    if (playing()) lastInput = clock.now();
    const now = document.visibilityState === "visible" && document.hasFocus() && active();
    if (now || reading) send(now);
    reading = now;
  };
  const handleInput = (): void => {
    lastInput = clock.now();
    if (!reading) update();
  };
  for (const name of INPUT_EVENTS) addEventListener(name, handleInput, { passive: true, capture: true });
  document.addEventListener("visibilitychange", update);
  addEventListener("blur", update);
  addEventListener("focus", update);
  const timer = setInterval(update, HEARTBEAT_MS);
  update();
  return () => {
    clearInterval(timer);
    for (const name of INPUT_EVENTS) removeEventListener(name, handleInput, { capture: true });
    document.removeEventListener("visibilitychange", update);
    removeEventListener("blur", update);
    removeEventListener("focus", update);
    if (reading) send(false);
  };
}
