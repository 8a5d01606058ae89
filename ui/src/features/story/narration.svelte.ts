//! Narration of a story: plays all pages, one sentence, or a repeated sentence, and tracks the current sentence.
//!
//! One element plays all pages: after the learner's click the engine permits it to play, even while the window is
//! hidden. Sentences are tracked by the element's events; animation frames only make the highlighting smoother.
//! The options decide what follows the end of a sentence and of a page.
import type { Page } from "../../api/types";
import {
  acquireMediaSession,
  releaseMediaSession,
  updateMediaSession,
  type Holder,
} from "../../components/media/mediaSession";
import { defaultOptions, type ListeningOptions } from "./listeningOptions";
import { sentenceAt, spanOf } from "./timing";

export interface NarrationHost {
  /** The URL of a recording. */
  url(hash: string): string;
  metadata(): { title: string; album: string; picture?: string };
  /** Called when the narration of the page has ended and the next page follows. */
  ended?(): void;
  /** Called when narration was stopped at this sentence. */
  stopped?(sentence: number): void;
  /** Called when a media key requests another page. */
  turnPage?(by: 1 | -1): void;
}

/** Milliseconds without progress after which playback is restarted, and the maximum number of restarts. */
const STALL_MS = 1500;
const MAX_RESTARTS = 4;
/** Milliseconds after a change of the window's visibility in which a pause is attributed to the engine. */
const VISIBILITY_GRACE_MS = 6000;

/** Whether two replies hold the same page: the objects differ after each change of the progress. */
function isSamePage(a: Page, b: Page): boolean {
  return (
    a.narration?.hash === b.narration?.hash &&
    a.sentences.length === b.sentences.length &&
    a.sentences.every((sentence, i) => sentence.text === b.sentences[i]?.text)
  );
}

export class Narration implements Holder {
  playing = $state(false);
  /** Index of the current or last sentence; -1 if none. */
  sentence = $state(-1);
  failed = $state(false);
  /** Whether narration stopped after a sentence, so that `play` continues with what follows it. */
  waiting = $state(false);
  options = $state.raw<ListeningOptions>(defaultOptions);
  rate = $state(1);
  #host: NarrationHost;
  #element: HTMLAudioElement | undefined;
  #page: Page | undefined;
  /** Where narration stood on the page that was left last, so that it continues there after turning back. */
  #left: { page: Page; sentence: number } | undefined;
  /** Time in seconds at which to continue when the recording is loaded; an element ignores a position before. */
  #pendingSeek: number | undefined;
  /** Time in milliseconds at which to stop, if only one sentence was requested. */
  #stopAtMs: number | undefined;
  #frame = 0;
  /** Whether narration has to start on the page that is being loaded. */
  #continues = false;
  #preloader: HTMLAudioElement | undefined;
  /** Whether the learner requested playback; the engine may have paused it. */
  #requested = false;
  /** Time at which the window was last hidden or shown. */
  #visibilityChangedAt = -Infinity;
  #stallTimer: ReturnType<typeof setTimeout> | undefined;
  /** Number of calls of play(); only the last one may report a failure. */
  #playCount = 0;

  constructor(host: NarrationHost) {
    this.#host = host;
  }

