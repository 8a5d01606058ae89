//! Short messages: read out by screen readers, shown for a few seconds, with at most one thing to do about it.
export interface Slip {
  text: string;
  action?: { label: string; run: () => void };
  bad?: boolean;
}

class Announcer {
  slip = $state.raw<Slip>();
  /** Read out only. `turn` counts: a live region is read when its text changes, so equal texts need another region. */
  quiet = $state.raw({ text: "", turn: 0 });
  #timer: ReturnType<typeof setTimeout> | undefined;

  say(slip: Slip): void {
    clearTimeout(this.#timer);
    // A new object each time, so that an equal text is shown and read again.
    this.slip = { ...slip };
    this.#timer = setTimeout(() => (this.slip = undefined), slip.action || slip.bad ? 9000 : 4000);
  }
  whisper(text: string): void {
    this.quiet = { text, turn: this.quiet.turn + 1 };
  }
  clear(): void {
    clearTimeout(this.#timer);
    this.slip = undefined;
  }
}
export const announcer = new Announcer();
