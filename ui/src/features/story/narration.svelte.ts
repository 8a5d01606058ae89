//! The voice of a story: which sentence is heard now, one sentence on its own, a sentence again and again, and on to the next page.
//!
//! One element plays all pages: it was let play by the learner's own tap, and goes on when the window is hidden. What has to happen in time
//! hangs on the element's own events; frames of the screen only make it look smooth.
import type { Page } from "../../api/types";
import {
  acquireMediaSession,
  releaseMediaSession,
  updateMediaSession,
  type Holder,
} from "../../components/media/mediaSession";
import { sentenceAt, spanOf } from "./timing";

export interface Listener {
  /** The address of a recording. */
  url(hash: string): string;
  facts(): { title: string; album: string; picture?: string };
  /** The page was read to its end. */
  ended?(): void;
  /** Reading stopped at this sentence. */
  stopped?(sentence: number): void;
  /** Keys of the system ask for another page. */
  turn?(by: 1 | -1): void;
}

/** A voice that has not moved for so long is roused, so many times. */
const STUCK_MS = 1500;
const ROUSED = 4;
/** So long after its window has left the screen or come back, a pause is the engine's. */
const SETTLES_MS = 6000;

export class Narration implements Holder {
  playing = $state(false);
  /** The sentence that is heard or was heard last; -1: none. */
  sentence = $state(-1);
  failed = $state(false);
  loop = $state(false);
  rate = $state(1);
  #listener: Listener;
  #element: HTMLAudioElement | undefined;
  #page: Page | undefined;
  /** Stop here: only this sentence was asked for. Milliseconds. */
  #until: number | undefined;
  #frame = 0;
  /** The page was turned while it was read: it is to go on. */
  #onward = false;
  #ahead: HTMLAudioElement | undefined;
  /** The listener has asked for it, and for nothing else since, whatever the engine does. */
  #wanted = false;
  /** When the window was hidden or shown last. */
  #changed = -Infinity;
  #watch: ReturnType<typeof setTimeout> | undefined;
  /** Counts plays: only the newest may say that it failed. */
  #plays = 0;

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  /** For the one `<audio>` of the story. */
  attach = (element: HTMLAudioElement): (() => void) => {
    this.#element = element;
    element.preservesPitch = true;
    const on: [string, () => void][] = [
      ["timeupdate", () => this.#look()],
      ["ended", () => this.#ended()],
      [
        "pause",
        () => {
          // An engine may pause what it plays when its window leaves the screen or comes back; the listener did not ask for that.
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
      // A play() in the moment of the change of recordings may be dropped: once it can be heard, it is asked again.
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

  /** Another page lies open. `goOn`: it is read at once. */
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
  /** Fetches what will be heard next. */
  ahead(page: Page | undefined): void {
    if (!page?.narration || typeof Audio === "undefined") return;
    this.#ahead ??= new Audio();
    const url = this.#listener.url(page.narration.hash);
    if (this.#ahead.src === url) return;
    this.#ahead.preload = "auto";
    this.#ahead.src = url;
  }
  /** Reading begins with this sentence. */
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
  /** This sentence: alone if nothing played, from here on if the page is being read. */
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
      // A play() that was overtaken by a pause is no fault.
      if ((cause as { name?: string }).name === "AbortError") return;
      this.#wanted = false;
      this.failed = true;
    }
  }
  /** An engine may leave off loading what nobody hears yet while its window is hidden, and not begin again when it is seen. */
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
      // It may begin, and be left standing a moment later.
      this.#rouse(times - 1);
    }, STUCK_MS);
  }
  /** Frames while the window is seen; hidden, there are none and `timeupdate` alone drives. */
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
