//! Sets User Timing marks when elements are first painted after a page load, for `cargo xtask bench window`.
const marked = new Set<string>();

/** Returns an attachment that sets the mark `name` after the first frame with the element has been painted. */
export function markFirstPaint(name: string): () => void {
  return () => {
    if (marked.has(name)) return;
    marked.add(name);
    requestAnimationFrame(() => {
      // A message sent during a frame arrives after it has been painted.
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        performance.mark(name);
        port1.close();
      };
      port2.postMessage(0);
    });
  };
}
