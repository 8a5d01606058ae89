import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { api } from "../src/api/client";
import type { ReviewCard, ReviewSettings, VocabularyEntry } from "../src/api/types";
import Review from "../src/features/review/Review.svelte";
import { days } from "../src/i18n/format";
import { setLanguage } from "../src/i18n/index.svelte";
import { amina, idle, stateOf } from "../src/platform/fixture/accounts";
import { announcer } from "../src/state/announce.svelte";
import { appState } from "../src/state/appState.svelte";
import { clearKeptReplies } from "../src/state/live.svelte";
import { allByRole, button, byRole, click, press, rendered, scriptPlatform, show, text } from "./support";

const platform = scriptPlatform();
// The first test also compiles the screen.
vi.setConfig({ testTimeout: 20_000 });
let close: () => void = () => undefined;
let cards: ReviewCard[];
let first: VocabularyEntry;

beforeAll(async () => {
  await setLanguage("en");
});
beforeEach(async () => {
  // The fixture keeps answers and marks.
  platform.reset();
  clearKeptReplies();
  ({ cards } = await api.getReviewQueue({ limit: 10 }));
  first = cards[0]!.word!.entry;
  await appState.replace(stateOf(amina, idle, [amina]));
});
afterEach(() => {
  close();
  close = () => undefined;
});

async function session(): Promise<HTMLElement> {
  const screen = show(Review, {});
  close = screen.close;
  await rendered();
  await rendered();
  await click(button(screen.target, "Review now"));
  await rendered();
  await rendered();
  return screen.target;
}
const calls = (name: string): unknown[] => platform.calls.filter((call) => call.name === name);

describe("a review session", () => {
  it("shows the front first, then the answer with the interval of each grade", async () => {
    const target = await session();
    byRole(target, "heading", first.word);
    expect(text(target)).not.toContain(first.meaning);
    await click(button(target, "Show the answer"));
    await rendered();
    expect(text(target)).toContain(first.meaning);
    const grades = [...target.querySelectorAll(".grade")].map((button) => text(button));
    expect(grades).toHaveLength(4);
    expect(grades[0]).toContain("today");
    expect(grades[3]).toContain(days(cards[0]!.buttons[3]!.days));
  });

  it("stores an answer with the showing's id once, and shows the next card", async () => {
    const target = await session();
    await click(button(target, "Show the answer"));
    await rendered();
    const good = target.querySelectorAll<HTMLButtonElement>(".grade")[2]!;
    good.click();
    good.click();
    await rendered();
    await rendered();
    expect(calls("answer_card")).toHaveLength(1);
    expect(calls("answer_card")[0]).toMatchObject({
      request: { event: cards[0]!.event, card: cards[0]!.card, item: cards[0]!.item, kind: cards[0]!.kind, rating: 3 },
    });
    const second = cards[1]!;
    byRole(target, "heading", second.word?.entry.word ?? second.item.split("/").pop());
    expect(target.querySelector(".grades")).toBeNull();
  });

  it("turns back without an answer", async () => {
    const target = await session();
    await click(button(target, "Show the answer"));
    await rendered();
    await click(button(target, "Show the front again"));
    await rendered();
    expect(text(target)).not.toContain(first.meaning);
    expect(calls("answer_card")).toEqual([]);
  });
});

describe("answering", () => {
  const withSettings = async (change: Partial<ReviewSettings>): Promise<void> => {
    const settings = { ...(await api.getReviewSettings({})), ...change };
    platform.replies["get_review_settings"] = () => settings;
  };
  const key = async (name: string): Promise<void> => {
    press(document.body, name);
    await rendered();
  };
  it("with two buttons: again and good by their keys, Space for good, no other key", async () => {
    await withSettings({ twoButtons: true });
    const target = await session();
    await key(" ");
    const grades = [...target.querySelectorAll(".grade")];
    expect(grades.map((button) => [text(button).split(" ")[0], button.getAttribute("aria-keyshortcuts")])).toEqual([
      [`Again${"today"}`, "1"],
      [`Good${days(cards[0]!.buttons[2]!.days).split(" ")[0]}`, "3"],
    ]);
    await key("2");
    await key("4");
    expect(calls("answer_card")).toEqual([]);
    await key("1");
    await key(" ");
    await key(" ");
    expect(calls("answer_card").map((call) => (call as { request: { rating: number } }).request.rating)).toEqual([
      1, 3,
    ]);
  });
  it("Space on another button is left to that button", async () => {
    const target = await session();
    press(button(target, "End"), " ");
    await rendered();
    expect(text(target)).not.toContain(first.meaning);
    press(button(target, "Show the answer"), " ");
    await rendered();
    expect(text(target)).toContain(first.meaning);
  });
  it("with four buttons: keys 1 to 4", async () => {
    await session();
    for (const rating of ["1", "2", "3", "4"]) {
      await key(" ");
      await key(rating);
    }
    expect(calls("answer_card").map((call) => (call as { request: { rating: number } }).request.rating)).toEqual([
      1, 2, 3, 4,
    ]);
  });
});

