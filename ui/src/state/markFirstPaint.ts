//! When something was on the screen for the first time since the page was loaded: a mark in the engine's own timeline (User Timing).
//! `cargo xtask bench window` reads it; nothing in the app does.
const marked = new Set<string>();

/** For an element: marks `name` once the first frame that holds it has been drawn. */
export function markFirstPaint(name: string): () => void {
  return () => {
    if (marked.has(name)) return;
    marked.add(name);
    requestAnimationFrame(() => {
      // A message that is sent while a frame is made arrives when it has been drawn.
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        performance.mark(name);
        port1.close();
      };
      port2.postMessage(0);
    });
  };
}
