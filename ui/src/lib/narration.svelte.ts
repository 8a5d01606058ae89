//! The voice of a story's page: which sentence is heard now, one sentence on its own, a sentence again and again.
import type { Page } from "./api/types";
import { sentenceAt, spanOf } from "./timing";

export class Narration {
  playing = $state(false);
  /** The sentence that is heard or was heard last; -1: none. */
  sentence = $state(-1);
  failed = $state(false);
  loop = $state(false);
  rate = $state(1);
  #element: HTMLAudioElement | undefined;
  #page: Page | undefined;
  /** Stop here: only this sentence was asked for. Milliseconds. */
  #until: number | undefined;
  #frame = 0;

  /** For the `<audio>` of the page. */
  attach = (element: HTMLAudioElement): (() => void) => {
    this.#element = element;
    element.preservesPitch = true;
    return () => {
      cancelAnimationFrame(this.#frame);
      element.pause();
      this.#element = undefined;
    };
  };

  /** Another page lies open. */
  turn(page: Page | undefined): void {
    this.stop();
    this.#page = page;
    this.sentence = -1;
    this.failed = false;
  }
  setRate(rate: number): void {
    this.rate = rate;
    if (this.#element) this.#element.playbackRate = rate;
  }

  toggle(): void {
    if (this.playing) return this.stop();
    this.#until = undefined;
    void this.#play();
  }
  stop(): void {
    this.#element?.pause();
    this.playing = false;
  }
  /** This sentence: alone if nothing played, from here on if the page is being read. */
  hear(index: number): void {
    const span = this.#page && spanOf(this.#page, index);
    const goOn = this.playing && this.#until === undefined;
    if (!this.#element || !this.#page?.narration) return;
    if (!span) return void this.#play();
    this.#element.currentTime = span.start / 1000;
    this.sentence = index;
    this.#until = goOn || this.loop ? undefined : span.end;
    void this.#play();
  }

  async #play(): Promise<void> {
    const element = this.#element;
    if (!element) return;
    element.defaultPlaybackRate = this.rate;
    element.playbackRate = this.rate;
    try {
      this.playing = true;
      await element.play();
      this.#follow();
    } catch (cause) {
      this.playing = false;
      // A play() that was overtaken by a pause is no fault.
      if ((cause as { name?: string }).name !== "AbortError") this.failed = true;
    }
  }
  #follow = (): void => {
    cancelAnimationFrame(this.#frame);
    const element = this.#element;
    const page = this.#page;
    if (!element || !page || !this.playing) return;
    const at = element.currentTime * 1000;
    const looped = this.loop && this.sentence >= 0 ? spanOf(page, this.sentence) : undefined;
    if (looped && at >= looped.end) {
      element.currentTime = looped.start / 1000;
    } else if (this.#until !== undefined && at >= this.#until) {
      this.stop();
      return;
    } else {
      const heard = sentenceAt(page.sentences, at);
      if (heard !== this.sentence && heard >= 0) this.sentence = heard;
    }
    this.#frame = requestAnimationFrame(this.#follow);
  };
  ended = (): void => {
    if (this.loop && this.sentence >= 0) return this.hear(this.sentence);
    this.playing = false;
    this.#until = undefined;
    if (this.#element) this.#element.currentTime = 0;
  };
}
