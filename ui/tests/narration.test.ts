import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { onKey } from "../src/components/media/mediaSession";
import { Narration } from "../src/features/story/narration.svelte";
import {
  defaultOptions,
  storedOptions,
  storeOptions,
  type ListeningOptions,
} from "../src/features/story/listeningOptions";
import { useTransport } from "../src/platform/transport";
import { player, settle } from "./player";

let saved: { kind: string; item: string; pos?: string; percent?: number; done: boolean }[] = [];
let storedPosition: string | null = null;
beforeEach(() => {
  saved = [];
  storedPosition = null;
  useTransport({
    call: (name, request) => {
      if (name === "record_progress") saved.push(request as (typeof saved)[number]);
      return Promise.resolve({
        percent: 0,
        done: false,
        pos: storedPosition,
        posDevice: "",
        posAtMs: 0,
        waiting: false,
      });
    },
    listen: () => ({ ready: Promise.resolve(), stop: () => undefined }),
  });
});

describe("the narration of a story", () => {
  const sentence = (startMs: number, endMs: number): object => ({
    text: "x",
    paragraph: false,
    startMs,
    endMs,
    words: [],
  });
  const page = (hash: string): never =>
    ({
      sentences: [sentence(0, 1000), sentence(1000, 2000), sentence(2000, 3000)],
      narration: { hash, durationMs: 3000 },
    }) as never;

  it("tracks sentences by the element's events, without animation frames", async () => {
    vi.stubGlobal("requestAnimationFrame", () => 0);
    const ended = vi.fn();
    const narration = new Narration({
      url: (hash) => `http://x.test/${hash}`,
      metadata: () => ({ title: "", album: "" }),
      ended,
    });
    const element = player(3);
    const detach = narration.attach(element);
    narration.setPage(page("one"));
    expect(element.src).toBe("http://x.test/one");
    element.ready();
    narration.toggle();
    element.tick(1.2);
    expect(narration.sentence).toBe(1);
    element.dispatchEvent(new Event("ended"));
    expect(ended).toHaveBeenCalledTimes(1);
    // The next page plays in the same element, because the learner's click permits only this element to play.
    narration.setPage(page("two"), true);
    expect([element.src, narration.playing]).toEqual(["http://x.test/two", true]);
    // A play() that the engine drops during a change of the source is repeated.
    const play = element.play;
    element.pause();
    element.play = () => Promise.reject(Object.assign(new Error("interrupted"), { name: "AbortError" }));
    narration.setPage(page("three"), true);
    await settle();
    expect(narration.playing).toBe(false);
    element.play = play;
    element.dispatchEvent(new Event("canplay"));
    expect([narration.playing, element.paused]).toEqual([true, false]);
    // A single sentence stops at its end and does not turn the page.
    narration.stop();
    narration.playSentence(1);
    expect(element.currentTime).toBe(1);
    element.tick(2.01);
    expect([narration.playing, element.paused]).toEqual([false, true]);
    narration.playSentence(2);
    element.dispatchEvent(new Event("ended"));
    expect(ended).toHaveBeenCalledTimes(1);
    detach();
    vi.unstubAllGlobals();
  });

  it("is started again if the engine stalls after the window reappears", async () => {
    vi.useFakeTimers();
    const narration = new Narration({
      url: (hash) => `http://x.test/${hash}`,
      metadata: () => ({ title: "", album: "" }),
    });
    const element = player(3);
    const [load, play] = [vi.spyOn(element, "load"), vi.spyOn(element, "play")];
    const detach = narration.attach(element);
    const changeVisibility = (): void => void document.dispatchEvent(new Event("visibilitychange"));
    // Nothing was playing: no restart.
    changeVisibility();
    await vi.advanceTimersByTimeAsync(10_000);
    narration.setPage(page("one"), true);
    expect([load.mock.calls.length, play.mock.calls.length]).toEqual([0, 1]);
    // Not loaded: loads again, a limited number of times.
    changeVisibility();
    await vi.advanceTimersByTimeAsync(1500);
    expect([load.mock.calls.length, play.mock.calls.length, narration.playing]).toEqual([1, 2, true]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(load).toHaveBeenCalledTimes(4);
    // Loaded but stalled: plays again at the current position.
    element.ready();
    element.tick(1.2);
    changeVisibility();
    await vi.advanceTimersByTimeAsync(1500);
    expect([load.mock.calls.length, play.mock.calls.length, element.currentTime]).toEqual([4, 6, 1.2]);
    // Continues after a pause soon after the change of visibility, but not after a later pause or one by the learner.
    changeVisibility();
    element.pause();
    expect([narration.playing, element.paused, play.mock.calls.length]).toEqual([true, false, 7]);
    await vi.advanceTimersByTimeAsync(10_000);
    play.mockClear();
    element.pause();
    expect([narration.playing, element.paused, play.mock.calls.length]).toEqual([false, true, 0]);
    narration.play();
    changeVisibility();
    narration.pause();
    expect([narration.playing, element.paused]).toEqual([false, true]);
    narration.play();
    play.mockClear();
    // Playback progresses: no restart.
    changeVisibility();
    for (const at of [1.4, 2, 2.5, 2.9]) {
      element.tick(at);
      await vi.advanceTimersByTimeAsync(1500);
    }
    await vi.advanceTimersByTimeAsync(60_000);
    expect(play).not.toHaveBeenCalled();
    detach();
    vi.useRealTimers();
  });

  it("starts at the saved sentence and reports the sentence at which it stops", () => {
    const stopped = vi.fn();
    const narration = new Narration({
      url: (hash) => `http://x.test/${hash}`,
      metadata: () => ({ title: "", album: "" }),
      stopped,
    });
    const element = player(3);
    narration.attach(element);
    narration.setPage(page("one"));
    element.ready();
    narration.startAt(2);
    narration.toggle();
    expect(element.currentTime).toBe(2);
    narration.toggle();
    expect(stopped).toHaveBeenCalledWith(2);
  });
});

describe("the options of listening", () => {
  const times = [
    [0, 900],
    [1000, 1900],
    [2000, 3000],
  ] as const;
  const page = (hash: string, timed = true): never =>
    ({
      sentences: times.map(([startMs, endMs]) => ({ text: "x", words: [], ...(timed ? { startMs, endMs } : {}) })),
      narration: { hash, durationMs: 3000 },
    }) as never;
  type Player = ReturnType<typeof player>;
  const end = (element: Player): void => {
    element.tick(3);
    element.pause();
    element.dispatchEvent(new Event("ended"));
  };
  function listen(options: Partial<ListeningOptions>, timed = true) {
    // Animation frames stand still while the window is hidden.
    vi.stubGlobal("requestAnimationFrame", () => 0);
    const [ended, stopped] = [vi.fn(), vi.fn()];
    const narration = new Narration({
      url: (hash) => `http://x.test/${hash}`,
      metadata: () => ({ title: "", album: "" }),
      ended,
      stopped,
    });
    narration.options = { ...defaultOptions, ...options };
    const element = player(3);
    const detach = narration.attach(element);
    narration.setPage(page("one", timed));
    element.ready();
    const state = () => [narration.playing, narration.waiting, narration.sentence, element.currentTime];
    return { narration, element, ended, stopped, state, detach };
  }
  afterEach(() => vi.unstubAllGlobals());

  it("stop after each sentence and continue with the next one: by the button, Space and media keys", () => {
    const { narration, element, ended, stopped, state, detach } = listen({ pausesAfterSentence: true });
    narration.toggle();
    element.tick(0.5);
    expect(state()).toEqual([true, false, 0, 0.5]);
    // The event comes late, when the next sentence has begun.
    element.tick(1.1);
    expect([state(), element.paused]).toEqual([[false, true, 0, 1.1], true]);
    expect(stopped).toHaveBeenLastCalledWith(0);
    narration.toggle();
    expect(state()).toEqual([true, false, 1, 1]);
    element.tick(1.9);
    expect(state()).toEqual([false, true, 1, 1.9]);
    onKey(new KeyboardEvent("keydown", { key: "MediaPlay" }));
    expect(state()).toEqual([true, false, 2, 2]);
    end(element);
    expect([narration.playing, narration.waiting, ended.mock.calls.length]).toEqual([false, true, 0]);
    expect(stopped).toHaveBeenLastCalledWith(2);
    narration.toggle();
    expect(ended).toHaveBeenCalledTimes(1);
    detach();
  });
  it("pause in the middle of a sentence continues there", () => {
    const { narration, element, state, detach } = listen({ pausesAfterSentence: true });
    narration.toggle();
    element.tick(0.5);
    narration.toggle();
    expect(state()).toEqual([false, false, 0, 0.5]);
    narration.toggle();
    expect(state()).toEqual([true, false, 0, 0.5]);
    detach();
  });
  it("without sentence times, stop at the end of the page", () => {
    const { narration, element, ended, state, detach } = listen({ pausesAfterSentence: true }, false);
    narration.toggle();
    element.tick(1.1);
    expect(state()).toEqual([true, false, -1, 1.1]);
    end(element);
    expect([narration.waiting, ended.mock.calls.length]).toEqual([true, 0]);
    narration.toggle();
    expect(ended).toHaveBeenCalledTimes(1);
    detach();
  });
  it("repeat the sentence, also one that ends with the recording", () => {
    const { narration, element, ended, state, detach } = listen({ repeat: "sentence" });
    narration.playSentence(1);
    element.tick(1.95);
    expect(state()).toEqual([true, false, 1, 1]);
    narration.playSentence(2);
    end(element);
    expect(state()).toEqual([true, false, 2, 2]);
    // A media key that seeks chooses another sentence.
    narration.seek(0.4);
    element.tick(0.95);
    expect(state()).toEqual([true, false, 0, 0]);
    expect(ended).not.toHaveBeenCalled();
    detach();
  });
  it("repeat the sentence and stop: the same sentence follows", () => {
    const { narration, element, state, detach } = listen({ repeat: "sentence", pausesAfterSentence: true });
    narration.playSentence(1);
    element.tick(1.9);
    expect(state()).toEqual([false, true, 1, 1.9]);
    narration.toggle();
    expect(state()).toEqual([true, false, 1, 1]);
    detach();
  });
  it("repeat the page, and do not turn it", () => {
    for (const pausesAfterSentence of [false, true]) {
      const { narration, element, ended, state, detach } = listen({ repeat: "page", pausesAfterSentence });
      narration.playSentence(2);
      narration.play();
      end(element);
      if (pausesAfterSentence) narration.toggle();
      expect(state()).toEqual([true, false, -1, 0]);
      expect(ended).not.toHaveBeenCalled();
      detach();
    }
  });
  it("do not turn pages: stops at the end, and begins the page again", () => {
    for (const pausesAfterSentence of [false, true]) {
      const { narration, element, ended, state, detach } = listen({ turnsPages: false, pausesAfterSentence });
      narration.play();
      element.tick(0.1);
      if (pausesAfterSentence) narration.playSentence(2);
      end(element);
      expect(narration.playing).toBe(false);
      narration.toggle();
      expect(state()).toEqual([true, false, -1, 0]);
      expect(ended).not.toHaveBeenCalled();
      detach();
    }
  });
  it("turning a page neither starts nor moves the voice that was silent", () => {
    const { narration, element, state, detach } = listen({});
    narration.play();
    element.tick(1.2);
    narration.pause();
    const play = vi.spyOn(element, "play");
    narration.setPage(page("two"), narration.playing);
    expect([narration.playing, narration.sentence]).toEqual([false, -1]);
    narration.setPage(page("one"), narration.playing);
    // The reply is another object each time.
    expect([play.mock.calls.length, narration.playing, narration.sentence]).toEqual([0, false, 1]);
    // A new source begins at 0; narration continues at the sentence that was left.
    element.currentTime = 0;
    narration.toggle();
    expect(state()).toEqual([true, false, 1, 1]);
    detach();
  });
  it("are kept on this device; unknown values are the default", () => {
    const options: ListeningOptions = { repeat: "page", pausesAfterSentence: true, turnsPages: false };
    storeOptions(options);
    expect(storedOptions()).toEqual(options);
    for (const bad of ["", "null", "[]", "7", '{"repeat":"all","pausesAfterSentence":"yes","turnsPages":0}', "{"]) {
      localStorage.setItem("carrel.listening", bad);
      expect([bad, storedOptions()]).toEqual([bad, defaultOptions]);
    }
    localStorage.removeItem("carrel.listening");
    expect(storedOptions()).toEqual(defaultOptions);
  });
});
