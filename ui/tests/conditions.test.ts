import { describe, expect, it } from "vitest";
import { conditionsOf } from "../src/state/conditions";

describe("what the window knows of network and battery", () => {
  it.each([
    ["nothing", undefined, undefined, {}],
    ["a connection that says nothing of its kind", { saveData: false }, undefined, {}],
    ["a telephone's network", { type: "cellular", saveData: false }, undefined, { metered: true }],
    ["Wi-Fi", { type: "wifi", saveData: false }, undefined, { metered: false }],
    ["Wi-Fi of somebody who saves", { type: "wifi", saveData: true }, undefined, { metered: true }],
    ["a battery that charges", undefined, { charging: true, level: 0.2 }, {}],
    ["a battery that does not", undefined, { charging: false, level: 0.126 }, { onBattery: 13 }],
  ])("%s", (_, connection, battery, expected) => {
    expect(conditionsOf(connection, battery)).toEqual(expected);
  });
});
