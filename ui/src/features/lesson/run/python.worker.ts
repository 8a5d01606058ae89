//! Runs a Python program in MicroPython. The program can only print, read its input and compute.
import { loadMicroPython } from "@micropython/micropython-webassembly-pyscript/micropython.mjs";
import { fence } from "./fence";
import type { RunMessage, RunRequest } from "./messages";
import { Output } from "./output";

/** Memory of the program's objects. The interpreter itself needs as much again. Bytes. */
const HEAP = 32 * 1024 * 1024;
/** Names that MicroPython defines on the global object and uses while it runs. */
const OWN = ["Module", "proxy_js_ref_next", "proxy_js_ref_map", "proxy_js_map", "proxy_js_existing", "proxy_js_ref"];

const post = self.postMessage.bind(self);
const send = (message: RunMessage): void => post(message);

self.onmessage = ({ data }: MessageEvent<RunRequest>): void => {
  run(data).then(
    (error) => send({ kind: "end", error }),
    (cause) => send({ kind: "end", error: describe(cause) }),
  );
};

async function run({ wasm, code, input }: RunRequest): Promise<string> {
  const output = new Output(send);
  const decoder = new TextDecoder();
  const write = (chunk: Uint8Array): void => {
    if (!output.add(decoder.decode(chunk, { stream: true }))) throw new Error("too much output");
  };
  // The loader fetches the interpreter; the page has done that, because this worker has no address of its own.
  const reply = (): Promise<Response> =>
    Promise.resolve(new Response(wasm, { headers: { "content-type": "application/wasm" } }));
  Object.defineProperty(self, "fetch", { value: reply, configurable: true, writable: true });
  const python = await loadMicroPython({
    heapsize: HEAP,
    url: "micropython.wasm",
    linebuffer: false,
    stdout: write,
    stderr: write,
  });
  disconnect();
  const left = fence(self, OWN);
  if (left.length > 0) throw new Error(`the program was not started: ${left.join(", ")} cannot be removed`);
  send({ kind: "start" });
  let error = "";
  try {
    python.runPython(inputFunction(input));
    python.runPython(code);
  } catch (cause) {
    error = describe(cause) || "Error";
  }
  output.flush();
  return error;
}

/** Returns the text of a function `input` that returns these lines; MicroPython's own waits for a terminal. */
function inputFunction(lines: string[]): string {
  return `
def input(lines):
    lines = iter(lines)
    def input(prompt=""):
        print(prompt, end="")
        try:
            return next(lines)
        except StopIteration:
            raise EOFError("no more input")
    return input
input = input(${JSON.stringify(lines)})
`;
}

/**
 * Disconnects Python's modules `js` and `jsffi` from JavaScript: they address objects by their number in a table, which
 * is replaced by one that contains only an object without properties.
 */
function disconnect(): void {
  const nothing = Object.freeze(Object.create(null) as object);
  const table = new Proxy<unknown[]>([], {
    get: (_, key) => (key === "length" ? 0 : nothing),
    set: () => true,
    has: () => false,
  });
  Object.defineProperty(self, "proxy_js_ref", { value: table, configurable: false, writable: false });
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
