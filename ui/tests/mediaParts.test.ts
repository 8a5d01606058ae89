import { flushSync, mount, unmount } from "svelte";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { MAX_CUES, parseCues } from "../src/components/media/captions";
import { setLanguage } from "../src/i18n/index.svelte";
import { generatedWidths, failureReason } from "../src/components/content/pictures";
import { useTransport } from "../src/platform/transport";
import { MAX_COMPARISONS, markCues } from "../src/components/media/transcript";
import Transcript from "../src/components/media/Transcript.svelte";
import { reactive } from "./reactive.svelte";
import { settle as settleComponent, show } from "./support";
import AudioPlayer from "../src/components/media/AudioPlayer.svelte";
import Waveform from "../src/components/media/Waveform.svelte";

beforeEach(() => {
  useTransport({
    call: () => {
      return Promise.resolve({
        percent: 0,
        done: false,
        pos: null,
        posDevice: "",
        posAtMs: 0,
        waiting: false,
      });
    },
    listen: () => ({ ready: Promise.resolve(), stop: () => undefined }),
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
