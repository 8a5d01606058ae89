//! Options of listening to a story. Kept on this device, in the local storage: they fit the place where a learner listens, as
//! with headphones on a phone or aloud in a class, and unlike the speed not the learner.

export type Repeat = "off" | "sentence" | "page";
export interface ListeningOptions {
  repeat: Repeat;
  /** Whether narration stops after each sentence, until the learner continues. */
  pausesAfterSentence: boolean;
  /** Whether the next page follows the end of a page. */
  turnsPages: boolean;
}

export const repeats: readonly Repeat[] = ["off", "sentence", "page"];
export const defaultOptions: ListeningOptions = { repeat: "off", pausesAfterSentence: false, turnsPages: true };

const STORE = "carrel.listening";

/** Returns the stored options; a missing or unknown value is the default. */
export function storedOptions(): ListeningOptions {
  try {
    const stored = JSON.parse(localStorage.getItem(STORE) ?? "{}") as Partial<Record<string, unknown>> | null;
    const flag = (name: "pausesAfterSentence" | "turnsPages"): boolean =>
      typeof stored?.[name] === "boolean" ? stored[name] : defaultOptions[name];
    return {
      repeat: repeats.find((repeat) => repeat === stored?.["repeat"]) ?? defaultOptions.repeat,
      pausesAfterSentence: flag("pausesAfterSentence"),
      turnsPages: flag("turnsPages"),
    };
  } catch {
    return defaultOptions;
  }
}
export function storeOptions(options: ListeningOptions): void {
  try {
    localStorage.setItem(STORE, JSON.stringify(options));
  } catch {
    // Without storage, the options are lost when the app is closed.
  }
}
