import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { AddWord, LookUpWord, MarkWord } from "../src/api/types";
import LookUpCard from "../src/components/words/LookUpCard.svelte";
import WordPicker from "../src/components/words/WordPicker.svelte";
import { placeIn, rangeIn, sent, sentenceAt, wordsOf, type WordPlace } from "../src/components/words/tap";
import Recommended from "../src/features/review/Recommended.svelte";
import LookUpDialog from "../src/features/review/LookUpDialog.svelte";
import Dictionaries from "../src/features/storage/Dictionaries.svelte";
import { english } from "../src/platform/fixture/dictionary";
import { amina, idle, stateOf } from "../src/platform/fixture/accounts";
import { announcer } from "../src/state/announce.svelte";
import { appState } from "../src/state/appState.svelte";
import { clearKeptReplies } from "../src/state/live.svelte";
import { allByRole, byRole, click, fail, press, rendered, scriptPlatform, show, text, type } from "./support";

const platform = scriptPlatform();
let close: (() => void)[] = [];
let page: HTMLElement;

function put(html: string): HTMLElement {
  page = document.createElement("div");
  page.innerHTML = html;
  document.body.append(page);
  return page;
}
beforeAll(async () => {
  await appState.load();
  await appState.replace(stateOf(amina, idle, [amina]));
});
beforeEach(() => {
  platform.reset();
  clearKeptReplies();
  announcer.clear();
});
afterEach(() => {
  close.forEach((c) => c());
  close = [];
  page?.remove();
});

describe("words of a text", () => {
  it("are all words of paragraphs, also marked ones, without controls, code and formulas", () => {
    const root = put(
      `<p lang="en">Two <em>riv</em>ers, a <a data-word="delta" role="button">delta</a>.</p>
       <p data-no-words>Not this</p><ul lang="fr"><li>L’eau <code>let x</code></li></ul>
       <p lang="en"><button>Press</button> <math><mi>x</mi></math> it</p>`,
    );
    expect(wordsOf(root).map((word) => word.text)).toEqual(["Two", "rivers", "a", "delta", "L’eau", "it"]);
    const rivers = wordsOf(root)[1]!;
    expect(rangeIn(rivers.block, rivers.start, rivers.end)?.toString()).toBe("rivers");
    expect(placeIn(rivers.block, rivers.start).lang).toBe("en");
  });

  it("are sent with a part of a long text", () => {
    const long = `${"word ".repeat(5000)}here ${"word ".repeat(5000)}`;
    const block = document.createElement("p");
    block.textContent = long;
    const part = sent({ ...placeIn(block, 25_002), isExplicit: false });
    expect(part.text.length).toBeLessThanOrEqual(8000);
    expect(part.text.slice(part.at - 2, part.at + 2)).toBe("here");
    expect(part.from + part.at).toBe(25_002);
  });

  it("have their sentence", () => {
    const paragraph = "The river bends. Each year\n it moves a little! It never rests.";
    expect(sentenceAt(paragraph, 4, "en")).toBe("The river bends.");
    expect(sentenceAt(paragraph, 20, "en")).toBe("Each year it moves a little!");
    expect(sentenceAt(paragraph, 999, "en")).toBe("It never rests.");
    expect(sentenceAt("no full stop", 3, "not a tag!")).toBe("no full stop");
  });
});

describe("the picker of words", () => {
  function open(html: string) {
    const places: WordPlace[] = [];
    const root = put(html);
    let closed = 0;
    const screen = show(WordPicker, { root, onword: (p: WordPlace) => places.push(p), onclose: () => closed++ });
    close.push(screen.close);
    const bar = byRole(screen.target, "toolbar", "Choose a word of the text");
    return { bar, places, closed: () => closed, name: () => text(bar.querySelector(".primary")!) };
  }

  it("goes from word to word and names each", async () => {
    const { bar, places, name, closed } = open(`<p lang="en">Rivers bend.</p><p lang="en">Sand moves.</p>`);
    await rendered();
    expect(name()).toBe("Look up Rivers");
    expect(document.activeElement).toBe(bar.querySelector(".primary"));
    press(bar, "ArrowRight");
    expect(name()).toBe("Look up bend");
    expect(announcer.announcement.text).toBe("bend");
    press(bar, "ArrowDown");
    expect(name()).toBe("Look up Sand");
    press(bar, "ArrowUp");
    expect(name()).toBe("Look up Rivers");
    press(bar, "End");
    expect(name()).toBe("Look up moves");
    press(bar, "ArrowRight");
    expect(name()).toBe("Look up moves");
    await click(bar.querySelector<HTMLElement>(".primary")!);
    expect(places.map((p) => [p.text, p.at, p.lang, p.isExplicit])).toEqual([["Sand moves.", 5, "en", true]]);
    press(bar, "Escape");
    expect(closed()).toBe(1);
  });

  it("goes against the arrows in a text from right to left", async () => {
    const { bar, name } = open(`<p lang="ar" dir="rtl" style="direction: rtl">نهر كبير</p>`);
    await rendered();
    press(bar, "ArrowLeft");
    expect(name()).toBe("Look up كبير");
    press(bar, "ArrowRight");
    expect(name()).toBe("Look up نهر");
  });
});

