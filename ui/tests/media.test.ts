import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MAX_CUES, parseCues } from "../src/components/media/captions";
import { setLanguage } from "../src/i18n/index.svelte";
import { acquireMediaSession, onKey, releaseMediaSession, type Holder } from "../src/components/media/mediaSession";
import { Narration } from "../src/features/story/narration.svelte";
import {
  defaultOptions,
  storedOptions,
  storeOptions,
  type ListeningOptions,
} from "../src/features/story/listeningOptions";
import { generatedWidths, failureReason } from "../src/components/content/pictures";
import { parsePosition, formatPosition, Playback } from "../src/components/media/playback.svelte";
import { useTransport } from "../src/platform/transport";
import { MAX_COMPARISONS, markCues } from "../src/components/media/transcript";
import Transcript from "../src/components/media/Transcript.svelte";
import { reactive } from "./reactive.svelte";
import VideoPlayer from "../src/components/media/VideoPlayer.svelte";
import { fixture } from "../src/platform/fixture";
import { appState } from "../src/state/appState.svelte";
import { settle as settleComponent, show } from "./support";
import AudioPlayer from "../src/components/media/AudioPlayer.svelte";
import Waveform from "../src/components/media/Waveform.svelte";

/** An audio element without playback: `tick` sets the position, `ready` reports that the recording is loaded. */
function player(duration = 100): HTMLAudioElement & { tick(to: number): void; ready(): void } {
  const element = document.createElement("audio") as HTMLAudioElement & { tick(to: number): void; ready(): void };
  let state = 0;
  let at = 0;
  let paused = true;
  const dispatch = (name: string): boolean => element.dispatchEvent(new Event(name));
  Object.defineProperties(element, {
    readyState: { get: () => state },
    duration: { get: () => (state > 0 ? duration : Number.NaN) },
    paused: { get: () => paused },
    ended: { get: () => at >= duration },
    currentTime: {
      configurable: true,
      get: () => at,
      set: (to: number) => {
        // An element ignores a new position until its metadata is loaded.
        if (state === 0) return;
        at = to;
        dispatch("seeked");
      },
    },
  });
  element.play = () => {
    paused = false;
    dispatch("play");
    dispatch("playing");
    return Promise.resolve();
  };
  element.pause = () => {
    if (!paused) {
      paused = true;
      dispatch("pause");
    }
  };
  element.load = () => undefined;
  element.tick = (to) => {
    at = to;
    dispatch("timeupdate");
  };
  element.ready = () => {
    state = 4;
    dispatch("loadedmetadata");
  };
  return element;
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 6; i++) await Promise.resolve();
};

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