describe("sound first", () => {
  beforeEach(async () => {
    const settings = { ...(await api.getReviewSettings({})), audioFirst: true };
    platform.replies["get_review_settings"] = () => settings;
  });
  it("plays the word and shows its text on request", async () => {
    const play = vi.spyOn(HTMLMediaElement.prototype, "play");
    const before = announcer.announcement.count;
    const target = await session();
    expect(play).toHaveBeenCalledTimes(1);
    expect(text(target)).not.toContain(first.word);
    expect(announcer.announcement.count).toBe(before);
    await click(button(target, "Play again"));
    expect(play).toHaveBeenCalledTimes(2);
    await click(button(target, "Show the word"));
    byRole(target, "heading", first.word);
    expect(text(target)).not.toContain(first.meaning);
    play.mockRestore();
  });
  it("shows the text with the answer", async () => {
    const target = await session();
    await click(button(target, "Show the answer"));
    byRole(target, "heading", first.word);
    expect(text(target)).toContain(first.meaning);
  });
  it("shows the text at once if the recording cannot be played", async () => {
    const target = await session();
    target.querySelector("audio")!.dispatchEvent(new Event("error"));
    await rendered();
    byRole(target, "heading", first.word);
  });
  it("shows the text at once without a recording", async () => {
    const silent = cards.find((card) => card.word && !card.word.entry.audio)!;
    const { day, counts } = await api.getReviewQueue({ limit: 10 });
    platform.replies["get_review_queue"] = () => ({ day, counts, cards: [silent] });
    byRole(await session(), "heading", silent.word!.entry.word);
  });
});

describe("a card in a review", () => {
  it("that is marked is left, and the mark can be undone", async () => {
    const target = await session();
    await click(button(target, "Show the answer"));
    await click(button(target, "I know this word"));
    expect(calls("set_card_state")).toMatchObject([{ request: { card: cards[0]!.card, known: true } }]);
    byRole(target, "heading", cards[1]!.word!.entry.word);
    expect(announcer.toast?.text).toBe(`${first.word} counts as known`);
    announcer.toast!.action!.run();
    await rendered();
    expect(calls("set_card_state")[1]).toMatchObject({ request: { card: cards[0]!.card, known: false } });
    byRole(target, "heading", first.word);
  });
  it("is left if the sheet stops it, and stays otherwise", async () => {
    const target = await session();
    await click(button(target, "Show the answer"));
    await click(button(target, "Why this date"));
    await rendered();
    const sheet = byRole(target, "dialog");
    expect(text(sheet)).toContain("has no due day");
    await click(button(sheet, "Stop asking"));
    await rendered();
    expect(allByRole(target, "dialog")).toEqual([]);
    byRole(target, "heading", cards[1]!.word!.entry.word);
    expect(calls("answer_card")).toEqual([]);
  });
  it("that is forgotten often has a hint that can be hidden", async () => {
    const leech = cards.find((card) => card.isLeech)!;
    const { day, counts } = await api.getReviewQueue({ limit: 10 });
    platform.replies["get_review_queue"] = () => ({ day, counts, cards: [leech] });
    const target = await session();
    expect(text(target)).not.toContain("forgotten");
    await click(button(target, "Show the answer"));
    expect(text(target)).toContain(`You have forgotten this word ${leech.lapses} times.`);
    await click(button(target, "Hide this hint"));
    expect(text(target)).not.toContain("forgotten");
    expect(calls("set_card_state")).toMatchObject([{ request: { card: leech.card, leechDismissed: true } }]);
    byRole(target, "heading", leech.word!.entry.word);
  });
});

describe("intervals", () => {
  it("are written in days, months and years", () => {
    expect(days(1)).toBe("1 day");
    expect(days(12)).toBe("12 days");
    expect(days(91)).toBe("3 mths");
    expect(days(900)).toBe("2.5 yrs");
  });
});
