//! Marks in the engine's timeline (User Timing) when an element was painted for the first time since the page load.
//! `cargo xtask bench window` reads the marks; the app does not.
const marked = new Set<string>();

/** For an element: sets the mark `name` once the first frame that contains it has been painted. */
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
