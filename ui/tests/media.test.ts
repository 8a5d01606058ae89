import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { acquireMediaSession, onKey, releaseMediaSession, type Holder } from "../src/components/media/mediaSession";
import { parsePosition, formatPosition, Playback } from "../src/components/media/playback.svelte";
import { useTransport } from "../src/platform/transport";
import VideoPlayer from "../src/components/media/VideoPlayer.svelte";
import { fixture } from "../src/platform/fixture";
import { appState } from "../src/state/appState.svelte";
import { settle as settleComponent, show } from "./support";
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
