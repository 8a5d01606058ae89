//! Playback of one recording or video: saved position, current position, rate. The core stores the position and syncs
//! it to the learner's other devices.
import { api } from "../../api/client";
import type { RecordProgress } from "../../api/types";
import { acquireMediaSession, releaseMediaSession, updateMediaSession, type Holder } from "./mediaSession";

/** Seconds of playback between two saved positions. */
const SAVE_INTERVAL = 5;
/** Seconds from either end within which a saved position is not restored. */
const RESTORE_MARGIN = 2;

export const RATES = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2] as const;

/** Parses `t61500` as 61.5 seconds. */
export function parsePosition(pos: string | null): number | undefined {
  const match = /^t(\d+)$/.exec(pos ?? "");
  return match ? Number(match[1]) / 1000 : undefined;
}
export function formatPosition(seconds: number): string {
  return `t${Math.max(0, Math.round(seconds * 1000))}`;
}

/** Returns a duration in seconds; 0 if it is unknown, such as that of a recording that is still growing. */
function knownDuration(seconds: number): number {
  return Number.isFinite(seconds) && seconds > 0 ? seconds : 0;
}

export interface PlaybackSource {
  hash: string;
  /** Milliseconds; 0 or missing in courses of older compilers if the file does not state it. */
  durationMs: number | null | undefined;
  title: string;
  /** Course or story under which the position is saved. Empty: it is not saved. */
  root: string;
  picture?: string;
}

export class Playback implements Holder {
  paused = $state(true);
  /** Current position in seconds. */
  at = $state(0);
  /** In seconds; 0 if unknown. */
  duration = $state(0);
  rate = $state(1);
  failed = $state(false);
  /** Restored position in seconds, until playback starts or the learner seeks. */
  resumed = $state<number>();
  #element: HTMLMediaElement | undefined;
  #source: PlaybackSource;
  #savedAt = -1;
  #hasInput = false;
  #pendingSeek: number | undefined;
  #writing = false;
  #next: RecordProgress | undefined;

  constructor(source: PlaybackSource) {
    this.#source = source;
    this.duration = knownDuration((source.durationMs ?? 0) / 1000);
  }

  /** Attaches to the `<audio>` or `<video>`. Relies on its events, which also fire while the window is hidden. */
  attach = (element: HTMLMediaElement): (() => void) => {
    this.#element = element;
    element.preservesPitch = true;
    const listeners: [string, () => void][] = [
      ["loadedmetadata", () => this.#handleMetadata()],
      ["durationchange", () => this.#handleMetadata()],
      ["timeupdate", () => this.#handleTimeUpdate()],
      [
        "seeked",
        () => {
          this.#handleTimeUpdate();
          if (this.paused && this.#hasInput) this.#save();
        },
      ],
      [
        "play",
        () => {
          this.paused = false;
          this.#hasInput = true;
          this.resumed = undefined;
          if (this.#savedAt < 0) this.#savedAt = this.at;
          acquireMediaSession(this);
        },
      ],
      ["playing", () => updateMediaSession(this, true)],
      [
        "pause",
        () => {
          this.paused = true;
          updateMediaSession(this, false);
          this.#save();
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
          this.#save(true);
        },
      ],
      ["error", () => (this.failed = true)],
    ];
    for (const [name, run] of listeners) element.addEventListener(name, run);
    // If the page is left during a seek, the element has the new position, but `seeked` never fires.
    const leave = (): void => {
      if (element.ended) return;
      if (this.#pendingSeek === undefined && element.readyState > 0) this.at = element.currentTime;
      this.#save();
    };
    addEventListener("pagehide", leave);
    void this.#restore();
    return () => {
      for (const [name, run] of listeners) element.removeEventListener(name, run);
      removeEventListener("pagehide", leave);
      leave();
      element.pause();
      releaseMediaSession(this);
      this.#element = undefined;
    };
  };

  metadata = (): { title: string; album: string; picture?: string } => ({
    title: this.#source.title || document.title,
    album: document.title,
    ...(this.#source.picture ? { picture: this.#source.picture } : {}),
  });
  position = (): { duration: number; position: number; rate: number } => ({
    duration: this.duration,
    position: this.at,
    rate: this.rate,
  });
  play = (): void =>
    void this.#element?.play().catch((cause: { name?: string }) => {
      // A play() that was interrupted by a pause is not an error.
      if (cause.name !== "AbortError") this.failed = true;
    });
  pause = (): void => this.#element?.pause();
  toggle = (): void => (this.paused ? this.play() : this.pause());
  seek = (to: number): void => {
    this.#hasInput = true;
    this.resumed = undefined;
    this.#seekTo(to);
  };
  setRate(rate: number): void {
    this.rate = rate;
    const element = this.#element;
    if (!element) return;
    element.defaultPlaybackRate = rate;
    element.playbackRate = rate;
  }

  #seekTo(to: number): void {
    const element = this.#element;
    const seconds = Math.min(Math.max(0, to), this.duration || to);
    this.at = seconds;
    // An element ignores a new position until its metadata is loaded.
    if (!element || element.readyState < 1) this.#pendingSeek = seconds;
    else element.currentTime = seconds;
  }
  #handleMetadata(): void {
    this.duration = knownDuration(this.#element?.duration ?? 0) || this.duration;
    if (this.#pendingSeek !== undefined && this.#element) {
      this.#element.currentTime = this.#pendingSeek;
      this.#pendingSeek = undefined;
    }
    updateMediaSession(this, !this.paused);
  }
  #handleTimeUpdate(): void {
    const element = this.#element;
    if (!element || this.#pendingSeek !== undefined) return;
    this.at = element.currentTime;
    if (!this.paused && Math.abs(this.at - this.#savedAt) >= SAVE_INTERVAL) this.#save();
  }

  async #restore(): Promise<void> {
    if (!this.#source.root) return;
    const saved = await api.getPosition({ kind: "media", item: this.#item() }).catch(() => undefined);
    const seconds = parsePosition(saved?.pos ?? null);
    if (seconds === undefined || this.#hasInput || seconds < RESTORE_MARGIN) return;
    if (this.duration > 0 && seconds > this.duration - RESTORE_MARGIN) return;
    this.#savedAt = seconds;
    this.#seekTo(seconds);
    this.resumed = seconds;
  }
  #item(): string {
    return `${this.#source.root}/${this.#source.hash}`;
  }
  #save(ended = false): void {
    if (!this.#source.root || !this.#hasInput || (!ended && this.at === this.#savedAt)) return;
    const seconds = ended ? 0 : this.at;
    this.#savedAt = seconds;
    const share = this.duration > 0 ? this.at / this.duration : 0;
    const percent = ended ? 10_000 : Math.min(9900, Math.round(share * 10_000));
    void this.#write({
      kind: "media",
      item: this.#item(),
      done: ended,
      restart: false,
      percent: Math.max(0, percent),
      pos: formatPosition(seconds),
    });
  }
  /** Saves one position at a time, because concurrent writes could arrive out of order. Skips outdated positions. */
  async #write(progress: RecordProgress): Promise<void> {
    this.#next = { ...progress, done: progress.done || (this.#next?.done ?? false) };
    if (this.#writing) return;
    this.#writing = true;
    while (this.#next) {
      const now = this.#next;
      this.#next = undefined;
      // A failed write is ignored: during playback the next one follows within seconds.
      await api.recordProgress(now).catch(() => undefined);
    }
    this.#writing = false;
  }
}
