import { flushSync } from "svelte";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { ImageRef, SectionBody } from "../src/api/types";
import PictureViewer from "../src/components/content/PictureViewer.svelte";
import WordCard from "../src/components/content/WordCard.svelte";
import { fit, FITTED, limit, maxScale, zoomAt } from "../src/components/content/zoom";
import Blocks from "../src/features/lesson/Blocks.svelte";
import { setLanguage } from "../src/i18n/index.svelte";
import { appState } from "../src/state/appState.svelte";
import { byRole, click, press, rendered, scriptPlatform, show, text } from "./support";

const image = (name: string, caption = ""): ImageRef => ({
  alt: `Alternative of ${name}`,
  caption,
  width: 1600,
  height: 800,
  thumbhash: "",
  variants: [{ width: 1600, hash: name, size: 1, type: "image/webp" }],
});
const stage = { width: 800, height: 600 };

beforeAll(async () => {
  scriptPlatform();
  await appState.load();
  await setLanguage("en");
});
beforeEach(() => {
  document.dir = "ltr";
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(stage.width);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(stage.height);
});
afterEach(() => {
  vi.restoreAllMocks();
  document.dir = "ltr";
});

/** Scale and position of the shown picture. */
function shown(root: Element): number[] {
  const { transform } = root.querySelector<HTMLElement>(".stage img")!.style;
  const [x, y, scale] = /translate\((.+)px, (.+)px\) scale\((.+)\)/.exec(transform)!.slice(1).map(Number);
  return [scale!, x!, y!];
}
function pointer(target: Element, type: string, pointerId: number, x: number, y: number, pointerType = "touch"): void {
  target.dispatchEvent(
    new PointerEvent(type, { pointerId, pointerType, clientX: x, clientY: y, button: 0, bubbles: true }),
  );
  flushSync();
}

describe("geometry of the viewer", () => {
  it("fits a picture into the window and enlarges a small one", () => {
    expect(fit({ width: 1600, height: 800 }, stage)).toEqual({ width: 800, height: 400 });
    expect(fit({ width: 100, height: 200 }, stage)).toEqual({ width: 300, height: 600 });
  });
  it("zooms to four times the fitted size, or to the original size", () => {
    expect(maxScale({ width: 1600, height: 800 }, { width: 800, height: 400 })).toBe(4);
    expect(maxScale({ width: 8000, height: 4000 }, { width: 800, height: 400 })).toBe(10);
  });
  it("keeps the point under the fingers in place", () => {
    const at = { x: 100, y: -40 };
    const view = zoomAt({ scale: 2, x: 30, y: 10 }, 3, at);
    expect((at.x - view.x) / view.scale).toBeCloseTo((at.x - 30) / 2);
    expect((at.y - view.y) / view.scale).toBeCloseTo((at.y - 10) / 2);
  });
  it("never moves the picture out of the window", () => {
    const fitted = { width: 800, height: 400 };
    expect(limit({ scale: 1, x: 50, y: 50 }, fitted, stage, 4)).toEqual(FITTED);
    expect(limit({ scale: 2, x: 9999, y: -9999 }, fitted, stage, 4)).toEqual({ scale: 2, x: 400, y: -100 });
    expect(limit({ scale: 99, x: 0, y: 0 }, fitted, stage, 4).scale).toBe(4);
    expect(limit({ scale: 0.2, x: 0, y: 0 }, fitted, stage, 4).scale).toBe(1);
  });
});

