//! Helpers of the component tests: mounting, waiting, replies of commands, finding elements by role.
import { computeAccessibleName, getRole, isInaccessible } from "dom-accessibility-api";
import { flushSync, mount, unmount, type Component } from "svelte";
import type { ErrorCode, UiEvent } from "../src/api/types";
import { CommandFailure } from "../src/platform/failure";
import { fixture } from "../src/platform/fixture";
import { useTransport } from "../src/platform/transport";

/** Mounts a component. `props` is a plain object, or a `$state` object of a .svelte.ts file. */
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
/** Runs pending promise callbacks and effects. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 8; i++) await Promise.resolve();
  flushSync();
}
/** Waits for four frames, with their promise callbacks and effects. */
export async function rendered(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => requestAnimationFrame(resolve));
    await settle();
  }
}

/** Throws a `CommandFailure` with this code. */
export function fail(code: ErrorCode): never {
  throw new CommandFailure({ code, message: code, hint: "", retryable: false, correlationId: "" });
}
export interface ScriptedPlatform {
  /** Replies of commands that replace those of the fixture. */
  replies: Record<string, () => unknown>;
  /** Commands in the order in which they were called. */
  calls: { name: string; request: unknown }[];
  /** Requests of one command. */
  requests: (name: string) => unknown[];
  /** Delivers an event of the core. */
  emit: (event: UiEvent) => void;
  /** Starts with new data, without replies and calls. */
  reset: () => void;
}
/** Uses the fixture as the transport of this test file. Tests can replace replies and emit events. */
export function scriptPlatform(): ScriptedPlatform {
  let inner = fixture("en");
  const listeners = new Set<(event: UiEvent) => void>();
  const platform: ScriptedPlatform = {
    replies: {},
    calls: [],
    requests: (name) => platform.calls.filter((c) => c.name === name).map((c) => c.request),
    emit: (event) => listeners.forEach((listener) => listener(event)),
    reset: () => {
      inner = fixture("en");
      listeners.forEach((listener) => void inner.listen(listener));
      platform.replies = {};
      platform.calls = [];
    },
  };
  useTransport({
    call: (name, request) => {
      platform.calls.push({ name, request });
      return Promise.resolve().then(() => platform.replies[name]?.() ?? inner.call(name, request));
    },
    listen: (listener) => {
      listeners.add(listener);
      const channel = inner.listen(listener);
      return {
        ready: channel.ready,
        stop: () => {
          listeners.delete(listener);
          channel.stop();
        },
      };
    },
  });
  return platform;
}

/** Returns the elements that assistive technology finds by this role, and by this name if given. */
export function allByRole<E extends HTMLElement = HTMLElement>(root: Element, role: string, name?: string): E[] {
  return [...root.querySelectorAll<E>("*")].filter(
    (e) => getRole(e) === role && !isInaccessible(e) && (name === undefined || computeAccessibleName(e) === name),
  );
}
/** Returns the only element with this role and name. */
export function byRole<E extends HTMLElement = HTMLElement>(root: Element, role: string, name?: string): E {
  const found = allByRole<E>(root, role, name);
  if (found.length === 1) return found[0]!;
  const names = allByRole(root, role).map((e) => computeAccessibleName(e));
  throw new Error(
    `${found.length} elements with role "${role}" and name ${JSON.stringify(name)}; existing: ${JSON.stringify(names)}`,
  );
}
/** Returns the text of an element, with white space collapsed. */
export function text(element: Element): string {
  return (element.textContent ?? "").replace(/\s+/g, " ").trim();
}
/** Focuses and clicks an element. */
export async function click(element: HTMLElement): Promise<void> {
  element.focus();
  element.click();
  await rendered();
}
/** Types a value into a text field. */
export function type(field: HTMLInputElement, value: string): void {
  field.focus();
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  flushSync();
}
/** Changes the value of a select or a slider and commits it. */
export async function change(control: HTMLInputElement | HTMLSelectElement, value: string): Promise<void> {
  control.value = value;
  control.dispatchEvent(new Event("input", { bubbles: true }));
  flushSync();
  control.dispatchEvent(new Event("change", { bubbles: true }));
  await rendered();
}
/**
 * Returns the only button with this label or text. Faster than `byRole`, which computes the names of all elements: for
 * large pages.
 */
export function button(root: Element, name: string): HTMLButtonElement {
  const found = [...root.querySelectorAll("button")].filter(
    (one) => (one.getAttribute("aria-label") ?? text(one)) === name && !one.closest("[inert], [hidden]"),
  );
  if (found.length === 1) return found[0]!;
  throw new Error(`${found.length} buttons "${name}"`);
}
