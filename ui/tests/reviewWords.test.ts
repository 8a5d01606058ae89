import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { CardView, ReviewCounts, SavedWord, WordList as Words, WordState } from "../src/api/types";
import NavBar from "../src/app/NavBar.svelte";
import CardDialog from "../src/features/review/CardDialog.svelte";
import RecentDialog from "../src/features/review/RecentDialog.svelte";
import Review from "../src/features/review/Review.svelte";
import { findWords, languagesOf, levelKey, type WordFilter } from "../src/features/review/words";
import { setLanguage, t } from "../src/i18n/index.svelte";
import { amina, idle, stateOf, yusuf } from "../src/platform/fixture/accounts";
import { meander } from "../src/platform/fixture/texts";
import { appState } from "../src/state/appState.svelte";
import { clearKeptReplies } from "../src/state/live.svelte";
import { allByRole, button, byRole, click, rendered, scriptPlatform, show, text, type } from "./support";

const platform = scriptPlatform();
// The first test also compiles the screen.
vi.setConfig({ testTimeout: 20_000 });
const TODAY = 20_777;
const unseen: WordState = {
  suspended: false,
  known: false,
  buriedUntil: null,
  isLeech: false,
  isDue: false,
  reviews: 0,
  lapses: 0,
  mastery: 0,
  dueDay: null,
};
function word(text: string, state: Partial<WordState> = {}, lang = "en", meaning = "A thing."): SavedWord {
  const item = `rivers/${text}`;
  const entry = { ...meander, id: text, word: text, meaning, translations: { fr: `${text}-fr` } };
  const card = `${lang}//${text}`;
  return { item, savedMs: 0, card, word: { item, card, lang, entry, saved: true }, state: { ...unseen, ...state } };
}
const list: SavedWord[] = [
  word("new"),
  word("due", { reviews: 3, mastery: 0.5, isDue: true, dueDay: TODAY }),
  word("started", { reviews: 1, mastery: 0.1, dueDay: TODAY + 2 }),
  word("strong", { reviews: 9, mastery: 0.9, dueDay: TODAY + 60 }),
  word("marked", { reviews: 0, known: true, mastery: 1 }),
  word("stopped", { reviews: 4, mastery: 0.9, suspended: true, dueDay: TODAY }),
  word("méandre", { reviews: 4, mastery: 0.4, dueDay: TODAY + 1 }, "fr", "Une boucle."),
  { item: "soil/humus", savedMs: 0, card: "item//soil/humus", word: null, state: unseen },
];
let close: () => void = () => undefined;

beforeAll(async () => {
  await setLanguage("en");
});
beforeEach(async () => {
  // The fixture keeps answers and marks.
  platform.reset();
  clearKeptReplies();
  platform.replies = { list_words: (): Words => ({ day: TODAY, words: list }) };
  await appState.replace(stateOf(amina, idle, [amina]));
});
afterEach(() => {
  close();
  close = () => undefined;
});
const names = (words: SavedWord[]): string[] => words.map((one) => one.item.split("/")[1]!);

describe("the words of a filter", () => {
  const find = (filter: WordFilter, more: { language?: string; text?: string } = {}): string[] =>
    names(findWords(list, { filter, language: "", text: "", ...more }));
  it.each<[WordFilter, string[]]>([
    ["all", list.map((one) => one.item.split("/")[1]!)],
    ["due", ["due"]],
    ["new", ["new", "humus"]],
    ["learning", ["due", "started", "méandre"]],
    ["known", ["strong", "marked"]],
    ["suspended", ["stopped"]],
  ])("%s", (filter, expected) => expect(find(filter)).toEqual(expected));
  it("each word that is asked is new, being learned or known, and nothing else", () => {
    const parts: WordFilter[] = ["new", "learning", "known", "suspended"];
    expect(parts.flatMap((filter) => find(filter)).sort()).toEqual(find("all").sort());
  });
  it("are found by word, meaning and translation, without case and accents", () => {
    expect(find("all", { text: " MEANDRE " })).toEqual(["méandre"]);
    expect(find("all", { text: "boucle" })).toEqual(["méandre"]);
    expect(find("all", { text: "strong-fr" })).toEqual(["strong"]);
    expect(find("all", { text: "hum" })).toEqual(["humus"]);
    expect(find("all", { text: "zzz" })).toEqual([]);
  });
  it("are those of a language", () => {
    expect(languagesOf(list)).toEqual(["en", "fr"]);
    expect(find("all", { language: "fr" })).toEqual(["méandre"]);
  });
  it("have a level in words", () => {
    expect(list.slice(0, 6).map(({ state }) => t(levelKey(state)))).toEqual([
      "New",
      "Learning",
      "Just started",
      "Known",
      "Known, marked by you",
      "Not asked",
    ]);
  });
});

