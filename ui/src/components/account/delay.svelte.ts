//! The time that remains before the next attempt.

export class Delay {
  ms = $state(0);
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Counts down from `ms`, once a second. Replaces an earlier count. */
  start(ms: number): void {
    this.stop();
    this.ms = ms;
    if (ms <= 0) return;
    const end = performance.now() + ms;
    this.#timer = setInterval(() => {
      this.ms = Math.max(0, end - performance.now());
      if (this.ms === 0) this.stop();
    }, 1000);
  }
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
