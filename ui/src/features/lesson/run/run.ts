//! Runs a learner's program in a new worker, which is terminated at its end, at the time limit, or by `stop`.
import { MAX_OUTPUT, MAX_RUN_MS, type Runnable, type RunMessage, type RunRequest } from "./messages";

export type RunEnd =
  { kind: "ended" } | { kind: "failed"; error: string } | { kind: "timeout" | "stopped" | "tooMuchOutput" };

export interface Run {
  stop(): void;
  end: Promise<RunEnd>;
}

/** Maximum time for loading the interpreter in the worker. Milliseconds. */
const START_MS = 20_000;
/** QuickJS stops by itself at the limit; a worker that does not is terminated. Milliseconds. */
const EXTRA_MS = 250;

async function load(language: Runnable): Promise<{ worker: Worker; wasm: ArrayBuffer }> {
  const [{ default: NewWorker }, { default: url }] =
    language === "javascript"
      ? await Promise.all([
          import("./javascript.worker?worker&inline"),
          import("@jitl/quickjs-wasmfile-release-sync/wasm?url"),
        ])
      : await Promise.all([
          import("./python.worker?worker&inline"),
          import("@micropython/micropython-webassembly-pyscript/micropython.wasm?url"),
        ]);
  const reply = await fetch(url);
  if (!reply.ok) throw new Error(`${url}: ${reply.status}`);
  return { wasm: await reply.arrayBuffer(), worker: new NewWorker() };
}

/** Starts a program. `onoutput` receives parts of its output, at most `MAX_OUTPUT` characters in total. */
export function run(language: Runnable, code: string, input: string[], onoutput: (text: string) => void): Run {
  let finish: (end: RunEnd) => void = () => undefined;
  const end = new Promise<RunEnd>((resolve) => (finish = resolve));
  let worker: Worker | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isDone = false;
  const done = (how: RunEnd): void => {
    if (isDone) return;
    isDone = true;
    clearTimeout(timer);
    worker?.terminate();
    finish(how);
  };
  load(language).then(
    (loaded) => {
      worker = loaded.worker;
      if (isDone) return worker.terminate();
      const limit = (ms: number): void => {
        clearTimeout(timer);
        timer = setTimeout(() => done({ kind: "timeout" }), ms);
      };
      limit(START_MS);
      let left = MAX_OUTPUT;
      worker.onmessage = ({ data }: MessageEvent<RunMessage>) => {
        if (isDone) return;
        if (data.kind === "start") return limit(MAX_RUN_MS + EXTRA_MS);
        if (data.kind === "end") return done(data.error ? { kind: "failed", error: data.error } : { kind: "ended" });
        // The worker keeps to the limit too; this one does not depend on it.
        onoutput(data.text.slice(0, left));
        left -= data.text.length;
        if (left <= 0) done({ kind: "tooMuchOutput" });
      };
      worker.onerror = (event) => done({ kind: "failed", error: event.message });
      const request: RunRequest = { wasm: loaded.wasm, code, input };
      worker.postMessage(request, [loaded.wasm]);
    },
    (cause: unknown) => done({ kind: "failed", error: String(cause) }),
  );
  return { stop: () => done({ kind: "stopped" }), end };
}
