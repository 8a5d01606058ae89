//! Limits of learners' programs, and the messages between the page and the worker that runs one.

/** Languages that run, by the names that authors write. */
const LANGUAGES = { javascript: "javascript", js: "javascript", python: "python", py: "python" } as const;
export type Runnable = (typeof LANGUAGES)[keyof typeof LANGUAGES];
export function runnable(language: string): Runnable | undefined {
  const name = language.toLowerCase();
  return Object.hasOwn(LANGUAGES, name) ? LANGUAGES[name as keyof typeof LANGUAGES] : undefined;
}

/** Time after which a program is stopped. Milliseconds. */
export const MAX_RUN_MS = 10_000;
/** Memory of a program. Bytes. */
export const MAX_MEMORY = 64 * 1024 * 1024;
/** Stack of a JavaScript program. Bytes. */
export const MAX_STACK = 512 * 1024;
/** Characters of output that are kept. */
export const MAX_OUTPUT = 64 * 1024;

/** From the page to the worker. */
export interface RunRequest {
  /** The interpreter. */
  wasm: ArrayBuffer;
  code: string;
  /** Lines that the program can read. */
  input: string[];
}

/** From the worker to the page. */
export type RunMessage =
  /** The interpreter is loaded; the time limit begins. */
  | { kind: "start" }
  | { kind: "output"; text: string }
  /** `error` is empty if the program ended by itself. */
  | { kind: "end"; error: string };
