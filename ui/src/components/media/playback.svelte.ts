//! One recording or film being played: where it was left, where it is, how fast. The place is the learner's, kept by the core and the same
//! on every device.
import { api } from "../../api/client";
import type { RecordProgress } from "../../api/types";
import { acquireMediaSession, releaseMediaSession, updateMediaSession, type Holder } from "./mediaSession";

/** Seconds of playing after which the place is kept again. */
const KEEP_EVERY = 5;
/** So near to either end nobody needs to be brought back. */
const EDGE = 2;

export const RATES = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2] as const;

/** `t61500` as 61.5 seconds. */
export function parsePlace(pos: string | null): number | undefined {
  const match = /^t(\d+)$/.exec(pos ?? "");
  return match ? Number(match[1]) / 1000 : undefined;
}
export function placeAt(seconds: number): string {
  return `t${Math.max(0, Math.round(seconds * 1000))}`;
}

export interface What {
  hash: string;
  /** Milliseconds; 0 if the file does not say. */
  durationMs: number;
  title: string;
  /** The course or story it belongs to: the place is kept under it. Empty: it is not kept. */
  root: string;
  picture?: string;
}

export class Playback implements Holder {
  paused = $state(true);
  /** Seconds. */
  at = $state(0);
  duration = $state(0);
  rate = $state(1);
  failed = $state(false);
  /** Seconds: it was put back here, and nothing was touched since. */
  resumed = $state<number>();
  #element: HTMLMediaElement | undefined;
  #what: What;
  #kept = -1;
  #touched = false;
  #wanted: number | undefined;
  #writing = false;
  #next: RecordProgress | undefined;

  constructor(what: What) {
    this.#what = what;
    this.duration = what.durationMs / 1000;
  }

  /** For the `<audio>` or `<video>`. Events of the element drive everything: they come also while the window is hidden. */
  attach = (element: HTMLMediaElement): (() => void) => {
    this.#element = element;
    element.preservesPitch = true;
    const on: [string, () => void][] = [
      ["loadedmetadata", () => this.#ready()],
      ["durationchange", () => this.#ready()],
      ["timeupdate", () => this.#moved()],
      [
        "seeked",
        () => {
          this.#moved();
          if (this.paused && this.#touched) this.#keep();
        },
      ],
      [
        "play",
        () => {
          this.paused = false;
          this.#touched = true;
          this.resumed = undefined;
          if (this.#kept < 0) this.#kept = this.at;
          acquireMediaSession(this);
        },
      ],
      ["playing", () => updateMediaSession(this, true)],
      [
        "pause",
        () => {
          this.paused = true;
          updateMediaSession(this, false);
          this.#keep();
        },
      ],
      [
        "ratechange",
        () => {
          this.rate = element.playbackRate;
          updateMediaSession(this, !this.paused);
        },
      ],
      [
        "ended",
        () => {
          this.paused = true;
          this.#keep(true);
        },
      ],
      ["error", () => (this.failed = true)],
    ];
    for (const [name, run] of on) element.addEventListener(name, run);
    // Whoever goes on at once leaves while the last seek is still under way: the element knows the place already, its event never comes.
    const leave = (): void => {
      if (element.ended) return;
      if (this.#wanted === undefined && element.readyState > 0) this.at = element.currentTime;
      this.#keep();
    };
    addEventListener("pagehide", leave);
    void this.#restore();
    return () => {
      for (const [name, run] of on) element.removeEventListener(name, run);
      removeEventListener("pagehide", leave);
      leave();
      element.pause();
      releaseMediaSession(this);
      this.#element = undefined;
    };
  };

  facts = (): { title: string; album: string; picture?: string } => ({
    title: this.#what.title || document.title,
    album: document.title,
    ...(this.#what.picture ? { picture: this.#what.picture } : {}),
  });
  position = (): { duration: number; position: number; rate: number } => ({
    duration: this.duration,
    position: this.at,
    rate: this.rate,
  });
  play = (): void =>
    void this.#element?.play().catch((cause: { name?: string }) => {
      // A play() that was overtaken by a pause is no fault.
      if (cause.name !== "AbortError") this.failed = true;
    });
  pause = (): void => this.#element?.pause();
  toggle = (): void => (this.paused ? this.play() : this.pause());
  seek = (to: number): void => {
    this.#touched = true;
    this.resumed = undefined;
    this.#go(to);
  };
  setRate(rate: number): void {
    this.rate = rate;
    const element = this.#element;
    if (!element) return;
    element.defaultPlaybackRate = rate;
    element.playbackRate = rate;
  }

  #go(to: number): void {
    const element = this.#element;
    const place = Math.min(Math.max(0, to), this.duration || to);
    this.at = place;
    // Before its length is known an element forgets where it was sent.
    if (!element || element.readyState < 1) this.#wanted = place;
    else element.currentTime = place;
  }
  #ready(): void {
    const length = this.#element?.duration ?? Number.NaN;
    if (Number.isFinite(length) && length > 0) this.duration = length;
    if (this.#wanted !== undefined && this.#element) {
      this.#element.currentTime = this.#wanted;
      this.#wanted = undefined;
    }
    updateMediaSession(this, !this.paused);
  }
  #moved(): void {
    const element = this.#element;
    if (!element || this.#wanted !== undefined) return;
    this.at = element.currentTime;
    if (!this.paused && Math.abs(this.at - this.#kept) >= KEEP_EVERY) this.#keep();
  }

  async #restore(): Promise<void> {
    if (!this.#what.root) return;
    const left = await api.getPlace({ kind: "media", item: this.#item() }).catch(() => undefined);
    const place = parsePlace(left?.pos ?? null);
    if (place === undefined || this.#touched || place < EDGE || place > this.duration - EDGE) return;
    this.#kept = place;
    this.#go(place);
    this.resumed = place;
  }
  #item(): string {
    return `${this.#what.root}/${this.#what.hash}`;
  }
  #keep(ended = false): void {
    if (!this.#what.root || !this.#touched || (!ended && this.at === this.#kept)) return;
    const place = ended ? 0 : this.at;
    this.#kept = place;
    const percent = ended ? 10_000 : Math.min(9900, Math.round((this.at / (this.duration || 1)) * 10_000));
    void this.#write({
      kind: "media",
      item: this.#item(),
      done: ended,
      restart: false,
      percent: Math.max(0, percent),
      pos: placeAt(place),
    });
  }
  /** One at a time and the newest last: two that are under way together could arrive in the other order. */
  async #write(place: RecordProgress): Promise<void> {
    this.#next = { ...place, done: place.done || (this.#next?.done ?? false) };
    if (this.#writing) return;
    this.#writing = true;
    while (this.#next) {
      const now = this.#next;
      this.#next = undefined;
      // A place that is not kept is a small loss: the next one is kept in a few seconds.
      await api.recordProgress(now).catch(() => undefined);
    }
    this.#writing = false;
  }
}
