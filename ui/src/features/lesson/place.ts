//! Reading position in a section: the current block as `b7` (from 1), and the share of the section that was shown.
import type { SectionBody } from "../../api/types";

type Block = SectionBody["blocks"][number];

export function blockPlace(block: number): string {
  return `b${block + 1}`;
}
export function parseBlockPlace(pos: string | null): number | undefined {
  const match = /^b(\d+)$/.exec(pos ?? "");
  return match ? Math.max(0, Number(match[1]) - 1) : undefined;
}

/** Approximate number of characters that fill a large window. */
const WINDOW = 2_500;

/** The number of blocks that fill the window; the first frame needs no more. */
export function opening(blocks: readonly Block[]): number {
  let filled = 0;
  for (const [n, block] of blocks.entries()) {
    // An image, a video or code takes as much space as some paragraphs, a formula or a player as a few lines.
    filled +=
      block.kind === "rich_text"
        ? block.html.length
        : block.kind === "image" || block.kind === "video" || block.kind === "code"
          ? 1_000
          : 300;
    if (filled >= WINDOW) return n + 1;
  }
  return blocks.length;
}

const SETTLE_MS = 1200;

/**
 * Follows scrolling in `element`, whose blocks carry `data-block`. Calls `keep(block, furthest)` if the block changed,
 * once scrolling has settled and when the page is left, and `seen(share)` in each frame in which the share grew.
 * Shares are 0 to 1.
 */
export function trackPlace(
  element: HTMLElement,
  blocks: number,
  keep: (block: number, furthest: number) => void,
  seen: (share: number) => void,
): () => void {
  let kept = -1;
  let block = 0;
  let furthest = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let frame = 0;
  let moved = false;

  const look = (): void => {
    frame = 0;
    const eye = innerHeight * 0.3;
    const box = element.getBoundingClientRect();
    if (box.height === 0) return;
    for (const node of element.querySelectorAll<HTMLElement>("[data-block]")) {
      if (node.getBoundingClientRect().top > eye) break;
      block = Number(node.dataset["block"]);
    }
    const share = Math.min(1, Math.max(0, (innerHeight - box.top) / box.height));
    if (share > furthest) {
      furthest = share;
      seen(furthest);
    }
  };
  const settle = (): void => {
    if (!moved || block === kept || blocks === 0) return;
    kept = block;
    keep(block, furthest);
  };
  const scrolled = (): void => {
    moved = true;
    if (!frame) frame = requestAnimationFrame(look);
    clearTimeout(timer);
    timer = setTimeout(settle, SETTLE_MS);
  };
  const leave = (): void => {
    clearTimeout(timer);
    settle();
  };
  look();
  addEventListener("scroll", scrolled, { passive: true });
  addEventListener("pagehide", leave);
  document.addEventListener("visibilitychange", leave);
  return () => {
    if (frame) cancelAnimationFrame(frame);
    removeEventListener("scroll", scrolled);
    removeEventListener("pagehide", leave);
    document.removeEventListener("visibilitychange", leave);
    leave();
  };
}
