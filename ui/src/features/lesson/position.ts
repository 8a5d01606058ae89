//! Reading position in a section: the current block, as `b7` (from 1), and the fraction of the section that was shown.
import type { SectionBody } from "../../api/types";

type Block = SectionBody["blocks"][number];

export function formatBlockPosition(block: number): string {
  return `b${block + 1}`;
}
export function parseBlockPosition(pos: string | null): number | undefined {
  const match = /^b(\d+)$/.exec(pos ?? "");
  return match ? Math.max(0, Number(match[1]) - 1) : undefined;
}

/** Approximate height of a line of text in CSS pixels, and characters of a line. */
const LINE_HEIGHT = 28;
const LINE_CHARACTERS = 60;

/** Returns the number of blocks that fill the window; the first frame needs no more. */
export function firstFrameBlocks(blocks: readonly Block[], height = innerHeight): number {
  const wanted = (height / LINE_HEIGHT) * LINE_CHARACTERS;
  let filled = 0;
  for (const [n, block] of blocks.entries()) {
    // Estimates: an image, video or code takes the space of several paragraphs, any other block that of a few lines.
    filled +=
      block.kind === "rich_text"
        ? block.html.length
        : block.kind === "image" || block.kind === "video" || block.kind === "code"
          ? 1_000
          : 300;
    if (filled >= wanted) return n + 1;
  }
  return blocks.length;
}

const SETTLE_MS = 1200;

/**
 * Tracks the position in `element`, whose blocks have `data-block`. If the block has changed, calls
 * `save(block, furthest)` after scrolling stops and when the page is left. Calls `progressed(fraction)` when a larger
 * fraction was shown. Fractions are 0 to 1. The returned function stops tracking.
 */
export function trackPosition(
  element: HTMLElement,
  blocks: number,
  save: (block: number, furthest: number) => void,
  progressed: (fraction: number) => void,
): () => void {
  let savedBlock = -1;
  let block = 0;
  let furthest = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let frame = 0;
  let hasScrolled = false;

  const measure = (): void => {
    frame = 0;
    const readingLine = innerHeight * 0.3;
    const box = element.getBoundingClientRect();
    if (box.height === 0) return;
    for (const node of element.querySelectorAll<HTMLElement>("[data-block]")) {
      if (node.getBoundingClientRect().top > readingLine) break;
      block = Number(node.dataset["block"]);
    }
    const fraction = Math.min(1, Math.max(0, (innerHeight - box.top) / box.height));
    if (fraction > furthest) {
      furthest = fraction;
      progressed(furthest);
    }
  };
  const saveBlock = (): void => {
    if (!hasScrolled || block === savedBlock || blocks === 0) return;
    savedBlock = block;
    save(block, furthest);
  };
  const handleScroll = (): void => {
    hasScrolled = true;
    if (!frame) frame = requestAnimationFrame(measure);
    clearTimeout(timer);
    timer = setTimeout(saveBlock, SETTLE_MS);
  };
  const leave = (): void => {
    clearTimeout(timer);
    saveBlock();
  };
  measure();
  addEventListener("scroll", handleScroll, { passive: true });
  addEventListener("pagehide", leave);
  document.addEventListener("visibilitychange", leave);
  return () => {
    if (frame) cancelAnimationFrame(frame);
    removeEventListener("scroll", handleScroll);
    removeEventListener("pagehide", leave);
    document.removeEventListener("visibilitychange", leave);
    leave();
  };
}
