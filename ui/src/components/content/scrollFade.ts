//! Marks a box that scrolls sideways and has hidden content, so that a style can fade its edges.
import "./scrollFade.css";

/**
 * Attachment: sets `data-fade` to "left", "right" or both, for the edges beyond which the box can be scrolled. The
 * words are physical, because the scroll position is. Removed if everything is visible.
 */
export function scrollFade(box: HTMLElement): () => void {
  const update = (): void => {
    const hidden = box.scrollWidth - box.clientWidth;
    // In right-to-left text the position runs from 0 at the right edge to -hidden. One pixel is rounding.
    const left = getComputedStyle(box).direction === "rtl" ? hidden + box.scrollLeft : box.scrollLeft;
    const edges = [left > 1 ? "left" : "", hidden - left > 1 ? "right" : ""].filter(Boolean).join(" ");
    if (hidden > 1 && edges) box.dataset["fade"] = edges;
    else delete box.dataset["fade"];
  };
  update();
  box.addEventListener("scroll", update, { passive: true });
  // The content can change its size too, as code does that is edited.
  const observer = new ResizeObserver(update);
  observer.observe(box);
  for (const child of box.children) observer.observe(child);
  return () => {
    box.removeEventListener("scroll", update);
    observer.disconnect();
  };
}
