//! Runs a JavaScript program in QuickJS. The program can only print, read its input and compute.
import variant from "@jitl/quickjs-wasmfile-release-sync";
import {
  newQuickJSWASMModuleFromVariant,
  newVariant,
  shouldInterruptAfterDeadline,
  type QuickJSContext,
} from "quickjs-emscripten-core";
import { fence } from "./fence";
import { MAX_MEMORY, MAX_RUN_MS, MAX_STACK, type RunMessage, type RunRequest } from "./messages";
import { Output } from "./output";

/** What QuickJS says of a program that was interrupted. */
const INTERRUPTED = "InternalError: interrupted";

const post = self.postMessage.bind(self);
const send = (message: RunMessage): void => post(message);

self.onmessage = ({ data }: MessageEvent<RunRequest>): void => {
  run(data).then(
    (error) => send({ kind: "end", error }),
    (cause) => send({ kind: "end", error: String(cause) }),
  );
};

async function run({ wasm, code, input }: RunRequest): Promise<string> {
  const quickjs = await newQuickJSWASMModuleFromVariant(
    newVariant(variant, { wasmBinary: wasm, wasmLocation: "quickjs.wasm" }),
  );
  const left = fence(self);
  if (left.length > 0) throw new Error(`the program was not started: ${left.join(", ")} cannot be removed`);
  send({ kind: "start" });
  const runtime = quickjs.newRuntime();
  runtime.setMemoryLimit(MAX_MEMORY);
  runtime.setMaxStackSize(MAX_STACK);
  let isFull = false;
  let isStopped = false;
  const isLate = shouldInterruptAfterDeadline(Date.now() + MAX_RUN_MS);
  runtime.setInterruptHandler((vm) => (isStopped ||= isFull || isLate(vm) === true));
  const context = runtime.newContext();
  const output = new Output(send);
  const print = (text: string): void => void (isFull ||= !output.add(text + "\n"));
  addFunctions(context, print, input);
  const result = context.evalCode(code, "program.js");
  // Promises of the program. They are interrupted at the limit, too, and catch that.
  const failure = result.error ?? runtime.executePendingJobs().error;
  let error = isStopped ? INTERRUPTED : "";
  // The text of a thrown object may be empty or fail; the program did not end by itself nevertheless.
  if (failure) error = describe(context.dump(failure)) || "Error";
  output.flush();
  return error;
}

function addFunctions(context: QuickJSContext, print: (text: string) => void, input: string[]): void {
  const printed = context.newFunction("print", (...values) =>
    print(values.map((value) => show(context.dump(value))).join(" ")),
  );
  const log = context.newObject();
  for (const name of ["log", "info", "warn", "error", "debug"]) context.setProp(log, name, printed);
  context.setProp(context.global, "console", log);
  context.setProp(context.global, "print", printed);
  const lines = [...input];
  context.setProp(
    context.global,
    "input",
    context.newFunction("input", () => {
      const line = lines.shift();
      return line === undefined ? context.null : context.newString(line);
    }),
  );
}

function show(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "object" && value !== null) {
    try {
      return JSON.stringify(value);
    } catch {
      return "[object]";
    }
  }
  return String(value);
}

/** Returns name, message and line of an error. */
function describe(error: unknown): string {
  if (typeof error !== "object" || error === null) return show(error);
  const { name, message, stack } = error as { name?: string; message?: string; stack?: string };
  const line = /program\.js:(\d+)/.exec(stack ?? "")?.[1];
  return `${name ?? "Error"}: ${message ?? ""}${line ? ` (line ${line})` : ""}`;
}
