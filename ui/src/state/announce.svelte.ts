//! Short messages. A toast is shown for a few seconds, with at most one action; an announcement is only read out by
//! screen readers.
export interface Toast {
  text: string;
  action?: { label: string; run: () => void };
  isError?: boolean;
}

class Announcer {
  toast = $state.raw<Toast>();
  /**
   * Only read out. `count` is the number of the message. A live region is read only when its text changes, so messages
   * alternate between two regions, in case two consecutive ones are equal.
   */
  announcement = $state.raw({ text: "", count: 0 });
  /** Not reactive, so that an effect can announce. */
  #count = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  showToast(toast: Toast): void {
    clearTimeout(this.#timer);
    // A new object each time, so that an equal text is shown and read again.
    this.toast = { ...toast };
    this.#timer = setTimeout(() => (this.toast = undefined), toast.action || toast.isError ? 9000 : 4000);
  }
  announce(text: string): void {
    this.announcement = { text, count: ++this.#count };
  }
  clear(): void {
    clearTimeout(this.#timer);
    this.toast = undefined;
  }
}
export const announcer = new Announcer();
