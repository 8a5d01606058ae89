// The screens and states of which shots.mjs takes screenshots.

const click = (selector) => async (page) => {
  await page.locator(selector).first().click();
  await page.waitForTimeout(150);
};
const press =
  (...keys) =>
  async (page) => {
    for (const key of keys) {
      await page.keyboard.press(key);
      await page.waitForTimeout(60);
    }
  };
const pause = async (page) => page.waitForTimeout(600);
const seq =
  (...steps) =>
  async (page) => {
    for (const step of steps) await step(page);
  };
const toBottom = async (page) => {
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await page.waitForTimeout(250);
};
const toBlock = (n) => async (page) => {
  await page.evaluate((i) => document.querySelector(`[data-block="${i}"]`)?.scrollIntoView({ block: "start" }), n);
  await page.waitForTimeout(350);
};
const scrollTo = (selector) => async (page) => {
  await page.locator(selector).first().scrollIntoViewIfNeeded();
  await page.waitForTimeout(200);
};
const type = (selector, text) => async (page) => {
  await page.fill(selector, text);
  await page.waitForTimeout(350);
};

/** Taps the first occurrence of a word in a lesson. */
const lookUp = (word) => async (page) => {
  const at = await page.evaluate((wanted) => {
    const walker = document.createTreeWalker(document.querySelector(".blocks"), NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const start = walker.currentNode.data.indexOf(wanted);
      if (start < 0) continue;
      const range = document.createRange();
      range.setStart(walker.currentNode, start);
      range.setEnd(walker.currentNode, start + wanted.length);
      const box = range.getBoundingClientRect();
      return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    }
    return { x: 0, y: 0 };
  }, word);
  await page.mouse.click(at.x, at.y);
  await page.waitForTimeout(250);
};
const lookUpTyped = (word) => async (page) => {
  await page.fill("dialog [type=search]", word);
  await page.keyboard.press("Enter");
  await page.waitForTimeout(250);
};

/** Starts a review if none is open, and answers its card. */
const reviewNext = async (page) => {
  if (!(await page.locator(".session").count())) await click(".today .button")(page);
  await click(".turn")(page);
  await click(".grade.strong")(page);
};

/** Chooses a file in a field; the fixture has no core to which it could be sent. */
const chooseFile = (selector, name) => async (page) => {
  const headers = { "access-control-allow-origin": "*", "access-control-allow-methods": "*" };
  await page.route("http://127.0.0.1:1/**", (route) => route.fulfill({ headers, json: { path: "/upload", bytes: 1 } }));
  await page.setInputFiles(selector, { name, mimeType: "text/csv", buffer: Buffer.from("login\n") });
};

/** A class of the fixture. */
const STAFF_CLASS = "00000000-0000-4000-8000-000000000001";