  /** Attaches to the `<audio>` element of the story. */
  attach = (element: HTMLAudioElement): (() => void) => {
    this.#element = element;
    element.preservesPitch = true;
    const on: [string, () => void][] = [
      ["timeupdate", () => this.#updateSentence()],
      ["ended", () => this.#ended()],
      [
        "loadedmetadata",
        () => {
          if (this.#pendingSeek !== undefined) element.currentTime = this.#pendingSeek;
          this.#pendingSeek = undefined;
        },
      ],
      [
        "pause",
        () => {
          // The engine may pause playback when its window is hidden or shown, without a request of the learner.
          if (
            this.#requested &&
            !element.ended &&
            (document.hidden || performance.now() - this.#visibilityChangedAt < VISIBILITY_GRACE_MS)
          )
            return void this.#play();
          this.#requested = this.playing = false;
          updateMediaSession(this, false);
        },
      ],
      [
        "playing",
        () => {
          this.#continues = false;
          this.playing = !element.paused;
          updateMediaSession(this, this.playing);
        },
      ],
      // The engine may drop a play() while the source changes, so it is repeated when the source can play.
      [
        "canplay",
        () => {
          if (this.#continues && element.paused) void this.#play();
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
    const handleVisibility = (): void => {
      this.#visibilityChangedAt = performance.now();
      this.#restartIfStalled(MAX_RESTARTS);
    };
    document.addEventListener("visibilitychange", handleVisibility);
    this.#load();
    return () => {
      for (const [name, run] of on) element.removeEventListener(name, run);
      document.removeEventListener("visibilitychange", handleVisibility);
      clearTimeout(this.#stallTimer);
      cancelAnimationFrame(this.#frame);
      element.pause();
      releaseMediaSession(this);
      this.#element = undefined;
      this.#preloader = undefined;
    };
  };

  /** Loads another page. With `continues`, starts its narration. */
  setPage(page: Page | undefined, continues = false): void {
    this.#element?.pause();
    this.#requested = this.playing = this.waiting = false;
    this.#stopAtMs = this.#pendingSeek = undefined;
    const place = this.#left;
    if (this.#page) this.#left = continues ? undefined : { page: this.#page, sentence: this.sentence };
    this.#page = page;
    this.sentence = -1;
    if (!continues && page && place && isSamePage(page, place.page)) this.startAt(place.sentence);
    this.failed = false;
    this.#continues = continues && page?.narration !== undefined;
    this.#load();
    if (continues && page?.narration) void this.#play();
  }
  /** Takes over other times of the sentences of the loaded page. Narration goes on. */
  renew(page: Page | undefined): void {
    if (page && this.#page && page !== this.#page && isSamePage(page, this.#page)) this.#page = page;
  }
  /** Prefetches the recording of a page. */
  preload(page: Page | undefined): void {
    if (!page?.narration || typeof Audio === "undefined") return;
    this.#preloader ??= new Audio();
    const url = this.#host.url(page.narration.hash);
    if (this.#preloader.src === url) return;
    this.#preloader.preload = "auto";
    this.#preloader.src = url;
  }
  /** Sets the sentence at which narration starts. */
  startAt(sentence: number): void {
    if (this.#page?.sentences[sentence]) this.sentence = sentence;
  }
  setRate(rate: number): void {
    this.rate = rate;
    if (this.#element) this.#element.playbackRate = rate;
    updateMediaSession(this, this.playing);
  }

  toggle(): void {
    if (this.playing) this.stop();
    else this.play();
  }
  stop(): void {
    const wasPlaying = this.playing;
    this.#continues = this.#requested = false;
    this.#element?.pause();
    this.playing = false;
    if (wasPlaying && this.sentence >= 0) this.#host.stopped?.(this.sentence);
  }
  /** Plays this sentence only; if the page is being narrated, continues after it. */
  playSentence(index: number): void {
    const continues = (this.playing && this.#stopAtMs === undefined) || this.options.repeat === "sentence";
    this.#playFrom(index, !continues);
  }

  metadata = (): { title: string; album: string; picture?: string } => this.#host.metadata();
  play = (): void => {
    if (this.waiting) return this.#continueAfterSentence();
    const resumeSpan = this.#page && this.sentence > 0 ? spanOf(this.#page, this.sentence) : undefined;
    const element = this.#element;
    if (resumeSpan && element && element.currentTime < 0.05) this.#seekTo(resumeSpan.start / 1000);
    this.#stopAtMs = undefined;
    void this.#play();
  };
  pause = (): void => this.stop();
  seek = (to: number): void => {
    this.#stopAtMs = undefined;
    this.waiting = false;
    // Repeating, and stopping after a sentence, continue with the sentence at the new position.
    if (this.#page) this.sentence = sentenceAt(this.#page.sentences, to * 1000);
    this.#seekTo(to);
  };
  position = (): { duration: number; position: number; rate: number } | undefined => {
    const element = this.#element;
    return element && Number.isFinite(element.duration)
      ? { duration: element.duration, position: element.currentTime, rate: this.rate }
      : undefined;
  };
  next = (): void => this.#host.turnPage?.(1);
  previous = (): void => this.#host.turnPage?.(-1);

  /** Plays from a sentence: to its end with `single`, else to the end of the page. Without times, plays the page. */
  #playFrom(index: number, single: boolean): void {
    if (!this.#element || !this.#page?.narration) return;
    const span = spanOf(this.#page, index);
    if (!span) return void this.#play();
    this.#seekTo(span.start / 1000);
    this.sentence = index;
    this.#stopAtMs = single ? span.end : undefined;
    void this.#play();
  }
  #waitAfterSentence(): void {
    // At the end of the recording, the element has paused already.
    const isReported = this.playing;
    this.stop();
    if (!isReported && this.sentence >= 0) this.#host.stopped?.(this.sentence);
    this.#stopAtMs = undefined;
    this.waiting = true;
  }
  #continueAfterSentence(): void {
    const { repeat, turnsPages } = this.options;
    const page = this.#page;
    // Without times, narration stopped at the end of the page.
    const next =
      !page || !spanOf(page, this.sentence)
        ? Number.POSITIVE_INFINITY
        : repeat === "sentence"
          ? this.sentence
          : this.sentence + 1;
    if (page?.sentences[next]) return this.#playFrom(next, false);
    if (repeat === "page" || turnsPages) return this.#finishPage();
    this.#startPageAgain();
  }
  /** After the last sentence of the page: begins it again, or lets the next page follow. */
  #finishPage(): void {
    this.#requested = this.playing = this.waiting = false;
    this.#stopAtMs = undefined;
    if (this.options.repeat === "page") return this.#startPageAgain();
    if (this.#element) this.#element.currentTime = 0;
    if (this.options.turnsPages) this.#host.ended?.();
    else this.sentence = -1;
  }
  #startPageAgain(): void {
    this.sentence = -1;
    this.#seekTo(0);
    void this.#play();
  }
  #load(): void {
    const element = this.#element;
    if (!element) return;
    const hash = this.#page?.narration?.hash;
    if (hash) {
      const url = this.#host.url(hash);
      if (element.src !== url) element.src = url;
    } else if (element.src) {
      element.removeAttribute("src");
      element.load();
    }
  }
  #seekTo(to: number): void {
    const element = this.#element;
    if (!element) return;
    if (element.readyState >= 1) element.currentTime = to;
    else this.#pendingSeek = to;
  }
  async #play(): Promise<void> {
    const element = this.#element;
    if (!element) return;
    element.defaultPlaybackRate = this.rate;
    element.playbackRate = this.rate;
    const count = ++this.#playCount;
    try {
      this.#requested = this.playing = true;
      this.waiting = false;
      acquireMediaSession(this);
      await element.play();
      this.#trackFrames();
    } catch (cause) {
      if (count !== this.#playCount) return;
      this.playing = false;
      // A play() that was interrupted by a pause is not an error.
      if ((cause as { name?: string }).name === "AbortError") return;
      this.#requested = false;
      this.failed = true;
    }
  }
  /** Restarts stalled playback: an engine may stop loading while the window is hidden and not resume afterwards. */
  #restartIfStalled(times: number): void {
    clearTimeout(this.#stallTimer);
    const element = this.#element;
    if (!element || document.hidden || times === 0 || !(this.#requested || this.#continues)) return;
    const at = element.currentTime;
    this.#stallTimer = setTimeout(() => {
      if (element.currentTime === at && !element.ended && (this.#requested || this.#continues)) {
        if (element.readyState < 3) {
          element.load();
          if (at > 0) this.#seekTo(at);
        }
        void this.#play();
      }
      // Playback may stall again after a restart.
      this.#restartIfStalled(times - 1);
    }, STALL_MS);
  }
  /** Updates the sentence in each frame. While the window is hidden there are no frames, only `timeupdate` events. */
  #trackFrames = (): void => {
    cancelAnimationFrame(this.#frame);
    if (!this.playing) return;
    this.#updateSentence();
    this.#frame = requestAnimationFrame(this.#trackFrames);
  };
  #updateSentence(): void {
    const element = this.#element;
    const page = this.#page;
    if (!element || !page || !this.playing || this.#pendingSeek !== undefined) return;
    const at = element.currentTime * 1000;
    const { repeat, pausesAfterSentence } = this.options;
    const span = this.sentence >= 0 ? spanOf(page, this.sentence) : undefined;
    if (span && at >= span.end && pausesAfterSentence) {
      this.#waitAfterSentence();
    } else if (span && at >= span.end && repeat === "sentence") {
      element.currentTime = span.start / 1000;
    } else if (this.#stopAtMs !== undefined && at >= this.#stopAtMs) {
      this.stop();
    } else {
      const current = sentenceAt(page.sentences, at);
      if (current !== this.sentence && current >= 0) this.sentence = current;
    }
  }
  #ended(): void {
    // The end of the last sentence may have been noticed before the end of the recording.
    if (this.waiting) return;
    const isSingle = this.#stopAtMs !== undefined;
    if (this.options.pausesAfterSentence) return this.#waitAfterSentence();
    if (this.options.repeat === "sentence" && this.sentence >= 0) return this.#playFrom(this.sentence, false);
    if (!isSingle) return this.#finishPage();
    this.#requested = this.playing = false;
    this.#stopAtMs = undefined;
    if (this.#element) this.#element.currentTime = 0;
  }
}
