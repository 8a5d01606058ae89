//! Plays words one after another: the recording, a pause to remember, the recording again with the meaning, a pause.
//! All steps, the pauses too, are played by one audio element, so that the system keeps playing with the screen off.
//! Uses recordings of the content only: without one, a word is left out by the caller.
import {
  acquireMediaSession,
  releaseMediaSession,
  updateMediaSession,
  type Holder,
} from "../../components/media/mediaSession";

export interface ListenWord {
  /** Key of the card. */
  card: string;
  /** Shown by the system. */
  text: string;
  /** URL of the recording. */
  recording: string;
}
export interface ListenOptions {
  /** Name of the list that the system shows. */
  album: string;
  /** Returns the URL of a silence of this many seconds. */
  silence: (seconds: number) => string;
  /** The next and the previous key answer instead of moving, if this returns true. */
  keysAnswer?: () => boolean;
  /** Called by a key that answers. */
  onanswer?: (rating: number) => void;
  /** Called when the meaning is to be shown. */
  onmeaning?: (word: ListenWord) => void;
}

const STEPS = ["word", "recall", "meaning", "gap"] as const;
export type ListenStep = (typeof STEPS)[number];
/** Seconds of the pauses. */
const RECALL_SECONDS = 5;
const GAP_SECONDS = 3;
const AGAIN = 1;
const GOOD = 3;

export class Listening implements Holder {
  at = $state(0);
  step = $state<ListenStep>("word");
  isPaused = $state(true);
  /** The last word was played. */
  isDone = $state(false);
  readonly words: readonly ListenWord[];
  #options: ListenOptions;
  #element: HTMLAudioElement | undefined;

  constructor(words: readonly ListenWord[], options: ListenOptions) {
    this.words = words;
    this.#options = options;
  }
  get word(): ListenWord | undefined {
    return this.words[this.at];
  }
  get isMeaningShown(): boolean {
    return this.step === "meaning" || this.step === "gap";
  }

  attach = (element: HTMLAudioElement): (() => void) => {
    this.#element = element;
    // A recording that cannot be played takes no time, and its word is still shown.
    const listeners: [string, () => void][] = [
      ["ended", () => this.#advance()],
      ["error", () => this.#advance()],
    ];
    for (const [name, run] of listeners) element.addEventListener(name, run);
    return () => {
      for (const [name, run] of listeners) element.removeEventListener(name, run);
      element.pause();
      releaseMediaSession(this);
      this.#element = undefined;
    };
  };

  play(): void {
    const element = this.#element;
    if (!element || !this.word) return;
    if (this.isDone) this.#goTo(0);
    this.isPaused = false;
    acquireMediaSession(this);
    if (element.getAttribute("src")) this.#start();
    else this.#load();
    updateMediaSession(this, true);
  }
  pause(): void {
    this.isPaused = true;
    this.#element?.pause();
    updateMediaSession(this, false);
  }
  /** The media key: an answer "good" if keys answer. */
  next(): void {
    if (this.#options.keysAnswer?.()) this.#options.onanswer?.(GOOD);
    else this.skip();
  }
  /** The media key: an answer "again" if keys answer. */
  previous(): void {
    if (this.#options.keysAnswer?.()) this.#options.onanswer?.(AGAIN);
    else this.back();
  }
  /** Goes to the next word. */
  skip(): void {
    if (this.at + 1 < this.words.length) this.#goTo(this.at + 1);
    else this.#finish();
  }
  /** Plays the word from its start, or at its start the word before. */
  back(): void {
    this.#goTo(this.step === "word" ? Math.max(0, this.at - 1) : this.at);
  }
  /** Positions in a word are not shown, because pauses are part of it. */
  seek(): void {
    // See `position`.
  }
  position(): undefined {
    return undefined;
  }
  metadata(): { title: string; album: string } {
    return { title: this.word?.text ?? "", album: this.#options.album };
  }

  #goTo(at: number): void {
    this.at = at;
    this.isDone = false;
    this.step = "word";
    this.#load();
    // The system shows the text of the word.
    if (!this.isPaused) acquireMediaSession(this);
  }
  #advance(): void {
    const next = STEPS[STEPS.indexOf(this.step) + 1];
    if (next === undefined) return this.skip();
    this.step = next;
    if (next === "meaning" && this.word) this.#options.onmeaning?.(this.word);
    this.#load();
  }
  #load(): void {
    const [element, word] = [this.#element, this.word];
    if (!element || !word) return;
    const pauses: Partial<Record<ListenStep, number>> = { recall: RECALL_SECONDS, gap: GAP_SECONDS };
    const seconds = pauses[this.step];
    element.src = seconds === undefined ? word.recording : this.#options.silence(seconds);
    if (!this.isPaused) this.#start();
  }
  #start(): void {
    // The source may have been replaced while it was loading (AbortError), or the engine requires a user gesture.
    this.#element?.play().catch((cause: unknown) => {
      if ((cause as DOMException | undefined)?.name === "NotAllowedError") this.pause();
    });
  }
  #finish(): void {
    this.pause();
    this.isDone = true;
    this.step = "gap";
  }
}

/** Returns URLs of silences as WAV files, and a function that frees them. */
export function silences(): { url: (seconds: number) => string; free: () => void } {
  const made: Record<number, string> = {};
  return {
    url: (seconds) => (made[seconds] ??= URL.createObjectURL(new Blob([silentWav(seconds)], { type: "audio/wav" }))),
    free: () => Object.values(made).forEach((url) => URL.revokeObjectURL(url)),
  };
}

/** Returns a WAV file: one channel, 8 bits, 8 kHz. */
export function silentWav(seconds: number): ArrayBuffer {
  const rate = 8_000;
  const samples = Math.round(seconds * rate);
  const wav = new DataView(new ArrayBuffer(44 + samples));
  const ascii = (at: number, text: string): void =>
    [...text].forEach((letter, i) => wav.setUint8(at + i, letter.charCodeAt(0)));
  ascii(0, "RIFF");
  wav.setUint32(4, 36 + samples, true);
  ascii(8, "WAVEfmt ");
  wav.setUint32(16, 16, true);
  wav.setUint16(20, 1, true);
  wav.setUint16(22, 1, true);
  wav.setUint32(24, rate, true);
  wav.setUint32(28, rate, true);
  wav.setUint16(32, 1, true);
  wav.setUint16(34, 8, true);
  ascii(36, "data");
  wav.setUint32(40, samples, true);
  // Unsigned samples: silence is the middle.
  for (let i = 0; i < samples; i++) wav.setUint8(44 + i, 128);
  return wav.buffer;
}