describe("the card of a word", () => {
  async function open(html: string, at: number, isExplicit = true) {
    const root = put(html);
    let closed = 0;
    const place = { ...placeIn(root.querySelector("p")!, at), isExplicit };
    const screen = show(LookUpCard, { place, item: "how-rivers-work/meanders/read", onclose: () => closed++ });
    close.push(screen.close);
    await rendered();
    // jsdom shows no popovers.
    screen.target.querySelector("[popover]")?.removeAttribute("popover");
    return { target: screen.target, closed: () => closed };
  }
  const paragraph = `<p lang="en">The rivers carried sand. They rest.</p>`;

  it("shows form, lemma, meaning, sentence and licence, and adds the word with one press", async () => {
    const { target } = await open(paragraph, 6);
    expect(platform.requests("look_up_word")).toEqual<LookUpWord[]>([
      { item: "how-rivers-work/meanders/read", lang: "en", text: "The rivers carried sand. They rest.", at: 6 },
    ]);
    const card = byRole(target, "dialog");
    expect(text(byRole(card, "heading"))).toContain("river");
    expect(text(card)).toContain("“rivers” is a form of “river”.");
    expect(text(card)).toContain("a large natural stream of water");
    expect(text(card)).toContain("The rivers carried sand.");
    expect(text(card)).not.toContain("They rest.");
    expect(text(card)).toContain("English for schools, licence WordNet-3.0");
    await click(byRole(card, "button", "Add to my words"));
    const [added] = platform.requests("add_word") as AddWord[];
    expect(added).toMatchObject({
      item: "own-words/river",
      card: "en//river",
      word: "river",
      form: "rivers",
      sentence: "The rivers carried sand.",
      source: "how-rivers-work/meanders/read",
      dictionary: "English for schools",
    });
    await click(byRole(card, "button", "In my words"));
    await click(byRole(card, "button", "I know it"));
    expect(byRole(card, "button", "I know it").getAttribute("aria-pressed")).toBe("true");
    await click(byRole(card, "button", "Ignore"));
    expect(platform.requests("mark_word")).toEqual<MarkWord[]>([
      { card: "en//river", saved: false },
      { card: "en//river", known: true },
      { card: "en//river", ignored: true },
    ]);
  });

  it("says that a guess is one", async () => {
    const { entries, ...word } = {
      start: 4,
      end: 10,
      form: "rivers",
      isGuess: true,
      entries: [
        {
          found: "guess",
          form: "rivers",
          item: "own-words/river",
          card: "en//river",
          lang: "en",
          entry: {
            id: "x",
            word: "river",
            pronunciation: "",
            partOfSpeech: "",
            meaning: "m",
            example: "",
            translations: {},
          },
          meanings: [],
          dictionary: null,
          saved: false,
          known: false,
          ignored: false,
        },
      ],
    };
    platform.replies = { look_up_word: () => ({ word: { ...word, entries }, hasDictionary: true }) };
    const { target } = await open(paragraph, 6);
    expect(text(byRole(target, "dialog"))).toContain("A guess: the dictionary does not list “rivers”.");
  });

  it("shows a word without an entry, but not after a tap if there is no dictionary", async () => {
    const { target } = await open(paragraph, 26);
    expect(text(byRole(target, "dialog"))).toContain("No dictionary on this device has this word.");
    expect(allByRole(target, "button", "Add to my words")).toHaveLength(1);
    close.forEach((c) => c());
    close = [];
    const nothing = { word: null, hasDictionary: false };
    platform.replies = { look_up_word: () => nothing };
    const tapped = await open(paragraph, 26, false);
    expect(allByRole(tapped.target, "dialog")).toHaveLength(0);
    expect(tapped.closed()).toBe(1);
    expect(announcer.toast).toBeUndefined();
    const picked = await open(paragraph, 26, true);
    expect(picked.closed()).toBe(1);
    expect(announcer.toast?.text).toBe("There is no word here.");
  });
});

describe("a typed word", () => {
  async function open() {
    const screen = show(LookUpDialog, { languages: ["fr"], onclose: () => undefined });
    close.push(screen.close);
    await rendered();
    return screen.target;
  }
  async function lookUp(target: HTMLElement, word: string): Promise<void> {
    type(byRole<HTMLInputElement>(target, "searchbox", "Word or phrase"), word);
    await click(byRole(target, "button", "Look up"));
  }

  it("is looked up without a text and added", async () => {
    const target = await open();
    await lookUp(target, "banks");
    expect(platform.requests("look_up_word")).toEqual([{ lang: "en", text: "banks" }]);
    expect(text(target)).toContain("a financial institution");
    await click(byRole(target, "button", "Add to my words"));
    expect(platform.requests("add_word")).toMatchObject([{ word: "bank", form: "banks", sentence: "" }]);
    expect(byRole(target, "button", "In my words").getAttribute("aria-pressed")).toBe("true");
  });

  it("that no dictionary has is added with the learner's own meaning", async () => {
    const target = await open();
    await lookUp(target, "kayak");
    type(byRole<HTMLInputElement>(target, "textbox", "Your own meaning"), " a small boat ");
    await click(byRole(target, "button", "Add to my words"));
    expect(platform.requests("add_word")).toMatchObject([{ word: "kayak", meaning: "a small boat", dictionary: "" }]);
  });

  it("says that no dictionary is installed", async () => {
    platform.replies = { list_dictionaries: () => ({ dictionaries: [] }) };
    expect(text(await open())).toContain("No dictionary is installed.");
  });
});

