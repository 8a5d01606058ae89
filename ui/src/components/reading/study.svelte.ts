//! Sends heartbeats to the core while the learner is reading: the page is visible and has the focus, and there was
//! input within a minute or a recording is playing. The core measures the time.
import { api } from "../../api/client";

export const BEAT_MS = 10_000;
export const IDLE_MS = 60_000;
const signs = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart", "scroll"] as const;

export interface Clock {
  now(): number;
}

/** Sends heartbeats for `item` until the returned function is called. */
export function study(item: string, clock: Clock = { now: () => performance.now() }): () => void {
  let touched = clock.now();
  let reading = false;
  const send = (now: boolean): void => void api.studyHeartbeat({ item, reading: now }).catch(() => undefined);
  const playing = (): boolean =>
    [...document.querySelectorAll<HTMLMediaElement>("audio, video")].some((m) => !m.paused && !m.ended);
  const beat = (): void => {
    if (playing()) touched = clock.now();
    const now = document.visibilityState === "visible" && document.hasFocus() && clock.now() - touched < IDLE_MS;
    if (now || reading) send(now);
    reading = now;
  };
  const sign = (): void => {
    touched = clock.now();
    if (!reading) beat();
  };
  for (const name of signs) addEventListener(name, sign, { passive: true, capture: true });
  document.addEventListener("visibilitychange", beat);
  addEventListener("blur", beat);
  addEventListener("focus", beat);
  const timer = setInterval(beat, BEAT_MS);
  beat();
  return () => {
    clearInterval(timer);
    for (const name of signs) removeEventListener(name, sign, { capture: true });
    document.removeEventListener("visibilitychange", beat);
    removeEventListener("blur", beat);
    removeEventListener("focus", beat);
    if (reading) send(false);
  };
}
