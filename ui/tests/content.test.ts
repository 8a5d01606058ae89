import { readFileSync } from "node:fs";
import { flushSync } from "svelte";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { ImageRef, SectionBody } from "../src/api/types";
import { setLanguage } from "../src/i18n/index.svelte";
import CodeBlock from "../src/features/lesson/CodeBlock.svelte";
import Blocks from "../src/features/lesson/Blocks.svelte";
import Picture from "../src/components/content/Picture.svelte";
import RichText from "../src/components/content/RichText.svelte";
import { fixture } from "../src/platform/fixture";
import { useTransport } from "../src/platform/transport";
import { clean, MAX_DEPTH, MAX_ELEMENTS } from "../src/components/content/sanitise";
import { appState } from "../src/state/appState.svelte";
import { HEARTBEAT_MS, IDLE_MS, trackStudyTime } from "../src/components/reading/studyTime.svelte";
import { scrollFade } from "../src/components/content/scrollFade";
import { thumbUrl } from "../src/components/content/thumb";
import { settle, show, text } from "./support";

const calls: { name: string; request: unknown }[] = [];
beforeAll(async () => {
  const inner = fixture("en");
  useTransport({
    call: (name, request) => (calls.push({ name, request }), inner.call(name, request)),
    listen: inner.listen,
  });
  await appState.load();
  await setLanguage("en");
});
beforeEach(() => void (calls.length = 0));

function html(text: string): string {
  const box = document.createElement("div");
  box.append(clean(text, "course"));
  return box.innerHTML;
}

