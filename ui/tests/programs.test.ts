import { describe, expect, it } from "vitest";
import { difference } from "../src/features/lesson/run/check";
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

  it("are right if they print what is expected, whatever white space ends their lines", () => {
    for (const [expected, printed] of [
      ["1\n2\n", "1\n2"],
      ["1\n2", "1  \r\n2\n\n"],
      ["e\u0301\n", "\u00e9\n"],
      ["", "\n"],
    ])
      expect(difference(expected!, printed!), JSON.stringify([expected, printed])).toBeUndefined();
    expect(difference("1\n2\n3\n", "1\n4\n3\n")).toEqual({ line: 2, expected: "2", printed: "4" });
    expect(difference("1\n2\n", "1\n")).toEqual({ line: 2, expected: "2", printed: undefined });
    expect(difference("1\n", "1\n\n2\n")).toEqual({ line: 2, expected: undefined, printed: "" });
    expect(difference(" 1\n", "1\n")).toEqual({ line: 1, expected: " 1", printed: "1" });
    expect(difference("Ja\n", "ja\n")?.line).toBe(1);
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
