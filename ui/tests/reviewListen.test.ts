import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { api } from "../src/api/client";
import type { ReviewCard } from "../src/api/types";
import { onKey } from "../src/components/media/mediaSession";
import { Listening, silentWav, type ListenOptions } from "../src/features/review/listening.svelte";
import ListenSession from "../src/features/review/ListenSession.svelte";
import { setLanguage } from "../src/i18n/index.svelte";
import { amina, idle, stateOf } from "../src/platform/fixture/accounts";
import { appState } from "../src/state/appState.svelte";
import { clearKeptReplies } from "../src/state/live.svelte";
import { allByRole, button, byRole, click, rendered, scriptPlatform, settle, show, text } from "./support";

const platform = scriptPlatform();
let close: () => void = () => undefined;
beforeAll(async () => {
  await setLanguage("en");
  URL.createObjectURL = () => "blob:silence";
  URL.revokeObjectURL = () => undefined;
});
beforeEach(async () => {
  // The fixture keeps answers and marks.
  platform.reset();
  clearKeptReplies();
  await appState.replace(stateOf(amina, idle, [amina]));
});
afterEach(() => {
  close();
  close = () => undefined;
  vi.restoreAllMocks();
});

const words = ["a", "b"].map((card) => ({ card, text: card, recording: `/${card}.mp3` }));
function player(options: Partial<ListenOptions> = {}): {
  listening: Listening;
  audio: HTMLAudioElement;
  end: () => void;
} {
  const listening = new Listening(words, { album: "Words", silence: (seconds) => `silence:${seconds}`, ...options });
  const audio = document.createElement("audio");
  close = listening.attach(audio);
  return { listening, audio, end: () => void audio.dispatchEvent(new Event("ended")) };
}
const source = (audio: HTMLAudioElement): string => audio.getAttribute("src") ?? "";

describe("listening", () => {
  it("plays word, silence, word with its meaning, silence, and then the next word by one element", () => {
    const meanings: string[] = [];
    const { listening, audio, end } = player({ onmeaning: ({ card }) => meanings.push(card) });
    const play = vi.spyOn(audio, "play");
    listening.play();
    const played = [source(audio)];
    for (let i = 0; i < 7; i++) {
      end();
      played.push(source(audio));
    }
    const one = (card: string): string[] => [`/${card}.mp3`, "silence:5", `/${card}.mp3`, "silence:3"];
    expect(played).toEqual([...one("a"), ...one("b")]);
    expect([meanings, play.mock.calls.length]).toEqual([["a", "b"], 8]);
    end();
    expect([listening.isDone, listening.isPaused]).toEqual([true, true]);
    listening.play();
    expect([listening.at, listening.step, listening.isDone]).toEqual([0, "word", false]);
  });
  it("a recording that cannot be played takes no time; nothing replaces it", () => {
    const { listening, audio } = player();
    listening.play();
    audio.dispatchEvent(new Event("error"));
    expect([listening.step, source(audio)]).toEqual(["recall", "silence:5"]);
  });
  it("continues after a pause where it was", () => {
    const { listening, audio, end } = player();
    listening.play();
    end();
    listening.pause();
    expect([listening.isPaused, listening.step]).toEqual([true, "recall"]);
    listening.play();
    expect([listening.isPaused, source(audio)]).toEqual([false, "silence:5"]);
  });
  it("goes back to the start of the word, and from there to the word before", () => {
    const { listening, end } = player();
    listening.play();
    listening.skip();
    end();
    listening.back();
    expect([listening.at, listening.step]).toEqual([1, "word"]);
    listening.back();
    expect(listening.at).toBe(0);
    listening.back();
    expect(listening.at).toBe(0);
  });
  it("media keys move, and answer only if the learner chose that", () => {
    const answers: number[] = [];
    let isAnswering = false;
    const { listening } = player({ keysAnswer: () => isAnswering, onanswer: (rating) => answers.push(rating) });
    listening.play();
    const key = (name: string): void => onKey(new KeyboardEvent("keydown", { key: name }));
    key("MediaTrackNext");
    expect([listening.at, answers]).toEqual([1, []]);
    key("MediaTrackPrevious");
    expect([listening.at, answers]).toEqual([0, []]);
    isAnswering = true;
    key("MediaTrackNext");
    key("MediaTrackPrevious");
    expect(answers).toEqual([3, 1]);
    key("MediaPause");
    expect(listening.isPaused).toBe(true);
    key("MediaPlay");
    expect(listening.isPaused).toBe(false);
  });
  it("pauses if the engine does not allow sound", async () => {
    const { listening, audio } = player();
    vi.spyOn(audio, "play").mockRejectedValue(new DOMException("no gesture", "NotAllowedError"));
    listening.play();
    await settle();
    expect(listening.isPaused).toBe(true);
  });
  it("a silence is a WAV file of its length", () => {
    const wav = new Uint8Array(silentWav(2));
    expect([wav.length, new TextDecoder().decode(wav.slice(0, 4)), new Set(wav.slice(44))]).toEqual([
      44 + 16_000,
      "RIFF",
      new Set([128]),
    ]);
  });
});

describe("the screen", () => {
  let cards: ReviewCard[];
  beforeEach(async () => {
    ({ cards } = await api.getReviewQueue({ limit: 100 }));
  });
  const open = async (): Promise<HTMLElement> => {
    const shown = show(ListenSession, { onclose: () => undefined });
    close = shown.close;
    await rendered();
    await rendered();
    return shown.target;
  };
  const heard = (): ReviewCard[] => cards.filter((card) => card.word?.entry.audio);

  it("leaves out words without a recording and says how many", async () => {
    const target = await open();
    byRole(target, "heading", heard()[0]!.word!.entry.word);
    const silent = cards.length - heard().length;
    expect(silent).toBeGreaterThan(1);
    expect(text(target)).toContain(`1 of ${heard().length}`);
    expect(text(target)).toContain(`${silent} words have no recording and are left out.`);
    expect(text(target)).not.toContain(heard()[0]!.word!.entry.meaning);
  });
  it("stores an answer only for a grade, as listened to", async () => {
    const target = await open();
    await click(button(target, "Play"));
    const audio = target.querySelector("audio")!;
    for (let i = 0; i < 4; i++) audio.dispatchEvent(new Event("ended"));
    await click(button(target, "This word again, or the one before"));
    expect(platform.requests("answer_card")).toEqual([]);
    await click(button(target, "Again"));
    await rendered();
    const [first] = heard();
    expect(platform.requests("answer_card")).toMatchObject([
      { event: first!.event, card: first!.card, kind: "listen", rating: 1 },
    ]);
    byRole(target, "heading", heard()[1]!.word!.entry.word);
  });
  it("stores the answer of a word once", async () => {
    const target = await open();
    await click(button(target, "Good"));
    await click(button(target, "This word again, or the one before"));
    expect(button(target, "Good").disabled).toBe(true);
    expect(platform.requests("answer_card")).toHaveLength(1);
  });
  it("says so if there is nothing to play", async () => {
    platform.replies["get_review_queue"] = () => ({ day: 1, counts: {}, cards: [] });
    const target = await open();
    byRole(target, "heading", "Nothing to listen to");
    expect(allByRole(target, "button").map((button) => text(button))).toContain("All words");
  });
});