describe("HTML from content", () => {
  it("is stripped of scripts, forms and handlers", () => {
    const bad = html(
      `<p onclick="x()" style="color:red" class="a" id="b">ok</p><script>x()</scr` +
        `ipt><img src=x onerror=x()><iframe src="//x"></iframe><form><input></form><a href="javascript:x()">a</a><a href="data:text/html,x">b</a><svg><script>x</scr` +
        `ipt></svg><style>*{}</style>`,
    );
    expect(bad).not.toMatch(/onclick|style|class|script|img|iframe|form|input|javascript|data:|svg/i);
    expect(bad).toContain("<p>ok</p>");
  });
  it("keeps MathML with its attributes, tables and marked words", () => {
    const good = html(
      `<math display="block"><mfrac linethickness="0"><mi mathvariant="normal">a</mi><mn>2</mn></mfrac></math><table><tr><td colspan="2">x</td></tr></table><a data-word="meander">m</a><span data-blank="0"></span>`,
    );
    for (const part of [
      'display="block"',
      "<mfrac",
      'colspan="2"',
      'data-word="meander"',
      'role="button"',
      'data-blank="0"',
    ])
      expect(good).toContain(part);
  });
  it("links sections to this course and removes relative addresses", () => {
    expect(html(`<a data-section="meanders/try">x</a>`)).toContain('href="#/read/course/meanders/try"');
    expect(html(`<a href="/api/call/sign_out">x</a>`)).not.toContain("href");
    expect(html(`<a href="https://example.org/">x</a>`)).toContain("noopener");
  });
  it("opens words by click and by key, and web links through the core", async () => {
    const words: string[] = [];
    const { target } = show(
      RichText as never,
      {
        html: `<a data-word="meander">m</a> <a href="https://example.org/a">web</a>`,
        onword: (word: string) => words.push(word),
      } as never,
    );
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

describe("images", () => {
  const hash = "3b0a0a1a0c6788988f8778777878877787788f8707";
  it("have a PNG placeholder, decoded once; an invalid thumbhash has none", () => {
    const url = thumbUrl(hash);
    expect(url).toMatch(/^data:image\/png;base64,iVBOR/);
    expect(thumbUrl(hash)).toBe(url);
    for (const bad of ["", "zz", "3b", "not hex at all", "3b0"]) expect(thumbUrl(bad)).toBe("");
  });
  it("that are drawings have a night version, photos do not", () => {
    const classes = (...types: string[]): boolean => {
      const variants = types.map((type, i) => ({ width: 100 * (i + 1), hash: `h${i}`, size: 1, type }));
      const image: ImageRef = { alt: "x", caption: "", width: 100, height: 100, thumbhash: "", variants };
      const img = show(Picture as never, { image } as never).target.querySelector("img")!;
      return img.classList.contains("drawing");
    };
    expect(classes("image/svg+xml")).toBe(true);
    for (const photo of ["image/webp", "image/jpeg", "image/png"]) expect(classes(photo, photo), photo).toBe(false);
    // The style of the class applies at night only.
    const rules = readFileSync("src/components/content/drawing.css", "utf8").match(/[^{}]+(?=\{[^{}]*filter)/g);
    expect(rules?.map((rule) => rule.trim())).toEqual(['[data-theme="night"] img.drawing']);
  });
  it("reserve their space before they load", () => {
    const image: ImageRef = {
      alt: "A delta",
      caption: "",
      width: 1600,
      height: 900,
      thumbhash: hash,
      variants: [
        { width: 320, hash: "a", size: 1, type: "image/webp" },
        { width: 960, hash: "b", size: 2, type: "image/webp" },
      ],
    };
    const img = show(Picture as never, { image } as never).target.querySelector("img")!;
    expect(img.getAttribute("width")).toBe("1600");
    expect(img.getAttribute("height")).toBe("900");
    // The box is computed from these alone; the image's own size, known later, has no part in it.
    expect(img.style.getPropertyValue("--w")).toBe("1600");
    expect(img.style.getPropertyValue("--h")).toBe("900");
    expect(img.classList.contains("box")).toBe(true);
    expect(img.getAttribute("loading")).toBe("lazy");
    expect(img.getAttribute("srcset")).toBe(
      "/fixture-media/a 320w, /fixture-media/b?w=640 640w, /fixture-media/b?w=768 768w, /fixture-media/b 960w",
    );
    expect(img.getAttribute("sizes")).toBeTruthy();
    expect(img.getAttribute("alt")).toBe("A delta");
    expect(img.style.backgroundImage).toContain("data:image/png");
  });
});

describe("study time", () => {
  const beats = (): boolean[] =>
    calls.filter((c) => c.name === "study_heartbeat").map((c) => (c.request as { reading: boolean }).reading);
  it("is reported only while the learner is reading", async () => {
    vi.useFakeTimers();
    vi.spyOn(document, "hasFocus").mockReturnValue(true);
    let now = 0;
    const stop = trackStudyTime("a/b/c", { now: () => now });
    const pass = async (ms: number): Promise<void> => {
      for (let t = 0; t < ms; t += HEARTBEAT_MS) {
        now += HEARTBEAT_MS;
        await vi.advanceTimersByTimeAsync(HEARTBEAT_MS);
      }
    };
    await vi.advanceTimersByTimeAsync(0);
    expect(beats()).toEqual([true]);
    await pass(30_000);
    expect(beats()).toEqual([true, true, true, true]);
    // Without input: one heartbeat that reading stopped, then none.
    await pass(IDLE_MS + 60_000);
    expect(beats().at(-1)).toBe(false);
    const quiet = beats().length;
    await pass(60_000);
    expect(beats().length).toBe(quiet);
    // After input: a heartbeat immediately.
    dispatchEvent(new KeyboardEvent("keydown", { key: "j" }));
    await vi.advanceTimersByTimeAsync(0);
    expect(beats().at(-1)).toBe(true);
    // The window loses the focus.
    vi.spyOn(document, "hasFocus").mockReturnValue(false);
    dispatchEvent(new Event("blur"));
    await vi.advanceTimersByTimeAsync(0);
    expect(beats().at(-1)).toBe(false);
    stop();
    vi.useRealTimers();
  });
  it("goes on longer without input while more text is visible", async () => {
    vi.useFakeTimers();
    vi.spyOn(document, "hasFocus").mockReturnValue(true);
    // Characters, height of the text in the window of 768 px, seconds of reading.
    const table: [string, number, number][] = [
      ["", 100, 60],
      ["word ".repeat(120), 500, 120],
      // Half of it is visible.
      ["word ".repeat(240), 2 * innerHeight, 120],
      ["字".repeat(250), 500, 120],
      // At most five minutes.
      ["word ".repeat(5000), 500, 300],
    ];
    for (const [content, height, seconds] of table) {
      calls.length = 0;
      const block = document.createElement("div");
      block.dataset["block"] = "0";
      block.textContent = content;
      block.getBoundingClientRect = () => ({ top: 0, bottom: height, height }) as DOMRect;
      // A quiz inside a block is not counted again.
      const quiz = document.createElement("div");
      quiz.className = "quiz";
      quiz.textContent = "word ".repeat(999);
      const holder = document.createElement("div");
      holder.dataset["page"] = "0";
      holder.getBoundingClientRect = () => ({ top: 2000, bottom: 2100, height: 100 }) as DOMRect;
      holder.append(quiz);
      quiz.getBoundingClientRect = () => ({ top: 0, bottom: 100, height: 100 }) as DOMRect;
      document.body.append(block, holder);
      let now = 0;
      const stop = trackStudyTime("a/b/c", { now: () => now });
      for (; now < 600_000; await vi.advanceTimersByTimeAsync(HEARTBEAT_MS)) now += HEARTBEAT_MS;
      // The first heartbeat is at 0; the last one with reading is the last before the limit.
      const last = beats().lastIndexOf(true) * (HEARTBEAT_MS / 1000);
      expect(last + HEARTBEAT_MS / 1000, `${content.length} characters`).toBe(seconds);
      expect(beats().at(-1)).toBe(false);
      stop();
      block.remove();
      holder.remove();
    }
    vi.useRealTimers();
  });
});

describe("a box that scrolls sideways", () => {
  afterEach(() => vi.restoreAllMocks());
  it("has a fade at each edge beyond which there is content", () => {
    const box = document.createElement("div");
    document.body.append(box);
    vi.spyOn(box, "clientWidth", "get").mockReturnValue(300);
    const width = vi.spyOn(box, "scrollWidth", "get").mockReturnValue(500);
    const fadeAt = (scrollLeft: number): string | undefined => {
      box.scrollLeft = scrollLeft;
      box.dispatchEvent(new Event("scroll"));
      return box.dataset["fade"];
    };
    const stop = scrollFade(box);
    expect(box.dataset["fade"]).toBe("right");
    expect(fadeAt(80)).toBe("left right");
    expect(fadeAt(200)).toBe("left");
    // In right-to-left text the position is 0 at the right edge, and negative.
    box.style.direction = "rtl";
    expect(fadeAt(0)).toBe("left");
    expect(fadeAt(-80)).toBe("left right");
    expect(fadeAt(-200)).toBe("right");
    width.mockReturnValue(300);
    expect(fadeAt(0)).toBeUndefined();
    stop();
    width.mockReturnValue(500);
    expect(fadeAt(0)).toBeUndefined();
  });
  it("is each formula, table and code of a lesson", () => {
    vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(300);
    vi.spyOn(HTMLElement.prototype, "scrollWidth", "get").mockReturnValue(500);
    const body: SectionBody = {
      lang: "en",
      dir: "ltr",
      blocks: [
        { kind: "rich_text", html: "<p>x</p><table><tr><td>wide</td></tr></table>" },
        { kind: "math", tex: "x", mathml: "<math><mi>x</mi></math>" },
        { kind: "code", text: "x", language: "python", editable: false },
        { kind: "code", text: "x", language: "python", editable: true },
      ],
    };
    const { target } = show(Blocks as never, { body, course: "c", onword: () => undefined } as never);
    expect([...target.querySelectorAll("[data-fade]")].map((box) => box.className.split(" ")[0])).toEqual([
      "",
      "formula",
      "scroll",
      "scroll",
    ]);
  });
});

describe("editable code", () => {
  const block = (editable: boolean) =>
    show(CodeBlock as never, { text: "x = 1", language: "python", editable } as never).target;
  it("says that it can be changed, and how to leave it from the first focus on", () => {
    const target = block(true);
    expect(text(target.querySelector("figcaption .name")!)).toBe("Code, editable·python");
    expect(target.querySelector("figcaption .name svg")).not.toBeNull();
    const field = target.querySelector("textarea")!;
    const hint = document.getElementById(field.getAttribute("aria-describedby")!)!;
    expect(hint.classList.contains("visually-hidden")).toBe(true);
    field.focus();
    flushSync();
    expect(hint.classList.contains("visually-hidden")).toBe(false);
    field.blur();
    flushSync();
    expect(hint.classList.contains("visually-hidden")).toBe(false);
  });
  it("differs from code that is only shown", () => {
    const target = block(false);
    expect(text(target.querySelector("figcaption .name")!)).toBe("python");
    expect(target.querySelector(".editable, textarea, .hint")).toBeNull();
  });
});

describe("footnotes, tasks, formulas and mail in content", () => {
  it("keeps footnotes with unique ids, and the links between them", () => {
    const box = document.createElement("div");
    box.append(
      clean(
        `<p>x<sup class="footnote-ref"><a href="#fn-1" id="fnref-1">1</a></sup></p><section class="footnotes"><ol><li id="fn-1">y <a href="#fnref-1">back</a></li></ol></section>`,
        "course",
        "n7",
      ),
    );
    expect(box.querySelector("sup.footnote-ref > a#n7-fnref-1")?.getAttribute("href")).toBe("#n7-fn-1");
    expect(box.querySelector("section.footnotes li#n7-fn-1")?.getAttribute("tabindex")).toBe("-1");
    expect(box.querySelector("li > a")?.getAttribute("href")).toBe("#n7-fnref-1");
    expect(box.querySelector("li > a")?.getAttribute("role")).toBe("doc-backlink");
  });
  it("removes ids and classes that could conflict with the page", () => {
    const bad = html(
      `<p id="page" class="toasts visually-hidden">a</p><a id="app" name="app" href="#page">b</a><li id="fn-x">c</li><section id="fn-1" class="footnotes hostile">d</section><code class="language-rust evil">e</code>`,
    );
    expect(bad).not.toMatch(/id=|name=|toasts|hidden|hostile|evil|href/);
    expect(bad).toContain('class="footnotes"');
    expect(bad).toContain('class="language-rust"');
  });
  it("keeps checkboxes of task lists read-only and removes other fields", () => {
    const tasks = html(
      `<ul><li><input type="checkbox" checked="" onclick="x()" name="a" id="b" form="c">done</li><li><input type="CHECKBOX">open</li></ul><input type="text"><input><input type="password"><input type="submit">`,
    );
    const box = document.createElement("div");
    box.innerHTML = tasks;
    const fields = [...box.querySelectorAll("input")];
    expect(fields.map((f) => [f.type, f.disabled, f.checked])).toEqual([
      ["checkbox", true, true],
      ["checkbox", true, false],
    ]);
    for (const field of fields) expect(field.getAttribute("aria-label")).toBeTruthy();
    expect(tasks).not.toMatch(/onclick|name=|form=/);
  });
  it("keeps classes that align formulas", () => {
    const good = html(
      `<math><mtable class="menv-alignlike menv-align x"><mtr><mtd class="cell-right"><mn>1</mn></mtd></mtr></mtable></math>`,
    );
    expect(good).toContain('class="menv-alignlike menv-align"');
    expect(good).toContain('class="cell-right"');
  });
  it("opens mailto links through the core and removes malformed ones", async () => {
    const { target } = show(RichText as never, { html: `<a href="mailto:amina@school.example">mail</a>` } as never);
    const click = new MouseEvent("click", { bubbles: true, cancelable: true });
    target.querySelector("a")!.dispatchEvent(click);
    await settle();
    expect(click.defaultPrevented).toBe(true);
    expect(calls).toContainEqual({ name: "open_url", request: { url: "mailto:amina@school.example" } });
    for (const bad of ["mailto:", "mailto:nobody", "mailto:a b@c", "mailtojavascript:x()"])
      expect(html(`<a href="${bad}">x</a>`), bad).not.toContain("href");
  });
  it("follows a footnote link within the same text without changing the route", () => {
    const text = (n: number): string =>
      `<p>${n}<sup class="footnote-ref"><a href="#fn-1" id="fnref-1">1</a></sup></p><section class="footnotes"><ol><li id="fn-1">note ${n} <a href="#fnref-1">back</a></li></ol></section>`;
    const before = location.hash;
    const first = show(RichText as never, { html: text(1) } as never).target;
    const second = show(RichText as never, { html: text(2) } as never).target;
    for (const target of [second, first]) {
      target.querySelector<HTMLElement>("sup a")!.click();
      expect(document.activeElement).toBe(target.querySelector("li"));
      target.querySelector<HTMLElement>("li a")!.click();
      expect(document.activeElement).toBe(target.querySelector("sup a"));
    }
    expect(location.hash).toBe(before);
    expect(new Set([...document.querySelectorAll("[id]")].map((e) => e.id)).size).toBe(
      document.querySelectorAll("[id]").length,
    );
  });
  it("finds the footnote in another block of the same section", () => {
    const body = {
      lang: "en",
      dir: "ltr",
      blocks: [
        { kind: "rich_text", html: `<p>x<sup class="footnote-ref"><a href="#fn-1" id="fnref-1">1</a></sup></p>` },
        {
          kind: "rich_text",
          html: `<section class="footnotes"><ol><li id="fn-1">y <a href="#fnref-1">back</a></li></ol></section>`,
        },
      ],
    };
    const { target } = show(Blocks as never, { body, course: "c", onword: () => undefined } as never);
    target.querySelector<HTMLElement>("sup a")!.click();
    expect(document.activeElement).toBe(target.querySelector("li"));
  });
});

describe("content over the limits", () => {
  const nested = (tag: string, n: number): string => `<${tag}>`.repeat(n) + "deep" + `</${tag}>`.repeat(n);
  // Each text exceeds a limit: only its plain text remains.
  it.each([
    ["formula of nested groups", `<math>${nested("mrow", 3000)}</math>`],
    ["formula of nested fractions", `<math>${"<mfrac>".repeat(3000)}<mi>deep</mi>${"</mfrac>".repeat(3000)}</math>`],
    [
      "formula of elements with a slash that HTML ignores",
      `<math>${"<mrow />".repeat(3000)}</math>${"<div />".repeat(3000)}deep`,
    ],
    ["quotes", nested("blockquote", 3000)],
    ["lists", `${"<ul><li>".repeat(3000)}deep${"</li></ul>".repeat(3000)}`],
    ["tags that are never closed", `${"<span>".repeat(3000)}deep`],
    ["too many elements", `${"<b></b>".repeat(MAX_ELEMENTS + 1)}deep`],
    [
      "misnested tags that the parser multiplies",
      `${Array.from({ length: 80 }, (_, i) => `<a title="${i}"><em title="${i}"><strong title="${i}">`).join("")}<p>deep`,
    ],
    // The closing tags do not match the opening ones: the parser reopens the elements in each paragraph.
    [
      "formatting that other tags close",
      `${Array.from({ length: 150 }, (_, i) => `<p><em title="${i}"></x></p>`).join("")}deep`,
    ],
  ])("%s: shown as plain text", (_, text) => {
    const fragment = clean(text, "course");
    expect(fragment.querySelectorAll("*").length).toBe(0);
    expect(fragment.textContent).toContain("deep");
  });
  it("content within the limits keeps its markup", () => {
    expect(clean(nested("blockquote", MAX_DEPTH - 1), "course").querySelectorAll("blockquote").length).toBe(
      MAX_DEPTH - 1,
    );
    expect(clean("<br>".repeat(1000) + "<math><mspace></mspace></math>", "course").querySelectorAll("br").length).toBe(
      1000,
    );
  });
  it("plain text is never parsed as markup", () => {
    const fragment = clean(`${"<span>".repeat(3000)}<img src=x onerror=x()>&lt;script&gt;x()&lt;/script&gt;`, "course");
    expect(fragment.querySelectorAll("*").length).toBe(0);
  });
});