describe("the saved position of a recording", () => {
  const recording = { hash: "a".repeat(64), durationMs: 100_000, title: "A drop", root: "rivers" };

  it("is written and read in milliseconds", () => {
    expect(formatPosition(61.5)).toBe("t61500");
    expect(parsePosition("t61500")).toBe(61.5);
    for (const other of ["p3.s2", "b7", "t", "t-1", "", null]) expect(parsePosition(other)).toBeUndefined();
  });

  it("is restored once the duration is known, and shown as restored until the next input", async () => {
    storedPosition = "t61500";
    const playback = new Playback(recording);
    const element = player();
    const detach = playback.attach(element);
    await settle();
    expect(playback.at).toBe(61.5);
    expect(element.currentTime).toBe(0);
    element.ready();
    expect(element.currentTime).toBe(61.5);
    expect(playback.resumed).toBe(61.5);
    playback.play();
    expect(playback.resumed).toBeUndefined();
    detach();
  });

  it("is not restored near either end, or after the learner's input", async () => {
    for (const pos of ["t1000", "t99000", "t999000", "p1"]) {
      storedPosition = pos;
      const playback = new Playback(recording);
      const element = player();
      const detach = playback.attach(element);
      element.ready();
      await settle();
      expect([pos, element.currentTime]).toEqual([pos, 0]);
      detach();
    }
    storedPosition = "t50000";
    const playback = new Playback(recording);
    const element = player();
    const detach = playback.attach(element);
    element.ready();
    playback.seek(10);
    await settle();
    expect(element.currentTime).toBe(10);
    detach();
  });

  it("is saved and restored if the duration is unknown", async () => {
    for (const durationMs of [0, null, undefined, Infinity]) {
      for (const length of [Infinity, Number.NaN]) {
        storedPosition = "t61500";
        const playback = new Playback({ ...recording, durationMs });
        const element = player(length);
        const detach = playback.attach(element);
        await settle();
        element.ready();
        expect([playback.at, element.currentTime, playback.duration]).toEqual([61.5, 61.5, 0]);
        playback.play();
        element.tick(70);
        detach();
        await settle();
        expect(saved.at(-1)).toMatchObject({ pos: "t70000", percent: 0, done: false });
      }
    }
  });

  it("is saved when the page is left during a seek, and not without input", async () => {
    const playback = new Playback(recording);
    const element = player();
    const detach = playback.attach(element);
    element.ready();
    await settle();
    playback.seek(7);
    await settle();
    // The element reports the new position at once; `seeked` follows later.
    Object.defineProperty(element, "currentTime", { value: 23.34, configurable: true });
    detach();
    await settle();
    expect(saved.map((request) => request.pos)).toEqual(["t7000", "t23340"]);

    storedPosition = "t50000";
    const other = new Playback(recording);
    const leave = other.attach(player());
    await settle();
    leave();
    await settle();
    expect(saved.length).toBe(2);
  });

  it("is saved every few seconds, on pause and on leaving, and is reset at the end", async () => {
    const playback = new Playback(recording);
    const element = player();
    const detach = playback.attach(element);
    element.ready();
    await settle();
    expect(saved).toEqual([]);
    playback.play();
    element.tick(1);
    element.tick(4);
    const first = saved.length;
    element.tick(7);
    await settle();
    expect(saved.length).toBeGreaterThan(first);
    expect(saved.at(-1)).toMatchObject({
      kind: "media",
      item: `rivers/${recording.hash}`,
      pos: "t7000",
      percent: 700,
      done: false,
    });
    element.tick(9);
    playback.pause();
    await settle();
    expect(saved.at(-1)).toMatchObject({ pos: "t9000" });
    playback.seek(30);
    await settle();
    expect(saved.at(-1)).toMatchObject({ pos: "t30000" });
    playback.play();
    element.tick(31);
    detach();
    await settle();
    expect(saved.at(-1)).toMatchObject({ pos: "t31000" });
    const again = new Playback(recording);
    const other = player();
    const leave = again.attach(other);
    other.ready();
    again.play();
    other.tick(100);
    other.dispatchEvent(new Event("ended"));
    await settle();
    expect(saved.at(-1)).toMatchObject({ pos: "t0", percent: 10_000, done: true });
    leave();
    await settle();
    expect(saved.at(-1)).toMatchObject({ pos: "t0" });
  });

  it("is not saved without a course", async () => {
    const playback = new Playback({ ...recording, root: "" });
    const element = player();
    const detach = playback.attach(element);
    element.ready();
    playback.play();
    element.tick(50);
    playback.pause();
    detach();
    await settle();
    expect(saved).toEqual([]);
  });
});

describe("the video player", () => {
  it("is not recreated by app events", async () => {
    let requests = 0;
    const inner = fixture("en");
    useTransport({
      call: (name, request) => {
        if (name === "get_position") requests += 1;
        return inner.call(name, request);
      },
      listen: inner.listen,
    });
    await appState.load();
    const video = {
      title: "A video",
      hash: "b".repeat(64),
      size: 1,
      type: "video/mp4",
      durationMs: 1000,
      width: 16,
      height: 9,
      transcript: "",
      poster: {
        alt: "",
        caption: "",
        width: 16,
        height: 9,
        thumbhash: "",
        variants: [{ width: 16, hash: "p", size: 1, type: "image/webp" }],
      },
    };
    const shown = show(VideoPlayer as never, { video, lang: "en", course: "rivers" } as never);
    expect(shown.target.querySelector("video"), "not created before the first frame").toBeNull();
    await vi.waitFor(() => expect(shown.target.querySelector("video")?.src).toContain("http"));
    await settleComponent();
    expect(requests).toBe(1);
    await appState.replace({ ...appState.app });
    await settleComponent();
    expect(requests).toBe(1);
    shown.close();
  });
});

