import { beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { ImageRef } from "../src/lib/api/types";
import { speak } from "../src/lib/i18n/index.svelte";
import Picture from "../src/lib/parts/Picture.svelte";
import Rich from "../src/lib/parts/Rich.svelte";
import { fixture } from "../src/lib/platform/fixture";
import { useTransport } from "../src/lib/platform/transport";
import { clean } from "../src/lib/sanitise";
import { desk } from "../src/lib/state.svelte";
import { BEAT_MS, IDLE_MS, study } from "../src/lib/study.svelte";
import { thumbUrl } from "../src/lib/thumb";
import { settle, show } from "./support";

const calls: { name: string; request: unknown }[] = [];
beforeAll(async () => {
  const inner = fixture("en");
  useTransport({ call: (name, request) => (calls.push({ name, request }), inner.call(name, request)), listen: inner.listen });
  await desk.load();
  await speak("en");
});
beforeEach(() => void (calls.length = 0));

function html(text: string): string {
  const box = document.createElement("div");
  box.append(clean(text, "course"));
  return box.innerHTML;
}

describe("HTML from content", () => {
  it("loses everything that acts", () => {
    const bad = html(`<p onclick="x()" style="color:red" class="a" id="b">ok</p><script>x()</scr` + `ipt><img src=x onerror=x()><iframe src="//x"></iframe><form><input></form><a href="javascript:x()">a</a><a href="data:text/html,x">b</a><svg><script>x</scr` + `ipt></svg><style>*{}</style>`);
    expect(bad).not.toMatch(/onclick|style|class|script|img|iframe|form|input|javascript|data:|svg/i);
    expect(bad).toContain("<p>ok</p>");
  });
  it("keeps MathML with its attributes, tables and marked words", () => {
    const good = html(`<math display="block"><mfrac linethickness="0"><mi mathvariant="normal">a</mi><mn>2</mn></mfrac></math><table><tr><td colspan="2">x</td></tr></table><a data-word="meander">m</a><span data-blank="0"></span>`);
    for (const part of ['display="block"', "<mfrac", 'colspan="2"', 'data-word="meander"', 'role="button"', 'data-blank="0"']) expect(good).toContain(part);
  });
  it("leads sections to this course and lets no relative address through", () => {
    expect(html(`<a data-section="meanders/try">x</a>`)).toContain('href="#/read/course/meanders/try"');
    expect(html(`<a href="/api/call/sign_out">x</a>`)).not.toContain("href");
    expect(html(`<a href="https://example.org/">x</a>`)).toContain("noopener");
  });
  it("opens words by click and key, and the web through the core", async () => {
    const words: string[] = [];
    const { target } = show(Rich as never, { html: `<a data-word="meander">m</a> <a href="https://example.org/a">web</a>`, onword: (word: string) => words.push(word) } as never);
    const [word, web] = target.querySelectorAll<HTMLElement>("a");
    word!.click();
    word!.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
    expect(words).toEqual(["meander", "meander"]);
    const click = new MouseEvent("click", { bubbles: true, cancelable: true });
    web!.dispatchEvent(click);
    await settle();
    expect(click.defaultPrevented).toBe(true);
    expect(calls).toContainEqual({ name: "open_url", request: { url: "https://example.org/a" } });
  });
});

describe("pictures", () => {
  const hash = "3b0a0a1a0c6788988f8778777878877787788f8707";
  it("decode their blur to a PNG, once, and never throw", () => {
    const url = thumbUrl(hash);
    expect(url).toMatch(/^data:image\/png;base64,iVBOR/);
    expect(thumbUrl(hash)).toBe(url);
    for (const bad of ["", "zz", "3b", "not hex at all", "3b0"]) expect(thumbUrl(bad)).toBe("");
  });
  it("keep their room before they arrive", () => {
    const image: ImageRef = { alt: "A delta", caption: "", width: 1600, height: 900, thumbhash: hash, variants: [{ width: 320, hash: "a", size: 1, type: "image/webp" }, { width: 960, hash: "b", size: 2, type: "image/webp" }] };
    const img = show(Picture as never, { image } as never).target.querySelector("img")!;
    expect(img.getAttribute("width")).toBe("1600");
    expect(img.getAttribute("height")).toBe("900");
    expect(img.getAttribute("loading")).toBe("lazy");
    expect(img.getAttribute("srcset")).toBe("/fixture-media/a 320w, /fixture-media/b?w=640 640w, /fixture-media/b?w=768 768w, /fixture-media/b 960w");
    expect(img.getAttribute("sizes")).toBeTruthy();
    expect(img.getAttribute("alt")).toBe("A delta");
    expect(img.style.backgroundImage).toContain("data:image/png");
  });
});

describe("time of study", () => {
  const beats = (): boolean[] => calls.filter((c) => c.name === "study_beat").map((c) => (c.request as { reading: boolean }).reading);
  it("is told only while somebody reads", async () => {
    vi.useFakeTimers();
    vi.spyOn(document, "hasFocus").mockReturnValue(true);
    let now = 0;
    const stop = study("a/b/c", { now: () => now });
    const pass = async (ms: number): Promise<void> => {
      for (let t = 0; t < ms; t += BEAT_MS) {
        now += BEAT_MS;
        await vi.advanceTimersByTimeAsync(BEAT_MS);
      }
    };
    await vi.advanceTimersByTimeAsync(0);
    expect(beats()).toEqual([true]);
    await pass(30_000);
    expect(beats()).toEqual([true, true, true, true]);
    // Nobody touches anything for a minute: one "stopped", then silence.
    await pass(IDLE_MS + 60_000);
    expect(beats().at(-1)).toBe(false);
    const quiet = beats().length;
    await pass(60_000);
    expect(beats().length).toBe(quiet);
    // A key: reading again at once.
    dispatchEvent(new KeyboardEvent("keydown", { key: "j" }));
    await vi.advanceTimersByTimeAsync(0);
    expect(beats().at(-1)).toBe(true);
    // The window goes behind another.
    vi.spyOn(document, "hasFocus").mockReturnValue(false);
    dispatchEvent(new Event("blur"));
    await vi.advanceTimersByTimeAsync(0);
    expect(beats().at(-1)).toBe(false);
    stop();
    vi.useRealTimers();
  });
});
