import { flushSync, mount, unmount, type Component } from "svelte";

/** Mounts a component; `props` may be a `$state` object of a .svelte.ts file or plain. */
export function show<P extends Record<string, unknown>>(
  component: Component<P>,
  props: P,
): { target: HTMLElement; close: () => void } {
  const target = document.createElement("div");
  document.body.append(target);
  const instance = mount(component, { target, props });
  flushSync();
  return { target, close: () => void unmount(instance) };
}
export function press(element: Element, key: string): void {
  element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  flushSync();
}
/** Lets promises and effects settle. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 8; i++) await Promise.resolve();
  flushSync();
}