describe("media keys", () => {
  const holder = (): Holder & { calls: string[] } => {
    const calls: string[] = [];
    return {
      calls,
      metadata: () => ({ title: "t", album: "a" }),
      play: () => calls.push("play"),
      pause: () => calls.push("pause"),
      seek: (to) => calls.push(`seek ${to}`),
      position: () => ({ duration: 100, position: 50, rate: 1 }),
    };
  };
  const handlers = new Map<string, ((d: unknown) => void) | null>();
  const session = {
    metadata: null as unknown,
    playbackState: "none",
    setActionHandler: (name: string, run: ((d: unknown) => void) | null) => void handlers.set(name, run),
    setPositionState: vi.fn(),
  };
  beforeEach(() => vi.stubGlobal("navigator", { mediaSession: session, languages: ["en"] }));
  afterEach(() => vi.unstubAllGlobals());

  it("control the player that started last, which pauses the others", () => {
    const [one, two] = [holder(), holder()];
    acquireMediaSession(one);
    acquireMediaSession(two);
    expect(one.calls).toEqual(["pause"]);
    handlers.get("seekforward")!({});
    handlers.get("seekbackward")!({ seekOffset: 20 });
    handlers.get("seekto")!({ seekTime: 3 });
    handlers.get("pause")!({});
    expect(two.calls).toEqual(["seek 60", "seek 30", "seek 3", "pause"]);
    expect(handlers.get("nexttrack")).toBeNull();
    expect(session.playbackState).toBe("playing");
    onKey(new KeyboardEvent("keydown", { key: "MediaPlay" }));
    expect(two.calls.at(-1)).toBe("play");
    releaseMediaSession(one);
    expect(session.playbackState).toBe("playing");
    releaseMediaSession(two);
    expect([session.playbackState, handlers.get("play")]).toEqual(["none", null]);
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

describe("a transcript", () => {
  const cues = parseCues(
    "WEBVTT\n\n00:00.000 --> 00:01.000\nOne quarter.\n\n00:01.000 --> 00:02.000\nTwo quarters: that is\none half.\n\n00:02.000 --> 00:03.000\nNobody says this.\n\n00:03.000 --> 00:04.000\nOne quarter.\n",
  );

  it("marks the words of each cue, in the order of the cues", () => {
    const box = document.createElement("div");
    box.innerHTML =
      "<p>So: one quarter. Two  quarters: that\n is one half.</p><p>And again <em>one</em> one quarter. The end.</p><p>Two quarters: that is one half. One quarter.</p>";
    const text = box.textContent;
    expect(markCues(box, cues)).toBe(3);
    expect(
      [...box.querySelectorAll("[data-cue]")].map((s) => [
        (s as HTMLElement).dataset["cue"],
        s.textContent.replace(/\s+/g, " "),
      ]),
    ).toEqual([
      ["0", "one quarter."],
      ["1", "Two quarters: that is one half."],
      ["3", "one quarter."],
    ]);
    expect(box.textContent).toBe(text);
    for (const span of box.querySelectorAll("[data-cue]"))
      expect([span.getAttribute("role"), (span as HTMLElement).tabIndex]).toEqual(["button", 0]);
  });
  it("marks the current sentence, also if captions load later", async () => {
    const props = reactive({
      html: "<p>One quarter. Two quarters: that is one half.</p>",
      cues: [] as typeof cues,
      at: 0,
      captions: true,
      onseek: vi.fn(),
    });
    const shown = show(Transcript as never, props as never);
    props.cues = cues;
    await settleComponent();
    const marked = (): string[] =>
      [...shown.target.querySelectorAll<HTMLElement>("[aria-current]")].map((s) => s.dataset["cue"]!);
    props.at = 1.5;
    await settleComponent();
    expect(marked()).toEqual(["1"]);
    props.at = 0.5;
    await settleComponent();
    expect(marked()).toEqual(["0"]);
    shown.target.querySelector<HTMLElement>("[data-cue='1']")!.click();
    expect(props.onseek).toHaveBeenCalledWith(1);
    shown.close();
  });
  it("is unchanged if the captions do not match", () => {
    const box = document.createElement("div");
    box.innerHTML = "<p>Quite another text.</p>";
    expect(markCues(box, cues)).toBe(0);
    expect(box.innerHTML).toBe("<p>Quite another text.</p>");
  });
});

describe("the waveform", () => {
  it("is a slider with a text value in minutes and keyboard control", async () => {
    await setLanguage("en");
    const onseek = vi.fn();
    const target = document.createElement("div");
    const part = mount(Waveform, { target, props: { at: 65, duration: 130, peaks: [0, 128, 255], onseek } });
    flushSync();
    const slider = target.querySelector("input")!;
    expect(slider.getAttribute("aria-valuetext")).toBe("1:05 of 2:10");
    expect(target.querySelectorAll("svg path")).toHaveLength(2);
    expect(target.querySelector<SVGElement>("svg.played")!.style.clipPath).toContain("50%");
    for (const [key, to] of [
      ["ArrowRight", 70],
      ["ArrowLeft", 60],
      ["PageUp", 95],
      ["Home", 0],
      ["End", 130],
    ] as const) {
      slider.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
      expect([key, onseek.mock.lastCall?.[0]]).toEqual([key, to]);
    }
    void unmount(part);
  });

  it("states no duration if it is unknown", () => {
    const target = document.createElement("div");
    document.body.append(target);
    const onseek = vi.fn();
    const part = mount(Waveform, { target, props: { at: 7, duration: 0, peaks: [0, 128, 255], onseek } });
    flushSync();
    const slider = target.querySelector("input")!;
    expect(slider.getAttribute("aria-valuetext")).toBe("0:07");
    for (const [key, to] of [
      ["ArrowRight", 12],
      ["End", 12],
      ["Home", 0],
    ] as const) {
      slider.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
      expect([key, onseek.mock.lastCall?.[0]]).toEqual([key, to]);
    }
    void unmount(part);
  });

  it("shows only the position of a recording with an unknown duration", () => {
    const audio = { title: "Rain", hash: "c".repeat(64), size: 1, type: "audio/webm", durationMs: 0, transcript: "" };
    const target = document.createElement("div");
    document.body.append(target);
    const part = mount(AudioPlayer, { target, props: { audio } });
    flushSync();
    expect(target.querySelector(".time")!.textContent).toBe("0:00");
    void unmount(part);
  });
});

describe("images", () => {
  const variant = (width: number, type = "image/webp"): never => ({ hash: `h${width}`, width, size: 1, type }) as never;
  const image = (variants: never[]): never =>
    ({ alt: "", caption: "", width: 3000, height: 1000, thumbhash: "", variants }) as never;

  it("are generated locally in widths that the course does not contain", () => {
    expect(
      generatedWidths(image([variant(320), variant(640), variant(768), variant(1024), variant(1280), variant(1920)])),
    ).toEqual([]);
    expect(generatedWidths(image([variant(700, "image/jpeg")]))).toEqual([
      { path: "h700?w=320", width: 320 },
      { path: "h700?w=640", width: 640 },
    ]);
    expect(generatedWidths(image([variant(300)]))).toEqual([]);
    for (const type of ["image/svg+xml", "image/gif"])
      expect(generatedWidths(image([variant(1900, type)]))).toEqual([]);
  });
  it("show the reason if they cannot be shown", async () => {
    for (const [status, reason] of [
      [413, "image.tooLarge"],
      [422, "image.broken"],
      [415, "image.broken"],
      [503, "image.absent"],
      [404, "image.absent"],
    ] as const) {
      vi.stubGlobal("fetch", () => Promise.resolve({ status }));
      expect(await failureReason("x")).toBe(reason);
    }
    vi.stubGlobal("fetch", () => Promise.reject(new Error("gone")));
    expect(await failureReason("x")).toBe("image.absent");
    vi.unstubAllGlobals();
  });
});

describe("captions over the limits", () => {
  it("are limited in number, and malicious text does not slow down parsing", () => {
    const block = (text: string): string => `00:00.000 --> 00:01.000\n${text}\n\n`;
    expect(parseCues(`WEBVTT\n\n${block("<".repeat(2_000_000))}`)).toHaveLength(1);
    expect(parseCues(`WEBVTT\n\n${"1".repeat(2_000_000)} --> ${"2".repeat(2_000_000)}\nx\n`)).toEqual([]);
    expect(parseCues(`WEBVTT\n\n${block("x").repeat(MAX_CUES + 10)}`)).toHaveLength(MAX_CUES);
  });
  it("are compared with a transcript a limited number of times", () => {
    let compared = 0;
    const cues = Array.from({ length: 2_000 }, (_, n) => ({ start: n, end: n + 1, text: `nobody says ${n}` }));
    const box = document.createElement("div");
    box.innerHTML = "<p>Something else.</p>".repeat(300);
    const index = String.prototype.indexOf;
    String.prototype.indexOf = function (this: string, ...wanted: Parameters<typeof index>) {
      compared += 1;
      return index.apply(this, wanted);
    };
    try {
      expect(markCues(box, cues)).toBe(0);
    } finally {
      String.prototype.indexOf = index;
    }
    expect(compared).toBeLessThan(2 * MAX_COMPARISONS);
  });
});
