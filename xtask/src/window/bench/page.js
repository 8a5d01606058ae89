// Measurements inside the app's page. Times are in ms; the engine's resolution is 1 ms.
window.bench ??= (() => {
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));

  /**
   * Resolves with the time when the next frame has been drawn. Two events follow a frame: the arrival of a message sent
   * in the frame's callback, and the next frame's callback. The earlier one is used.
   */
  const nextPaint = () =>
    new Promise((done) =>
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => {
          port1.close();
          done(performance.now());
        };
        port2.postMessage(0);
        requestAnimationFrame(done);
      }),
    );

  /** Resolves once `good` returns true; checked after every change of the page. */
  const until = (what, good) =>
    new Promise((done, fail) => {
      if (good()) return done();
      const limit = setTimeout(() => {
        watch.disconnect();
        fail(new Error(`waited 10 s for ${what}: ${location.hash} shows ${document.body.innerText.slice(0, 200)}`));
      }, 10_000);
      const watch = new MutationObserver(() => {
        if (!good()) return;
        watch.disconnect();
        clearTimeout(limit);
        done();
      });
      watch.observe(document.documentElement, { subtree: true, childList: true, characterData: true });
    });

  const hasHeading = (title) => document.querySelector("article h1")?.textContent === title;

  /** Measures from the change of the address to the frame with the lesson's heading. */
  async function open({ hash, title }) {
    const from = performance.now();
    location.hash = hash;
    await until(`the heading "${title}"`, () => hasHeading(title));
    return (await nextPaint()) - from;
  }

  // Pauses of different lengths, so that the measurements start at different times within a frame.
  let pauses = 0;
  const pause = () => wait(40 + ((pauses += 7) % 17));

  return {
    wait,
    nextPaint,

    /** Measures one paint after a change without a visible effect. */
    async paints(count) {
      const times = [];
      for (let n = 0; n < count; n++) {
        await pause();
        const from = performance.now();
        document.body.dataset.frame = String(n);
        times.push((await nextPaint()) - from);
      }
      delete document.body.dataset.frame;
      return times;
    },

    async openings(pages) {
      const times = [];
      for (const page of pages) {
        await pause();
        times.push(await open(page));
      }
      return times;
    },

    /** Measures from the click on "Mark as finished" to the frame with the mark "finished". */
    async finishSections(pages) {
      const times = [];
      for (const page of pages) {
        await open(page);
        const button = document.querySelector("article footer .button.primary");
        if (!button) throw new Error(`${page.hash} has no button`);
        await pause();
        const from = performance.now();
        button.click();
        await until("the mark \"finished\"", () => document.querySelector("article footer .finished"));
        times.push((await nextPaint()) - from);
      }
      return times;
    },

    /** Starts to measure from every key and click to the next frame, as INP does; `inputs` returns the times. */
    recordInputs() {
      const seen = (window.benchInputs ??= []);
      for (const kind of ["keydown", "click"]) {
        addEventListener(kind, (event) => void nextPaint().then((at) => seen.push(at - event.timeStamp)), { capture: true });
      }
    },
    inputs: () => window.benchInputs,

    /**
     * Measures cumulative layout shift over the next `ms`: compares the positions of visible elements in each frame
     * with the previous frame. A frame's score is the share of the viewport covered by moved elements, before and
     * after, multiplied by the largest distance relative to the viewport's longer side. `early`: nothing was painted
     * before the start.
     * https://www.w3.org/TR/layout-instability/
     */
    async shift(ms) {
      const CELL = 8;
      const positions = () => {
        const found = new Map();
        for (const element of document.querySelectorAll("h1, h2, h3, p, li, a, button, input, select, figure, img, picture, article, section, footer, header, nav, span")) {
          const box = element.getBoundingClientRect();
          if (box.width > 0 && box.height > 0) found.set(element, { x: box.left + scrollX, y: box.top + scrollY, w: box.width, h: box.height });
        }
        return found;
      };
      const movedElements = [];
      let score = 0;
      let before;
      const early = performance.getEntriesByType("paint").length === 0;
      const end = performance.now() + ms;
      while (performance.now() < end) {
        await new Promise(requestAnimationFrame);
        const now = positions();
        const covered = new Set();
        let distance = 0;
        for (const [element, position] of now) {
          const was = before?.get(element);
          const moved = was ? Math.max(Math.abs(was.x - position.x), Math.abs(was.y - position.y)) : 0;
          if (moved < 3) continue;
          const boxes = [was, position].map((b) => ({ l: Math.max(0, b.x - scrollX), t: Math.max(0, b.y - scrollY), r: Math.min(innerWidth, b.x - scrollX + b.w), b: Math.min(innerHeight, b.y - scrollY + b.h) }));
          if (boxes.every((b) => b.r <= b.l || b.b <= b.t)) continue;
          distance = Math.max(distance, moved);
          movedElements.push(`${element.tagName.toLowerCase()}.${element.className} by ${Math.round(moved)} px`);
          for (const box of boxes) for (let x = box.l; x < box.r; x += CELL) for (let y = box.t; y < box.b; y += CELL) covered.add(Math.floor(x / CELL) * 10_000 + Math.floor(y / CELL));
        }
        score += ((covered.size * CELL * CELL) / (innerWidth * innerHeight)) * Math.min(1, distance / Math.max(innerWidth, innerHeight));
        before = now;
      }
      return { score, early, moved: movedElements.slice(0, 5) };
    },
  };
})();
