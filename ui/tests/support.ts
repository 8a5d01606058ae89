import { computeAccessibleName, getRole, isInaccessible } from "dom-accessibility-api";
import { flushSync, mount, unmount, type Component } from "svelte";
import type { ErrorCode, UiEvent } from "../src/api/types";
import { CommandFailure } from "../src/platform/failure";
import { fixture } from "../src/platform/fixture";
import { useTransport } from "../src/platform/transport";

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
/** Waits until frames, promises and effects have run. */
export async function drawn(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => requestAnimationFrame(resolve));
    await settle();
  }
}

/** Fails a command with this code. */
export function fail(code: ErrorCode): never {
  throw new CommandFailure({ code, message: code, hint: "", retryable: false, correlationId: "" });
}
export interface ScriptedPlatform {
  /** Replies of commands, in place of the fixture's. */
  replies: Record<string, () => unknown>;
  /** Commands in the order in which they were called. */
  calls: { name: string; request: unknown }[];
  /** Requests of one command. */
  requests: (name: string) => unknown[];
  /** Delivers an event of the core. */
  tell: (event: UiEvent) => void;
}
/** Makes the fixture the platform of this test file; the test replaces replies and delivers events. */
export function scriptPlatform(): ScriptedPlatform {
  const inner = fixture("en");
  const listeners = new Set<(event: UiEvent) => void>();
  const platform: ScriptedPlatform = {
    replies: {},
    calls: [],
    requests: (name) => platform.calls.filter((c) => c.name === name).map((c) => c.request),
    tell: (event) => listeners.forEach((hear) => hear(event)),
  };
  useTransport({
    call: (name, request) => {
      platform.calls.push({ name, request });
      return Promise.resolve().then(() => platform.replies[name]?.() ?? inner.call(name, request));
    },
    listen: (hear) => {
      listeners.add(hear);
      const channel = inner.listen(hear);
      return {
        ready: channel.ready,
        stop: () => {
          listeners.delete(hear);
          channel.stop();
        },
      };
    },
  });
  return platform;
}

/** Elements that assistive technology finds by this role, and by this name if one is given. */
export function allByRole<E extends HTMLElement = HTMLElement>(root: Element, role: string, name?: string): E[] {
  return [...root.querySelectorAll<E>("*")].filter(
    (e) => getRole(e) === role && !isInaccessible(e) && (name === undefined || computeAccessibleName(e) === name),
  );
}
/** The one element with this role and name. */
export function byRole<E extends HTMLElement = HTMLElement>(root: Element, role: string, name?: string): E {
  const found = allByRole<E>(root, role, name);
  if (found.length === 1) return found[0]!;
  const names = allByRole(root, role).map((e) => computeAccessibleName(e));
  throw new Error(
    `${found.length} elements "${role}" are named ${JSON.stringify(name)}; names: ${JSON.stringify(names)}`,
  );
}
/** Text as it is read: white space counts once. */
export function text(element: Element): string {
  return (element.textContent ?? "").replace(/\s+/g, " ").trim();
}
/** Clicks as a person does: the focus moves to the element first. */
export async function click(element: HTMLElement): Promise<void> {
  element.focus();
  element.click();
  await drawn();
}
/** Types a value into a text field. */
export function type(field: HTMLInputElement, value: string): void {
  field.focus();
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  flushSync();
}
/** Changes the value of a select or a slider, and leaves it there. */
export async function change(control: HTMLInputElement | HTMLSelectElement, value: string): Promise<void> {
  control.value = value;
  control.dispatchEvent(new Event("input", { bubbles: true }));
  flushSync();
  control.dispatchEvent(new Event("change", { bubbles: true }));
  await drawn();
}
