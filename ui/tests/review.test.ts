import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { api } from "../src/api/client";
import type { ReviewCard, VocabularyEntry } from "../src/api/types";
import Review from "../src/features/review/Review.svelte";
import { days } from "../src/i18n/format";
import { setLanguage } from "../src/i18n/index.svelte";
import { amina, idle, stateOf } from "../src/platform/fixture/accounts";
import { appState } from "../src/state/appState.svelte";
import { byRole, click, rendered, scriptPlatform, show, text } from "./support";

const platform = scriptPlatform();
let close: () => void = () => undefined;
let cards: ReviewCard[];
let first: VocabularyEntry;

beforeAll(async () => {
  await setLanguage("en");
});
beforeEach(async () => {
  platform.replies = {};
  platform.calls = [];
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
  await click(byRole(screen.target, "button", "Review now"));
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
    await click(byRole(target, "button", "Show the answer"));
    await rendered();
    expect(text(target)).toContain(first.meaning);
    const grades = [...target.querySelectorAll(".grade")].map((button) => text(button));
    expect(grades).toHaveLength(4);
    expect(grades[0]).toContain("today");
    expect(grades[3]).toContain(days(cards[0]!.buttons[3]!.days));
  });

  it("stores an answer with the showing's id once, and shows the next card", async () => {
    const target = await session();
    await click(byRole(target, "button", "Show the answer"));
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
    await click(byRole(target, "button", "Show the answer"));
    await rendered();
    await click(byRole(target, "button", "Show the front again"));
    await rendered();
    expect(text(target)).not.toContain(first.meaning);
    expect(calls("answer_card")).toEqual([]);
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