async function review(): Promise<HTMLElement> {
  const shown = show(Review, {});
  close = shown.close;
  await rendered();
  await rendered();
  return shown.target;
}
const shownWords = (target: HTMLElement): string[] =>
  [...target.querySelectorAll("button.word b")].map((element) => text(element));

describe("the word list", () => {
  it("shows mastery as words, percent and bar, and the due day", async () => {
    const target = await review();
    const row = [...target.querySelectorAll("button.word")].find((one) => text(one).startsWith("due"))!;
    expect(text(row)).toContain("Learning · 50%");
    expect(row.querySelector<HTMLElement>(".bar i")!.style.inlineSize).toBe("50%");
    expect(text(row.querySelector(".due")!)).toBe("due");
    const later = [...target.querySelectorAll("button.word")].find((one) => text(one).startsWith("started"))!;
    expect(text(later)).toContain("due Sun, Nov 22");
  });
  it("is filtered by a button and by text, with the number of words in a live region", async () => {
    const target = await review();
    await click(button(target, "Known"));
    expect(shownWords(target)).toEqual(["strong", "marked"]);
    expect(allByRole(target, "status").map((one) => text(one))).toContain("2 words found");
    type(byRole<HTMLInputElement>(target, "searchbox", "Search in your words"), "zzz");
    await rendered();
    byRole(target, "heading", "No such words");
    await click(button(target, "Show all words"));
    expect(shownWords(target)).toHaveLength(list.length);
  });
  it("renders a long list in parts", async () => {
    const many = Array.from({ length: 3_000 }, (_, i) => word(`w${i}`));
    platform.replies["list_words"] = (): Words => ({ day: TODAY, words: many });
    const target = await review();
    byRole(target, "heading", "3,000 saved words");
    expect(shownWords(target).length).toBeLessThan(200);
  });
  it("is exported in the chosen format to the chosen folder", async () => {
    const target = await review();
    await click(button(target, "Export words"));
    await rendered();
    await click(byRole(target, "radio", "For other programs (JSON)"));
    await click(button(target, "Save file"));
    await rendered();
    const [request] = platform.requests("export_words") as { format: string; folder: string }[];
    expect(request!.format).toBe("json");
    expect(request!.folder).not.toBe("");
    expect(text(target)).toContain("was saved");
  });
  it("opens the due day of a word from its card", async () => {
    const target = await review();
    await click([...target.querySelectorAll<HTMLElement>("button.word")].find((one) => text(one).startsWith("due"))!);
    await click(button(target, "Due day and mastery"));
    await rendered();
    expect(platform.requests("get_card")).toEqual([{ card: "en//due" }]);
    byRole(target, "heading", "due: due day");
  });
  it("opens the due day of a word that is not on this device, without a card", async () => {
    const target = await review();
    const row = [...target.querySelectorAll<HTMLElement>("button.word")].find((one) => text(one).startsWith("humus"))!;
    await click(row);
    await rendered();
    expect(platform.requests("get_card")).toEqual([{ card: "item//soil/humus" }]);
  });
});

