import { describe, expect, it } from "vitest";
import { fence } from "../src/features/lesson/run/fence";
import { MAX_OUTPUT, runnable, type RunMessage } from "../src/features/lesson/run/messages";
import { Output } from "../src/features/lesson/run/output";

describe("learners' programs", () => {
  it("run in the languages that authors name", () => {
    for (const name of ["javascript", "JS", "js"]) expect(runnable(name)).toBe("javascript");
    for (const name of ["python", "Python", "py"]) expect(runnable(name)).toBe("python");
    for (const name of ["", "rust", "constructor", "__proto__", "typescript"]) expect(runnable(name)).toBeUndefined();
  });

  it("send their output in parts, up to the limit", () => {
    const sent: RunMessage[] = [];
    const output = new Output((message) => sent.push(message));
    for (let n = 0; n < 100; n++) expect(output.add("x".repeat(10))).toBe(true);
    expect(sent).toEqual([]);
    expect(output.add("y".repeat(MAX_OUTPUT))).toBe(false);
    expect(output.add("z")).toBe(false);
    output.flush();
    const text = sent.map((message) => (message.kind === "output" ? message.text : "")).join("");
    expect(text).toHaveLength(MAX_OUTPUT);
    expect(text).not.toContain("z");
  });

  it("find nothing on the global object but the language", () => {
    class Scope {
      fetch(): void {}
      get navigator(): object {
        return {};
      }
    }
    const scope = Object.assign(Object.create(new Scope()) as object, {
      postMessage: (): void => undefined,
      Array,
      own: {},
      LIMIT: 3,
    });
    Object.defineProperty(scope, "stays", { value: {}, configurable: false, writable: false });
    const before = Object.getOwnPropertyDescriptors(Function.prototype).constructor;
    const left = fence(scope, ["own"]);
    Object.defineProperty(Function.prototype, "constructor", before);
    expect(left).toEqual(["stays"]);
    expect(Object.keys(scope)).toEqual(["Array", "own"]);
    expect((scope as { fetch?: unknown }).fetch).toBeUndefined();
    expect((scope as { navigator?: unknown }).navigator).toBeUndefined();
  });
});
