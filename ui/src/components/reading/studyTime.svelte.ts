//! Sends heartbeats to the core while the learner is reading: the page is visible and has the focus, and there was
//! input within a minute or a recording is playing. The core measures the time.
import { api } from "../../api/client";

export const HEARTBEAT_MS = 10_000;
export const IDLE_MS = 60_000;
const INPUT_EVENTS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart", "scroll"] as const;

export interface Clock {
  now(): number;
}

/** Sends heartbeats for `item` until the returned function is called. */
export function trackStudyTime(item: string, clock: Clock = { now: () => performance.now() }): () => void {
  let lastInput = clock.now();
  let reading = false;
  const send = (now: boolean): void => void api.studyHeartbeat({ item, reading: now }).catch(() => undefined);
  const playing = (): boolean =>
    [...document.querySelectorAll<HTMLMediaElement>("audio, video")].some((m) => !m.paused && !m.ended);
  const update = (): void => {
    if (playing()) lastInput = clock.now();
    const now = document.visibilityState === "visible" && document.hasFocus() && clock.now() - lastInput < IDLE_MS;
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