describe("the plan after a break", () => {
  const counts = (more: Partial<ReviewCounts>): ReviewCounts => ({
    due: 40,
    new: 0,
    againToday: 0,
    doneToday: 0,
    backlog: 0,
    backlogDays: 0,
    nextDueDay: null,
    ...more,
  });
  it("is a number a day until a date", async () => {
    platform.replies["get_review_counts"] = () => counts({ backlog: 412, backlogDays: 11 });
    const settings = { ...(await platformSettings()), reviewsPerDay: 40 };
    platform.replies["get_review_settings"] = () => settings;
    const shown = text(await review());
    expect(shown).toContain("412 more words have been waiting.");
    expect(shown).toContain("Plan: 40 words a day until about Tue, Dec 1.");
  });
  it("is not promised with a limit of 0 a day", async () => {
    platform.replies["get_review_counts"] = () => counts({ due: 0, backlog: 5, backlogDays: 0 });
    const settings = { ...(await platformSettings()), reviewsPerDay: 0 };
    platform.replies["get_review_settings"] = () => settings;
    expect(text(await review())).toContain("Your limit is 0 due words a day, so they stay.");
  });
  it("is not shown without a backlog, and the next due day is", async () => {
    platform.replies["get_review_counts"] = () => counts({ due: 0, nextDueDay: TODAY + 2 });
    const shown = text(await review());
    expect(shown).toContain("Nothing is due today. The next words are due on Sun, Nov 22.");
    expect(shown).not.toContain("Plan:");
  });
  async function platformSettings(): Promise<object> {
    const { api } = await import("../src/api/client");
    return api.getReviewSettings({});
  }
});

describe("the forecast", () => {
  it("has a bar for each of 28 days, and the same numbers as a table", async () => {
    platform.replies["get_forecast"] = () => ({
      fromDay: TODAY,
      due: Array.from({ length: 28 }, (_, i) => (i === 3 ? 12 : i === 0 ? 1 : 0)),
    });
    const target = await review();
    const chart = byRole(
      target,
      "img",
      "Bar chart: words that become due on each of the next 28 days. Most on Mon, Nov 23: 12 words.",
    );
    expect(chart.querySelectorAll(".bar")).toHaveLength(28);
    expect([...chart.querySelectorAll(".grid")].map((line) => text(line))).toEqual(["15", "5"]);
    const rows = [...target.querySelectorAll("tbody tr")].map((row) => [...row.children].map(text).join(" "));
    expect([rows.length, rows[0], rows[3]]).toEqual([28, "Fri, Nov 20 1", "Mon, Nov 23 12"]);
  });
  it("is not shown if nothing becomes due", async () => {
    platform.replies["get_forecast"] = () => ({ fromDay: TODAY, due: [0, 0] });
    const target = await review();
    expect(allByRole(target, "heading").map((heading) => text(heading))).not.toContain("The next four weeks");
  });
});

describe("a card", () => {
  const view: CardView = {
    card: "en//due",
    sources: ["rivers/due"],
    word: null,
    listed: true,
    suspended: false,
    known: false,
    buriedUntil: null,
    leechDismissed: false,
    isLeech: false,
    reviews: 4,
    lapses: 1,
    mastery: 0.55,
    firstDay: TODAY - 30,
    lastDay: TODAY - 12,
    dueDay: TODAY + 1,
    why: {
      stability: 14.4,
      difficulty: 5.14,
      retention: 0.9,
      exactDays: 12.6,
      fromDay: TODAY - 1,
      toDay: TODAY + 3,
      isCapped: false,
      easyDay: false,
      params: "",
    },
  };
  let now: CardView;
  const open = async (shown: Partial<CardView> = {}): Promise<HTMLElement> => {
    now = { ...view, ...shown };
    platform.replies["get_card"] = () => now;
    platform.replies["set_card_state"] = () => {
      now = { ...now, ...(platform.requests("set_card_state").at(-1) as object) };
      return now;
    };
    const mounted = show(CardDialog, { card: view.card, word: "due", today: TODAY, onclose: () => undefined });
    close = mounted.close;
    await rendered();
    await rendered();
    return mounted.target;
  };
  it("says why it is due on its day", async () => {
    const words = text(await open());
    expect(words).toContain("Due on Sat, Nov 21");
    expect(words).toContain("You last answered on Sun, Nov 8. After 13 days, the probability");
    expect(words).toContain("falls to 90%");
    expect(words).toContain("any day from Thu, Nov 19 to Mon, Nov 23 was possible.");
    expect(words).not.toContain("rarer");
    expect(words).toContain("5.1 of 10");
  });
  it("names easy days and the longest interval if they decided", async () => {
    const words = text(await open({ why: { ...view.why!, easyDay: true, isCapped: true } }));
    expect(words).toContain("made some of these days rarer");
    expect(words).toContain("The longest interval of your settings limits the date.");
  });
  it("has no date before the first answer", async () => {
    const words = text(await open({ why: null, dueDay: null, reviews: 0 }));
    expect(words).toContain("This word has no due day");
  });
  it.each([
    ["Not today", {}, { buriedUntil: TODAY + 1 }],
    ["Ask today", { buriedUntil: TODAY + 1 }, { buriedUntil: 0 }],
    ["I know this word", {}, { known: true }],
    ["I do not know this word", { known: true }, { known: false }],
    ["Stop asking", {}, { suspended: true }],
    ["Ask again", { suspended: true }, { suspended: false }],
    ["Hide this hint", { isLeech: true }, { leechDismissed: true }],
  ])("%s changes one field", async (name, shown, request) => {
    const target = await open(shown);
    await click(button(target, name));
    await rendered();
    expect(platform.requests("set_card_state")).toEqual([{ card: "en//due", ...request }]);
  });
  it("that was put off until today is asked, so it can be put off again", async () => {
    const target = await open({ buriedUntil: TODAY });
    button(target, "Not today");
    expect(text(target)).not.toContain("You put this word off");
  });
});

