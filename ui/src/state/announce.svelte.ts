//! Short messages: read out by screen readers, shown for a few seconds, with at most one action.
export interface Toast {
  text: string;
  action?: { label: string; run: () => void };
  isError?: boolean;
}

class Announcer {
  toast = $state.raw<Toast>();
  /** Only read out. `count` numbers the messages: a region is read when its text changes, so equal texts need two. */
  announcement = $state.raw({ text: "", count: 0 });
  #timer: ReturnType<typeof setTimeout> | undefined;

  showToast(toast: Toast): void {
    clearTimeout(this.#timer);
    // A new object each time, so that an equal text is shown and read again.
    this.toast = { ...toast };
    this.#timer = setTimeout(() => (this.toast = undefined), toast.action || toast.isError ? 9000 : 4000);
  }
  announce(text: string): void {
    this.announcement = { text, count: this.announcement.count + 1 };
  }
  clear(): void {
    clearTimeout(this.#timer);
    this.toast = undefined;
  }
}
export const announcer = new Announcer();
