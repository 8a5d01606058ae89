//! Narration of a story: plays all pages, one sentence, or a repeated sentence, and tracks the current sentence.
//!
//! One element plays all pages: the learner's click permits it to play, and it continues while the window is hidden.
//! Timing relies on the element's events; animation frames only make the highlighting smoother.
import type { Page } from "../../api/types";
import {
  acquireMediaSession,
  releaseMediaSession,
  updateMediaSession,
  type Holder,
} from "../../components/media/mediaSession";
import { sentenceAt, spanOf } from "./timing";

export interface Listener {
  /** The URL of a recording. */
  url(hash: string): string;
  facts(): { title: string; album: string; picture?: string };
  /** Called when the page was narrated to its end. */
  ended?(): void;
  /** Called when narration was stopped at this sentence. */
  stopped?(sentence: number): void;
  /** Called when a media key requests another page. */
  turn?(by: 1 | -1): void;
}

/** Milliseconds without progress after which playback is started again, and the number of such attempts. */
const STUCK_MS = 1500;
const ROUSED = 4;
/** Milliseconds after the window is hidden or shown in which a pause is attributed to the engine. */
const SETTLES_MS = 6000;

export class Narration implements Holder {
  playing = $state(false);
  /** The current sentence, or the last one; -1: none. */
  sentence = $state(-1);
  failed = $state(false);
  loop = $state(false);
  rate = $state(1);
  #listener: Listener;
  #element: HTMLAudioElement | undefined;
  #page: Page | undefined;
  /** Where to stop if only one sentence was requested, in milliseconds. */
  #until: number | undefined;
  #frame = 0;
  /** The page was turned during narration, which has to continue. */
  #onward = false;
  #ahead: HTMLAudioElement | undefined;
  /** Whether the listener wants playback, regardless of what the engine does. */
  #wanted = false;
  /** Time at which the window was last hidden or shown. */
  #changed = -Infinity;
  #watch: ReturnType<typeof setTimeout> | undefined;
  /** Counts calls of play(): only the newest may report a failure. */
  #plays = 0;

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  /** Attaches to the only `<audio>` of the story. */
  attach = (element: HTMLAudioElement): (() => void) => {
    this.#element = element;
    element.preservesPitch = true;
    const on: [string, () => void][] = [
      ["timeupdate", () => this.#look()],
      ["ended", () => this.#ended()],
      [
        "pause",
        () => {
          // An engine may pause playback when its window is hidden or shown; the listener did not request that.
          if (this.#wanted && !element.ended && (document.hidden || performance.now() - this.#changed < SETTLES_MS))
            return void this.#play();
          this.#wanted = this.playing = false;
          updateMediaSession(this, false);
        },
      ],
      [
        "playing",
        () => {
          this.#onward = false;
          this.playing = !element.paused;
          updateMediaSession(this, this.playing);
        },
      ],
      // A play() during a change of the source may be dropped: it is repeated once the source can play.
      [
        "canplay",
        () => {
          if (this.#onward && element.paused) void this.#play();
        },
      ],
      [
        "error",
        () => {
          if (this.#page?.narration) {
            this.failed = true;
            this.stop();
          }
        },
      ],
    ];
    for (const [name, run] of on) element.addEventListener(name, run);
    const seen = (): void => {
      this.#changed = performance.now();
      this.#rouse(ROUSED);
    };
    document.addEventListener("visibilitychange", seen);
    this.#load();
    return () => {
      for (const [name, run] of on) element.removeEventListener(name, run);
      document.removeEventListener("visibilitychange", seen);
      clearTimeout(this.#watch);
      cancelAnimationFrame(this.#frame);
      element.pause();
      releaseMediaSession(this);
      this.#element = undefined;
      this.#ahead = undefined;
    };
  };

  /** Loads another page. `goOn`: starts its narration. */
  turn(page: Page | undefined, goOn = false): void {
    this.#element?.pause();
    this.#wanted = this.playing = false;
    this.#until = undefined;
    this.#page = page;
    this.sentence = -1;
    this.failed = false;
    this.#onward = goOn && page?.narration !== undefined;
    this.#load();
    if (goOn && page?.narration) void this.#play();
  }
  /** Prefetches the recording of a page. */
  ahead(page: Page | undefined): void {
    if (!page?.narration || typeof Audio === "undefined") return;
    this.#ahead ??= new Audio();
    const url = this.#listener.url(page.narration.hash);
    if (this.#ahead.src === url) return;
    this.#ahead.preload = "auto";
    this.#ahead.src = url;
  }
  /** Sets the sentence at which narration starts. */
  begin(sentence: number): void {
    if (this.#page?.sentences[sentence]) this.sentence = sentence;
  }
  setRate(rate: number): void {
    this.rate = rate;
    if (this.#element) this.#element.playbackRate = rate;
    updateMediaSession(this, this.playing);
  }

  toggle(): void {
    if (this.playing) return this.stop();
    const left = this.#page && this.sentence > 0 ? spanOf(this.#page, this.sentence) : undefined;
    const element = this.#element;
    if (left && element && element.currentTime < 0.05) this.#go(left.start / 1000);
    this.play();
  }
  stop(): void {
    const was = this.playing;
    this.#onward = this.#wanted = false;
    this.#element?.pause();
    this.playing = false;
    if (was && this.sentence >= 0) this.#listener.stopped?.(this.sentence);
  }
  /** Plays this sentence: alone if nothing was playing, from here on if the page is being narrated. */
  hear(index: number): void {
    const span = this.#page && spanOf(this.#page, index);
    const goOn = this.playing && this.#until === undefined;
    if (!this.#element || !this.#page?.narration) return;
    if (!span) return void this.#play();
    this.#go(span.start / 1000);
    this.sentence = index;
    this.#until = goOn || this.loop ? undefined : span.end;
    void this.#play();
  }

  facts = (): { title: string; album: string; picture?: string } => this.#listener.facts();
  play = (): void => {
    this.#until = undefined;
    void this.#play();
  };
  pause = (): void => this.stop();
  seek = (to: number): void => {
    this.#until = undefined;
    this.#go(to);
  };
  position = (): { duration: number; position: number; rate: number } | undefined => {
    const element = this.#element;
    return element && Number.isFinite(element.duration)
      ? { duration: element.duration, position: element.currentTime, rate: this.rate }
      : undefined;
  };
  next = (): void => this.#listener.turn?.(1);
  previous = (): void => this.#listener.turn?.(-1);

  #load(): void {
    const element = this.#element;
    if (!element) return;
    const hash = this.#page?.narration?.hash;
    if (hash) {
      const url = this.#listener.url(hash);
      if (element.src !== url) element.src = url;
    } else if (element.src) {
      element.removeAttribute("src");
      element.load();
    }
  }
  #go(to: number): void {
    const element = this.#element;
    if (!element) return;
    if (element.readyState >= 1) element.currentTime = to;
    else element.addEventListener("loadedmetadata", () => (element.currentTime = to), { once: true });
  }
  async #play(): Promise<void> {
    const element = this.#element;
    if (!element) return;
    element.defaultPlaybackRate = this.rate;
    element.playbackRate = this.rate;
    const mine = ++this.#plays;
    try {
      this.#wanted = this.playing = true;
      acquireMediaSession(this);
      await element.play();
      this.#follow();
    } catch (cause) {
      if (mine !== this.#plays) return;
      this.playing = false;
      // A play() that was interrupted by a pause is not an error.
      if ((cause as { name?: string }).name === "AbortError") return;
      this.#wanted = false;
      this.failed = true;
    }
  }
  /** Starts playback again: an engine may stop loading while its window is hidden, and not resume when it is shown. */
  #rouse(times: number): void {
    clearTimeout(this.#watch);
    const element = this.#element;
    if (!element || document.hidden || times === 0 || !(this.#wanted || this.#onward)) return;
    const at = element.currentTime;
    this.#watch = setTimeout(() => {
      if (element.currentTime === at && !element.ended && (this.#wanted || this.#onward)) {
        if (element.readyState < 3) {
          element.load();
          if (at > 0) this.#go(at);
        }
        void this.#play();
      }
      // Playback may start and then stall.
      this.#rouse(times - 1);
    }, STUCK_MS);
  }
  /** Updates in each frame while the window is visible. While it is hidden, only `timeupdate` does. */
  #follow = (): void => {
    cancelAnimationFrame(this.#frame);
    if (!this.playing) return;
    this.#look();
    this.#frame = requestAnimationFrame(this.#follow);
  };
  #look(): void {
    const element = this.#element;
    const page = this.#page;
    if (!element || !page || !this.playing) return;
    const at = element.currentTime * 1000;
    const looped = this.loop && this.sentence >= 0 ? spanOf(page, this.sentence) : undefined;
    if (looped && at >= looped.end) {
      element.currentTime = looped.start / 1000;
    } else if (this.#until !== undefined && at >= this.#until) {
      this.stop();
    } else {
      const heard = sentenceAt(page.sentences, at);
      if (heard !== this.sentence && heard >= 0) this.sentence = heard;
    }
  }
  #ended(): void {
    if (this.loop && this.sentence >= 0) return this.hear(this.sentence);
    const alone = this.#until !== undefined;
    this.#wanted = this.playing = false;
    this.#until = undefined;
    if (this.#element) this.#element.currentTime = 0;
    if (!alone) this.#listener.ended?.();
  }
}
