//! Web vitals and slow frames of the page, by the browser's own observers. An entry type that the web view lacks is
//! reported as "cannot be measured", not as 0.
import { tick } from "svelte";
import { cannotMeasure, measure } from "../platform/measure";
import { router } from "./router.svelte";

/** Renders up to this length fit into one frame at 60 Hz. */
const FRAME_MS = 16;
/** Shifts belong to one burst while they are at most 1 s apart, for at most 5 s (https://web.dev/articles/cls). */
const BURST_GAP_MS = 1_000;
const BURST_MS = 5_000;

interface LayoutShift extends PerformanceEntry {
  value: number;
  hadRecentInput: boolean;
}
interface EventTiming extends PerformanceEntry {
  interactionId?: number;
}

const screen = (): string => router.route.name.toLowerCase();

/** Starts all observers. */
export function observeVitals(): void {
  const types = new Set(typeof PerformanceObserver === "undefined" ? [] : PerformanceObserver.supportedEntryTypes);
  const observe = (type: string, metric: string, each: (entry: PerformanceEntry) => void, options = {}): void => {
    if (!types.has(type)) return cannotMeasure(metric);
    const observer = new PerformanceObserver((list) => list.getEntries().forEach(each));
    observer.observe({ type, buffered: true, ...options });
  };
  observe("paint", "vitals.fcp", (entry) => {
    if (entry.name === "first-contentful-paint") measure("vitals.fcp", entry.startTime, "start");
  });
  // The last entry counts, and no entry follows the first input.
  let largest = 0;
  observe("largest-contentful-paint", "vitals.lcp", (entry) => (largest = entry.startTime));
  const settled = (): void => {
    if (largest > 0) measure("vitals.lcp", largest, "start");
    largest = 0;
  };
  for (const type of ["keydown", "pointerdown", "pagehide"])
    addEventListener(type, settled, { once: true, capture: true });
  setTimeout(settled, 10_000);
  observeShifts(observe);
  observe(
    "event",
    "vitals.inp",
    (entry) => {
      if ((entry as EventTiming).interactionId) measure("vitals.inp", entry.duration, screen());
    },
    { durationThreshold: FRAME_MS },
  );
  observeRenders();
}

function observeShifts(observe: (type: string, metric: string, each: (entry: PerformanceEntry) => void) => void): void {
  let score = 0;
  let first = 0;
  let last = 0;
  observe("layout-shift", "vitals.cls", (entry) => {
    const { value, hadRecentInput, startTime } = entry as LayoutShift;
    if (hadRecentInput) return;
    const continues = startTime - last < BURST_GAP_MS && startTime - first < BURST_MS;
    score = continues ? score + value : value;
    if (!continues) first = startTime;
    last = startTime;
    measure("vitals.cls", score, screen());
  });
}

/**
 * Measures the render after each navigation: the update of the document, then style, layout and paint of the next frame.
 * The wait for that frame is not part of it.
 */
function observeRenders(): void {
  addEventListener("hashchange", () => {
    const start = performance.now();
    void tick().then(() => {
      const update = performance.now() - start;
      requestAnimationFrame(() => {
        const frame = performance.now();
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => {
          measure("render.time", update + performance.now() - frame, screen());
          port1.close();
        };
        port2.postMessage(0);
      });
    });
  });
}