describe("installed dictionaries", () => {
  it("are listed with their licence, and removed after a question", async () => {
    const screen = show(Dictionaries, {});
    close.push(screen.close);
    await rendered();
    const region = byRole(screen.target, "region", "Dictionaries");
    expect(text(region)).toContain("Licence: WordNet-3.0. Source: WordNet 3.0, Princeton University");
    expect(text(region)).toContain("147,306 entries");
    await click(byRole(region, "button", "Remove: English for schools"));
    const dialog = byRole(document.body, "dialog", "Remove English for schools?");
    await click(byRole(dialog, "button", "Remove"));
    expect(platform.requests("remove_dictionary")).toEqual([{ id: "english" }]);
    expect(text(region)).toContain("No dictionary is installed on this device.");
  });
});

describe("dictionaries of the server", () => {
  const offer = (status: string, download: object | null = null) => ({
    dictionaries: [{ dictionary: { ...english, id: "school", name: "Words of the school" }, status, download }],
  });
  const state = (phase: string, more: object = {}) => ({
    phase,
    bytesDone: 1_000_000,
    bytesTotal: 4_000_000,
    reason: null,
    ...more,
  });
  async function open(reply: object): Promise<HTMLElement> {
    platform.replies["list_offered_dictionaries"] = () => reply;
    const screen = show(Dictionaries, {});
    close.push(screen.close);
    await rendered();
    return byRole(screen.target, "region", "Dictionaries");
  }

  it("are downloaded, stopped and updated", async () => {
    const region = await open(offer("new"));
    expect(text(region)).toContain("From your server");
    platform.replies["download_dictionary"] = () => offer("new", state("running"));
    const download = allByRole(region, "button").find((button) => text(button).startsWith("Download, "))!;
    expect(download.getAttribute("aria-label")).toBe(`${text(download)}: Words of the school`);
    await click(download);
    expect(platform.requests("download_dictionary")).toEqual([{ id: "school", anyway: false }]);
    expect(byRole(region, "progressbar").getAttribute("aria-valuenow")).toBe("25");
    platform.replies["stop_dictionary_download"] = () => offer("update");
    await click(byRole(region, "button", "Stop the download: Words of the school"));
    expect(platform.requests("stop_dictionary_download")).toEqual([{ id: "school" }]);
    expect(text(region)).toContain("A newer version is available.");
    platform.replies["download_dictionary"] = () => offer("installed");
    await click(byRole(region, "button", "Update: Words of the school"));
    expect(text(region)).not.toContain("From your server");
  });

  it("say why a download waits, and what the learner can do", async () => {
    const region = await open(offer("new", state("paused", { reason: "metered" })));
    expect(text(region)).toContain("Waiting for Wi-Fi.");
    await click(byRole(region, "button", "Download anyway: Words of the school"));
    expect(platform.requests("download_dictionary")).toEqual([{ id: "school", anyway: true }]);
    platform.replies["list_offered_dictionaries"] = () => fail("offline");
    clearKeptReplies();
    const other = show(Dictionaries, {});
    close.push(other.close);
    await rendered();
    expect(text(other.target)).toContain("listed when the network is available");
  });
});

describe("recommended words", () => {
  it("are listed with the reason, and added", async () => {
    const word = (name: string, saved: boolean) => ({
      item: `rivers/${name}`,
      card: `en//${name}`,
      lang: "en",
      entry: {
        id: name,
        word: name,
        pronunciation: "",
        partOfSpeech: "",
        meaning: `A ${name}.`,
        example: "",
        translations: {},
      },
      saved,
    });
    platform.replies = {
      list_recommended: () => ({
        level: 1.52,
        words: [
          { word: word("delta", false), title: "Rivers", level: 1, mastery: 0, urgency: "never", daysSince: null },
          { word: word("silt", true), title: "", level: 2, mastery: 0.4, urgency: "week", daysSince: 9 },
        ],
      }),
    };
    const screen = show(Recommended, {});
    close.push(screen.close);
    await rendered();
    const region = byRole(screen.target, "region", "Words to take up next");
    expect(text(region)).toContain("Your reading level: 1.5");
    expect(allByRole(region, "listitem").map((item) => text(item))).toEqual([
      "delta A delta. Not answered yet · level 1 · Rivers Add to my words",
      "silt A silt. Answered 9 days ago · level 2 In my words",
    ]);
    await click(byRole(region, "button", "Add to my words: delta"));
    expect(platform.requests("save_word")).toEqual([{ word: "rivers/delta", saved: true }]);
  });
});
