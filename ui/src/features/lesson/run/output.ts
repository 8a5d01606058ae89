//! Collects the output of a program and sends it in a few messages. Output after the limit is counted as lost.
import { MAX_OUTPUT, type RunMessage } from "./messages";

/** Characters that are sent at once, so that a program that prints in a loop does not flood the page. */
const BATCH = 4 * 1024;

export class Output {
  #pending = "";
  #left = MAX_OUTPUT;
  readonly #send: (message: RunMessage) => void;

  constructor(send: (message: RunMessage) => void) {
    this.#send = send;
  }
  /** Adds text; returns false if the limit was reached, so that the program can be stopped. */
  add(text: string): boolean {
    const kept = text.slice(0, this.#left);
    this.#left -= kept.length;
    this.#pending += kept;
    if (this.#pending.length >= BATCH) this.flush();
    return kept.length === text.length;
  }
  flush(): void {
    if (this.#pending) this.#send({ kind: "output", text: this.#pending });
    this.#pending = "";
  }
}
