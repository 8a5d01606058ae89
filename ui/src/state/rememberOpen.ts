//! Keeps a disclosure open while its page is in the history.
import { router } from "./router.svelte";

/** Returns an attachment for a `details` element: it is open again when the learner returns to the history entry. */
export function rememberOpen(key: string): (details: HTMLDetailsElement) => () => void {
  return (details) => {
    details.open = router.recall(`open ${key}`) === true;
    const toggled = (): void => {
      if (details.open !== (router.recall(`open ${key}`) === true)) router.remember(`open ${key}`, details.open);
    };
    details.addEventListener("toggle", toggled);
    return () => details.removeEventListener("toggle", toggled);
  };
}