describe("viewer", () => {
  const open = (images = [image("a", "Caption of a"), image("b")], start = 0) => {
    const onclose = vi.fn();
    const { target } = show(PictureViewer as never, { images, start, lang: "ar", dir: "rtl", onclose } as never);
    return { target, onclose, dialog: target.querySelector("dialog")! };
  };

  it("uses the alternative text as the name only and shows the caption in its own direction", () => {
    const { target, dialog } = open();
    expect(dialog.getAttribute("aria-label")).toBe("Alternative of a");
    expect(text(target)).not.toContain("Alternative");
    const caption = target.querySelector("p")!;
    expect(text(caption)).toBe("Caption of a");
    expect([caption.lang, caption.dir]).toEqual(["ar", "rtl"]);
    expect(dialog.dir).toBe("ltr");
    expect(target.querySelector("h1, h2, h3")).toBeNull();
  });
  it("zooms and moves by keys, and pages when it is not zoomed", () => {
    const { target, dialog } = open();
    const key = (name: string): number[] => (press(dialog, name), shown(target));
    expect(key("+")).toEqual([1.5, 0, 0]);
    expect(key("=")).toEqual([2.25, 0, 0]);
    expect(key("ArrowRight")).toEqual([2.25, -80, 0]);
    expect(key("ArrowDown")).toEqual([2.25, -80, -80]);
    expect(key("-")[0]).toBe(1.5);
    expect(key("0")).toEqual([1, 0, 0]);
    press(dialog, "ArrowRight");
    expect(dialog.getAttribute("aria-label")).toBe("Alternative of b");
    press(dialog, "ArrowRight");
    expect(dialog.getAttribute("aria-label")).toBe("Alternative of b");
    document.dir = "rtl";
    press(dialog, "ArrowRight");
    expect(dialog.getAttribute("aria-label")).toBe("Alternative of a");
  });
  it("zooms by buttons, which stop at the limits", () => {
    const { target } = open();
    const zoomIn = byRole<HTMLButtonElement>(target, "button", "Zoom in");
    expect(byRole<HTMLButtonElement>(target, "button", "Zoom out").disabled).toBe(true);
    for (let i = 0; i < 4; i++) {
      zoomIn.click();
      flushSync();
    }
    expect(shown(target)[0]).toBe(4);
    expect(zoomIn.disabled).toBe(true);
    target.querySelector<HTMLButtonElement>(".scale")!.click();
    flushSync();
    expect(shown(target)).toEqual([1, 0, 0]);
  });
  it("zooms by two fingers around the point between them, and moves by one", () => {
    const { target } = open();
    const area = target.querySelector(".stage")!;
    pointer(area, "pointerdown", 1, -50, 0);
    pointer(area, "pointerdown", 2, 50, 0);
    pointer(area, "pointermove", 2, 150, 0);
    // The distance has doubled, and the point between the fingers has moved from 0 to 50.
    expect(shown(target)).toEqual([2, 50, 0]);
    pointer(area, "pointerup", 2, 150, 0);
    pointer(area, "pointermove", 1, -30, 10);
    expect(shown(target)).toEqual([2, 70, 10]);
  });
  it("zooms by the wheel with Ctrl, not the page, and by a double tap", () => {
    const { target } = open();
    const area = target.querySelector(".stage")!;
    const wheel = new WheelEvent("wheel", { deltaY: -200, ctrlKey: true, bubbles: true, cancelable: true });
    area.dispatchEvent(wheel);
    flushSync();
    expect(wheel.defaultPrevented).toBe(true);
    expect(shown(target)[0]).toBeCloseTo(Math.E);
    area.dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    flushSync();
    expect(shown(target)[0]).toBe(1);
    area.dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    flushSync();
    expect(shown(target)[0]).toBe(2.5);
  });
  it("pages by a swipe while it is not zoomed", () => {
    const { target, dialog } = open();
    const area = target.querySelector(".stage")!;
    pointer(area, "pointerdown", 1, 200, 0);
    pointer(area, "pointerup", 1, 100, 4);
    expect(dialog.getAttribute("aria-label")).toBe("Alternative of b");
    press(dialog, "+");
    pointer(area, "pointerdown", 1, 0, 0);
    pointer(area, "pointerup", 1, 200, 4);
    expect(dialog.getAttribute("aria-label")).toBe("Alternative of b");
  });
});

describe("a picture that opens the viewer", () => {
  const viewer = (): HTMLDialogElement | null => document.querySelector("dialog.viewer");
  /** Waits for the chunk of the viewer. */
  const opened = async (): Promise<HTMLDialogElement> => {
    await vi.waitFor(() => expect(viewer()).not.toBeNull());
    await rendered();
    return viewer()!;
  };

  it("in a lesson pages through its pictures and returns the focus", async () => {
    const body: SectionBody = {
      lang: "en",
      dir: "ltr",
      blocks: [
        { kind: "image", image: image("a") },
        { kind: "rich_text", html: "<p>x</p>" },
        { kind: "image", image: image("b", "Caption of b") },
      ],
    };
    const { target } = show(Blocks as never, { body, course: "c", onword: () => undefined } as never);
    const button = byRole(target, "button", "Enlarge the picture: Alternative of b");
    await click(button);
    const dialog = await opened();
    expect(dialog.getAttribute("aria-label")).toBe("Alternative of b");
    expect(document.activeElement).toBe(dialog.querySelector(".close"));
    expect(text(dialog)).toContain("2 of 2");
    dialog.querySelector<HTMLButtonElement>(".close")!.click();
    await rendered();
    expect(viewer()).toBeNull();
    expect(document.activeElement).toBe(button);
  });
  it("on a word card opens inside the card, so that the card stays open", async () => {
    const at = document.createElement("button");
    document.body.append(at);
    const entry = { id: "w", word: "delta", meaning: "m", pronunciation: "", partOfSpeech: "", example: "" };
    const props = { entry: { ...entry, translations: {}, image: image("a") }, lang: "en", saved: false, at };
    const { target } = show(
      WordCard as never,
      { ...props, onsave: () => undefined, onclose: () => undefined } as never,
    );
    await rendered();
    // The action has the focus first, not the picture above it.
    expect(text(document.activeElement!)).toBe("Add to my words");
    // The stub of `showPopover` leaves the card hidden, so its button is not found by role.
    await click(target.querySelector<HTMLElement>("[popover] button")!);
    expect((await opened()).closest("[popover]")).not.toBeNull();
  });
});