describe("the last answers", () => {
  it("are named by their words, and each can be undone", async () => {
    let reviews = [
      { event: "e1", card: "en//due", item: "rivers/due", rating: 1, atMs: Date.now(), day: TODAY },
      { event: "e2", card: "en//gone", item: "rivers/gone", rating: 4, atMs: Date.now(), day: TODAY },
    ];
    platform.replies["list_recent_reviews"] = () => ({ reviews });
    platform.replies["undo_review"] = () => {
      reviews = reviews.slice(0, 1);
      return {};
    };
    const mounted = show(RecentDialog, { onclose: () => undefined });
    close = mounted.close;
    await rendered();
    await rendered();
    const rows = [...mounted.target.querySelectorAll("li")].map((row) => text(row));
    expect(rows[0]).toContain("due Again");
    expect(rows[1]).toContain("gone Easy");
    await click(button(mounted.target, "Undo the answer: gone"));
    await rendered();
    expect(platform.requests("undo_review")).toEqual([{ event: "e2" }]);
    expect(mounted.target.querySelectorAll("li")).toHaveLength(1);
  });
});

describe("the mark in the navigation", () => {
  const badge = async (due: number, againToday = 0): Promise<HTMLElement> => {
    platform.replies["get_review_counts"] = () => ({ due, againToday, new: 7 });
    const shown = show(NavBar, { narrow: false });
    close = shown.close;
    await rendered();
    await rendered();
    return shown.target.querySelector<HTMLElement>('a[href="#/review"]')!;
  };
  it("is the number of due words without new ones, with its meaning for screen readers", async () => {
    const link = await badge(4, 1);
    expect(text(link.querySelector(".count [aria-hidden]")!)).toBe("5");
    expect(text(link.querySelector(".count .visually-hidden")!)).toBe("5 words to review");
  });
  it("is missing if nothing is due, and short for many", async () => {
    expect((await badge(0)).querySelector(".count")).toBeNull();
    close();
    clearKeptReplies();
    expect(text((await badge(1_234)).querySelector(".count [aria-hidden]")!)).toBe("99+");
  });
  it("follows its topic, and the return to the window", async () => {
    const link = await badge(1);
    platform.replies["get_review_counts"] = () => ({ due: 2, againToday: 0, new: 0 });
    platform.emit({ kind: "changed", topics: [{ topic: "words" }] });
    await rendered();
    expect(text(link.querySelector(".count [aria-hidden]")!)).toBe("2");
    platform.replies["get_review_counts"] = () => ({ due: 3, againToday: 0, new: 0 });
    document.dispatchEvent(new Event("visibilitychange"));
    await rendered();
    expect(text(link.querySelector(".count [aria-hidden]")!)).toBe("3");
  });
  it("is loaded only with an account", async () => {
    await appState.replace(stateOf(null, idle, [yusuf]));
    await badge(4);
    expect(platform.requests("get_review_counts")).toEqual([]);
  });
});
