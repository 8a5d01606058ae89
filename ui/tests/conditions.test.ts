import { describe, expect, it } from "vitest";
import { conditionsOf } from "../src/state/conditions";

describe("network and battery conditions", () => {
  it.each([
    ["no information", undefined, undefined, {}],
    ["a connection without a type", { saveData: false }, undefined, {}],
    ["a cellular connection", { type: "cellular", saveData: false }, undefined, { metered: true }],
    ["Wi-Fi", { type: "wifi", saveData: false }, undefined, { metered: false }],
    ["Wi-Fi with data saver", { type: "wifi", saveData: true }, undefined, { metered: true }],
    ["a charging battery", undefined, { charging: true, level: 0.2 }, {}],
    ["a discharging battery", undefined, { charging: false, level: 0.126 }, { onBattery: 13 }],
  ])("%s", (_, connection, battery, expected) => {
    expect(conditionsOf(connection, battery)).toEqual(expected);
  });
});
