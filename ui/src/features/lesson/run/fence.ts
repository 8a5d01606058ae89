//! Removes from a worker everything that reaches the network, storage, the page or other code, before it runs a learner's
//! program. A second line of defence: the program runs in an interpreter that has no access to the worker.

/** Names that interpreters need: the language's own objects, numbers of time, text codecs and WebAssembly. */
const KEPT = new Set([
  ...["globalThis", "self", "undefined", "NaN", "Infinity", "isNaN", "isFinite", "parseInt", "parseFloat"],
  ...[
    "Object",
    "Array",
    "String",
    "Number",
    "Boolean",
    "BigInt",
    "Symbol",
    "Math",
    "JSON",
    "Date",
    "RegExp",
    "Reflect",
  ],
  ...["Map", "Set", "WeakMap", "WeakSet", "WeakRef", "FinalizationRegistry", "Promise", "Proxy"],
  ...["Error", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError", "AggregateError"],
  ...["ArrayBuffer", "DataView", "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array"],
  ...["Int32Array", "Uint32Array", "Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array"],
  ...["TextDecoder", "TextEncoder", "WebAssembly", "performance", "queueMicrotask"],
  ...["encodeURIComponent", "decodeURIComponent", "encodeURI", "decodeURI"],
]);

/** Names that stay although they are not needed, because the engine does not let them be removed. */
const HARMLESS = new Set(["constructor", "toString", "valueOf", "hasOwnProperty", "isPrototypeOf", "toLocaleString"]);

/**
 * Removes all other names from the global object `scope` and its prototypes, and the constructors that compile text.
 * `more`: further names to keep. Returns the names that could not be removed.
 */
export function fence(scope: object, more: readonly string[] = []): string[] {
  const kept = new Set([...KEPT, ...more]);
  const names = new Set<string>();
  for (
    let level: object | null = scope;
    level && level !== Object.prototype;
    level = Object.getPrototypeOf(level) as object | null
  ) {
    for (const name of Object.getOwnPropertyNames(level)) {
      if (kept.has(name)) continue;
      names.add(name);
      if (!Reflect.deleteProperty(level, name))
        Reflect.defineProperty(level, name, { value: undefined, configurable: false, writable: false });
    }
  }
  for (const compiled of [
    (): void => undefined,
    // eslint-disable-next-line @typescript-eslint/require-await -- only its constructor is used
    async (): Promise<void> => undefined,
    function* (): Generator<undefined> {},
    async function* (): AsyncGenerator<undefined> {},
  ])
    Reflect.defineProperty(Object.getPrototypeOf(compiled) as object, "constructor", { value: undefined });
  // Numbers that stay (constants of file systems) give access to nothing.
  return [...names].filter((name) => {
    const value = (scope as Readonly<Record<string, unknown>>)[name];
    return !HARMLESS.has(name) && (typeof value === "function" || (typeof value === "object" && value !== null));
  });
}