/** Name, fixture options, route, steps before the screenshot. */
export const states = [
  ["library", "", ""],
  ["library-bottom", "", "", toBottom],
  ["library-offline", "offline", ""],
  ["library-empty", "empty-offline", ""],
  ["library-search", "", "", type("[role=search] input", "river")],
  ["library-no-results", "", "", type("[role=search] input", "zzz")],
  ["library-code", "", "", click(".file-actions .link:nth-child(2)")],
  ["library-ar", "ar", ""],
  ["welcome", "first", ""],
  ["welcome-error", "first", "", seq(type("#address", "wifi.captive"), click(".inline .button"))],
  ["learners", "learners", ""],
  ["learners-manage", "learners", "", click(".manage")],
  ["learners-pin", "learners", "", click("li:nth-child(2) .learner")],
  ["learners-remove", "learners", "", seq(click(".manage"), click("li:nth-child(3) .row .button:last-child"))],
  ["welcome-signin", "first", "", seq(type("#address", "school.example"), click(".inline .button"))],
  ["story-page", "", "book/the-sea-in-the-radio"],
  ["story-sheet", "", "story/the-sea-in-the-radio", click(".language")],
  [
    "story-two",
    "",
    "story/the-sea-in-the-radio",
    seq(
      click(".language"),
      async (p) => p.locator("#second").selectOption("la-mer-dans-la-radio"),
      press("Escape"),
      async (p) => p.waitForTimeout(300),
    ),
  ],
  [
    "several",
    "",
    "?tab=stories",
    seq(
      click(".several .link"),
      click(".rows .item:not([aria-disabled])"),
      click(".rows .item:not([aria-disabled], .selected)"),
    ),
  ],
  ["languages", "first", "", click(".reads")],
  ["teacher", "offline", "sync", click(".section-head .link.small")],
  ["course", "offline", "course/how-rivers-work"],
  ["course-not-downloaded", "", "course/bookkeeping"],
  ["course-downloading", "stalled", "course/bookkeeping", seq(click(".download .button"))],
  ["course-metered", "metered", "course/bookkeeping", seq(click(".download .button"))],
  ["course-server", "server", "course/bookkeeping", seq(click(".download .button"))],
  ["course-offline-check", "", "course/how-rivers-work", seq(click(".download .link"))],
  ["course-offline-missing", "damaged", "course/how-rivers-work", seq(click(".download .link"))],
  ["lesson", "otherdevice", "read/how-rivers-work/meanders/read"],
  ["lesson-media", "", "read/how-rivers-work/meanders/read", toBlock(3)],
  [
    "lesson-resume",
    "resume",
    "read/how-rivers-work/meanders/read",
    seq(toBlock(3), click(".player summary"), async (p) => p.waitForTimeout(400), toBlock(3)),
  ],
  ["lesson-table", "", "read/how-rivers-work/meanders/read", toBlock(5)],
  ["lesson-code", "", "read/how-rivers-work/meanders/read", toBlock(6)],
  ["lesson-end", "offline", "read/how-rivers-work/meanders/read", seq(toBottom, click("footer .button.primary"))],
  [
    "lesson-viewer",
    "",
    "read/how-rivers-work/meanders/read",
    seq(click("figure button"), async (p) => p.waitForTimeout(300)),
  ],
  ["lesson-word", "", "read/how-rivers-work/meanders/read", click("[data-word]")],
  ["lesson-word-picker", "", "read/how-rivers-work/meanders/read", press("w", "ArrowRight", "ArrowRight")],
  ["lesson-word-looked-up", "", "read/how-rivers-work/meanders/read", lookUp("river")],
  ["lesson-word-guess", "guess", "read/how-rivers-work/meanders/read", lookUp("river")],
  ["lesson-contents", "", "read/how-rivers-work/meanders/read", press("c")],
  ["lesson-find", "", "read/how-rivers-work/meanders/read", seq(press("/"), type("search input", "river"))],
  ["lesson-settings", "", "read/how-rivers-work/meanders/read", click(".settings-button")],
  ["lesson-not-downloaded", "notdownloaded", "read/how-rivers-work/meanders/read"],
  ["quiz", "", "read/how-rivers-work/meanders/check", click(".quiz .button.primary")],
  [
    "quiz-checked",
    "",
    "read/how-rivers-work/meanders/check",
    seq(click(".quiz .button.primary"), click(".choice:nth-of-type(2)"), click(".actions .button")),
  ],
  [
    "quiz-fill",
    "",
    "read/how-rivers-work/exam/exam",
    seq(click(".quiz .button.primary"), click(".actions .strong"), click(".actions .strong")),
  ],
  [
    "quiz-number",
    "kinds",
    "read/how-rivers-work/meanders/check",
    seq(
      click(".quiz .button.primary"),
      click(".hints .button"),
      type(".number input", "10,000 m/s"),
      click(".actions .button"),
    ),
  ],
  [
    "quiz-cloze",
    "kinds",
    "read/how-rivers-work/meanders/check",
    seq(
      click(".quiz .button.primary"),
      type(".number input", "10 m/s"),
      click(".actions .button"),
      click(".actions .button"),
      async (p) => {
        await p.locator("select.gap").selectOption("out");
      },
      type("input.gap >> nth=0", "gravle"),
      type("input.gap >> nth=1", "20"),
      click(".actions .button"),
    ),
  ],
  [
    "quiz-hotspot",
    "kinds",
    "read/how-rivers-work/exam/exam",
    seq(
      click(".quiz .button.primary"),
      click(".actions .strong"),
      click(".actions .strong"),
      click(".choice:nth-of-type(2)"),
      async (p) => {
        await p.locator(".area").focus();
      },
      press("ArrowLeft"),
    ),
  ],
  [
    "quiz-order",
    "",
    "read/how-rivers-work/exam/exam",
    seq(
      click(".quiz .button.primary"),
      click(".actions .strong"),
      click(".actions .strong"),
      click(".actions .strong"),
    ),
  ],
  [
    "quiz-match",
    "",
    "read/how-rivers-work/exam/exam",
    seq(
      click(".quiz .button.primary"),
      click(".actions .strong"),
      click(".actions .strong"),
      click(".actions .strong"),
      click(".actions .strong"),
      async (p) => {
        await p.locator(".left").first().focus();
      },
      press("b"),
    ),
  ],
  [
    "quiz-result",
    "",
    "read/how-rivers-work/exam/exam",
    seq(
      click(".quiz .button.primary"),
      click(".choice"),
      click(".actions .strong"),
      click(".actions .strong"),
      click(".actions .strong"),
      click(".actions .strong"),
      click(".actions .primary"),
      click(".note .link"),
    ),
  ],
  ["story", "", "story/the-lamp-by-the-sea", seq(click("button.play"), async (p) => p.waitForTimeout(900))],
  [
    "story-two-lit",
    "",
    "story/the-sea-in-the-radio",
    seq(
      click(".language"),
      async (p) => p.locator("#second").selectOption("la-mer-dans-la-radio"),
      press("Escape"),
      async (p) => p.waitForTimeout(300),
      async (p) => p.locator(".words .listen").nth(1).press("Enter"),
    ),
  ],
  ["story-listening", "", "story/the-lamp-by-the-sea", click("footer .options")],
  ["story-word-picker", "", "story/the-lamp-by-the-sea", press("w", "ArrowRight")],
  ["story-word", "", "story/the-lamp-by-the-sea", click(".word")],
  ["story-other-device", "otherdevice", "story/the-lamp-by-the-sea"],
  ["story-end", "", "story/the-lamp-by-the-sea", press(...Array(8).fill("ArrowRight"))],
  [
    "story-exercise",
    "",
    "story/the-lamp-by-the-sea",
    seq(press(...Array(8).fill("ArrowRight")), click(".exercises .button")),
  ],
  [
    "story-matching",
    "matching",
    "story/the-lamp-by-the-sea",
    seq(press(...Array(8).fill("ArrowRight")), click(".exercises .button")),
  ],
  ["story-ar", "ar", "story/al-qitta-allati-lam-tasal"],
  ["story-estimated", "", "story/al-qitta-allati-lam-tasal", click("footer .options")],
  [
    "story-tap",
    "",
    "story/al-qitta-allati-lam-tasal",
    seq(click("footer .options"), click("dialog p > .button"), click("dialog .row > .primary")),
  ],
  ["story-zh", "", "story/huo"],
  ["story-credits", "", "story/the-lamp-by-the-sea", seq(press(...Array(8).fill("ArrowRight")), click(".end .plain"))],
  ["storage", "", "storage"],
  ["storage-full", "full", "storage"],
  ["storage-dictionaries", "offereddictionary", "storage", scrollTo("#dictionaries")],
  ["storage-remove", "", "storage", click(".courses .icon-button")],
  ["storage-ar", "ar", "storage"],
  ["storage-empty", "empty", "storage"],
  ["review", "", "review"],
  ["review-card", "", "review", click("button.word")],
  ["review-recommended", "recommended", "review", scrollTo("#recommended")],
  ["review-look-up", "", "review", seq(click(".more button:nth-child(2)"), lookUpTyped("banks"))],
  ["review-session", "", "review", click(".today .button")],
  ["review-answer", "", "review", seq(click(".today .button"), click(".turn"))],
  ["review-two-buttons", "twobuttons", "review", seq(click(".today .button"), click(".turn"))],
  ["review-sound-first", "audiofirst", "review", click(".today .button")],
  [
    "review-why",
    "",
    "review",
    seq(...Array(2).fill(reviewNext), click(".turn"), click(".actions button:nth-child(2)")),
  ],
  ["review-difficult", "difficult", "review", seq(click(".today .button"), click(".turn"))],
  ["review-recent", "", "review", seq(...Array(3).fill(reviewNext), click(".top .plain"))],
  ["review-listen", "", "review", click(".more button")],
  ["review-settings", "", "review", click(".more button:last-child")],
  ["review-settings-share", "", "review", seq(click(".more button:last-child"), scrollTo("dialog .workload"))],
  ["review-settings-days", "", "review", seq(click(".more button:last-child"), scrollTo("dialog form"))],
  [
    "review-settings-training",
    "",
    "review",
    seq(
      click(".more button:last-child"),
      click("dialog section:last-child .button"),
      scrollTo("dialog section:last-child > .row ~ .row"),
    ),
  ],
  ["review-backlog", "backlog", "review"],
  ["review-words", "", "review", scrollTo("#words")],
  ["review-words-many", "manywords", "review", toBottom],
  ["review-words-none", "", "review", type("[type=search]", "zzz")],
  ["review-word-details", "", "review", seq(click("li:nth-child(2) button.word"), click(".card .row [aria-haspopup]"))],
  ["review-export", "", "review", click(".tools .button")],
  ["review-empty", "empty", "review"],
  ["progress", "", "progress"],
  ["progress-table", "", "progress", seq(click("summary"), toBottom)],
  ["progress-empty", "empty", "progress"],
  ["sync", "", "sync"],
  ["sync-offline", "offline", "sync"],
  ["sync-server-error", "servererror", "sync"],
  ["sync-export", "offline", "sync", click(".reason .link")],
  ["sync-demo", "demo", "sync"],
  ["export-courses", "", "", click(".file-actions .link:last-child")],
  ["export-course", "noremovable", "course/how-rivers-work", click(".links .link:nth-child(2)")],
  ["export-running", "stalled", "", seq(click(".file-actions .link:last-child"), click("dialog .primary"))],
  [
    "export-done",
    "",
    "",
    seq(click(".file-actions .link:last-child"), click("dialog .primary"), async (p) => p.waitForTimeout(900)),
  ],
  ["import", "", "", click(".file-actions .link")],
  ["import-confirm", "confirm", "", seq(click(".file-actions .link"), click("dialog .file"))],
  ["import-converted", "converted", "", seq(click(".file-actions .link"), click("dialog .file"))],
  ["import-reviews", "reviews", "", seq(click(".file-actions .link"), click("dialog .file"))],
  ["import-forged", "forged", "", seq(click(".file-actions .link"), click("dialog .file"))],
  ["import-done", "", "", seq(click(".file-actions .link"), click("dialog .file"), click("dialog .primary"))],
  ["export-work", "", "sync", seq(toBottom, click(".file-actions .button"))],
  [
    "import-claim",
    "claim",
    "sync",
    seq(toBottom, click(".file-actions .button:last-child"), click("dialog li:last-child .file")),
  ],
  [
    "import-other-learner",
    "ar-otherlearner",
    "sync",
    seq(toBottom, click(".file-actions .button:last-child"), click("dialog li:last-child .file")),
  ],
  ["sync-signedout", "signedout", "sync"],
  ["settings", "", "settings"],
  ["settings-bottom", "fr", "settings", toBottom],
  ["settings-ar", "ar", "settings"],
  ["settings-figures", "", "settings", seq(toBottom, click(".figures"))],
  ["settings-figures-ar", "ar", "settings", seq(toBottom, click(".figures"))],
  ["diagnostics", "", "diagnostics"],
  ["diagnostics-bottom", "", "diagnostics", toBottom],
  ["diagnostics-empty", "empty", "diagnostics"],
  ["settings-updates", "", "settings", scrollTo("#updates")],
  ["settings-policies", "managed", "settings", scrollTo("#policies")],
  ["welcome-managed", "first-managed", ""],
  ["welcome-kept-work", "first-managed-keptwork", ""],
  ["settings-licences", "", "settings", seq(toBottom, click("section:last-of-type .link"))],
  ["settings-address", "", "settings", click(".accounts .link")],
  [
    "settings-address-other",
    "",
    "settings",
    seq(click(".accounts .link"), type("#new-address", "other.example"), click("dialog .primary")),
  ],
  ["work-unopened", "unopened", ""],
  ["work-readonly", "readonly", "read/how-rivers-work/meanders/read"],
  ["work-repaired", "repaired", ""],
  ["storage-noindex", "noindex", "storage"],
  ["not-found", "", "nowhere/at/all"],
  ["broken", "broken", ""],
  ["failed-screen", "throws", "progress"],
  ["failed-details", "throws", "progress", click("summary")],
  ["failed-ar", "throws-ar", "progress"],
  ["failed-chunk", "", "sync"],
  ["staff-classes", "admin", "teach"],
  ["staff-classes-empty", "teacher-empty", "teach"],
  ["staff-class", "teacher", `teach/class/${STAFF_CLASS}`],
  ["staff-class-offline", "teacher-offline", `teach/class/${STAFF_CLASS}`],
  ["staff-class-unread", "teacher-offline-unread", `teach/class/${STAFF_CLASS}`],
  ["staff-devices", "teacher", `teach/class/${STAFF_CLASS}/devices`],
  ["staff-code", "teacher", `teach/class/${STAFF_CLASS}`, click(".actions .button:nth-child(2)")],
  [
    "staff-sheet",
    "teacher",
    `teach/class/${STAFF_CLASS}`,
    seq(click(".actions .button:nth-child(1)"), click("dialog .primary")),
  ],
  ["staff-courses", "teacher", "teach/courses"],
  ["staff-courses-forbidden", "teacher-forbidden", "teach/courses"],
  ["staff-upload", "teacher", "teach/courses", click("header .primary")],
  [
    "staff-upload-report",
    "teacher",
    "teach/courses",
    seq(click("header .primary"), chooseFile("#upload-file", "stars-bad.zip"), click("dialog .primary"), pause),
  ],
  ["staff-course", "admin", "teach/course/how-rivers-work"],
  ["staff-course-bottom", "admin", "teach/course/how-rivers-work", toBottom],
  ["staff-course-teacher", "teacher", "teach/course/the-stars-of-the-south"],
  ["staff-people", "admin", "administer"],
  ["staff-people-none", "admin", "administer", type("[type=search]", "zzz")],
  ["staff-person", "admin", "administer", click("tbody tr:nth-child(4) .person")],
  ["staff-delete", "admin", "administer", seq(click("tbody tr:nth-child(4) .person"), click("dialog .actions .plain"))],
  ["staff-import", "admin", "administer/import"],
  [
    "staff-import-preview",
    "admin",
    "administer/import",
    seq(chooseFile("#roster", "pupils.csv"), click("form .primary"), pause),
  ],
  [
    "staff-import-problems",
    "admin",
    "administer/import",
    seq(chooseFile("#roster", "pupils.csv"), click("form .primary"), pause, scrollTo("#problems")),
  ],
  ["staff-mail", "admin", "administer/mail"],
  ["staff-audit", "admin", "administer/audit"],
  ["staff-health", "admin", "administer/health"],
  ["staff-health-bad", "admin-unhealthy", "administer/health"],
  ["staff-no-role", "", "teach"],
];
