// What the benchmark does inside the app's page. Times are milliseconds; the engine gives whole ones.
window.bench ??= (() => {
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));

  /**
   * The moment when the frame that comes next has been drawn: a message that is sent while a frame is made arrives after it, and the frame
   * after it begins after it. The first of the two counts: what the page does in that later frame is not part of this one.
   */
  const painted = () =>
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

  /** Until the page is as `good` says; looked at after every change of it. */
  const until = (what, good) =>
    new Promise((done, fail) => {
      if (good()) return done();
      const limit = setTimeout(() => {
        watch.disconnect();
        fail(new Error(`10 s without ${what}: ${location.hash} shows ${document.body.innerText.slice(0, 200)}`));
      }, 10_000);
      const watch = new MutationObserver(() => {
        if (!good()) return;
        watch.disconnect();
        clearTimeout(limit);
        done();
      });
      watch.observe(document.documentElement, { subtree: true, childList: true, characterData: true });
    });

  const heading = (title) => document.querySelector("article h1")?.textContent === title;

  /** From the change of the address to the frame that shows the lesson's heading. */
  async function open({ hash, title }) {
    const from = performance.now();
    location.hash = hash;
    await until(`the heading "${title}"`, () => heading(title));
    return (await painted()) - from;
  }

  // Pauses of different lengths, so that the beats fall everywhere between two frames.
  let turn = 0;
  const pause = () => wait(40 + ((turn += 7) % 17));

  return {
    wait,
    painted,

    /** One paint: a change of nothing that is seen. */
    async paints(count) {
      const times = [];
      for (let n = 0; n < count; n++) {
        await pause();
        const from = performance.now();
        document.body.dataset.beat = String(n);
        times.push((await painted()) - from);
      }
      delete document.body.dataset.beat;
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

    /** From the press of "I have finished this" to the frame that shows the tick. */
    async ticks(pages) {
      const times = [];
      for (const page of pages) {
        await open(page);
        const button = document.querySelector("article footer .button.go");
        if (!button) throw new Error(`${page.hash} has no button`);
        await pause();
        const from = performance.now();
        button.click();
        await until("the tick", () => document.querySelector("article footer .finished"));
        times.push((await painted()) - from);
      }
      return times;
    },

    /** From now on every key and click is followed to the next frame, as INP does; `inputs` gives what was seen. */
    follow() {
      const seen = (window.benchInputs ??= []);
      for (const kind of ["keydown", "click"]) {
        addEventListener(kind, (event) => void painted().then((at) => seen.push(at - event.timeStamp)), { capture: true });
      }
    },
    inputs: () => window.benchInputs,

    /**
     * Cumulative layout shift of the next `ms`, by hand: each frame the elements inside the window are compared with
     * where they were the frame before. A frame's score is the share of the window that moved elements cover, before
     * and after, times the way of the farthest one by the window's longer side. `early`: nothing had been drawn when it began.
     * https://www.w3.org/TR/layout-instability/
     */
    async shift(ms) {
      const CELL = 8;
      const places = () => {
        const found = new Map();
        for (const element of document.querySelectorAll("h1, h2, h3, p, li, a, button, input, select, figure, img, picture, article, section, footer, header, nav, span")) {
          const box = element.getBoundingClientRect();
          if (box.width > 0 && box.height > 0) found.set(element, { x: box.left + scrollX, y: box.top + scrollY, w: box.width, h: box.height });
        }
        return found;
      };
      const worst = [];
      let score = 0;
      let before;
      const early = performance.getEntriesByType("paint").length === 0;
      const end = performance.now() + ms;
      while (performance.now() < end) {
        await new Promise(requestAnimationFrame);
        const now = places();
        const covered = new Set();
        let way = 0;
        for (const [element, place] of now) {
          const was = before?.get(element);
          const moved = was ? Math.max(Math.abs(was.x - place.x), Math.abs(was.y - place.y)) : 0;
          if (moved < 3) continue;
          const boxes = [was, place].map((b) => ({ l: Math.max(0, b.x - scrollX), t: Math.max(0, b.y - scrollY), r: Math.min(innerWidth, b.x - scrollX + b.w), b: Math.min(innerHeight, b.y - scrollY + b.h) }));
          if (boxes.every((b) => b.r <= b.l || b.b <= b.t)) continue;
          way = Math.max(way, moved);
          worst.push(`${element.tagName.toLowerCase()}.${element.className} by ${Math.round(moved)} px`);
          for (const box of boxes) for (let x = box.l; x < box.r; x += CELL) for (let y = box.t; y < box.b; y += CELL) covered.add(Math.floor(x / CELL) * 10_000 + Math.floor(y / CELL));
        }
        score += ((covered.size * CELL * CELL) / (innerWidth * innerHeight)) * Math.min(1, way / Math.max(innerWidth, innerHeight));
        before = now;
      }
      return { score, early, moved: worst.slice(0, 5) };
    },
  };
})();
