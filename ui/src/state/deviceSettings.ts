//! Language and theme of this device, for the time before an account is open. Kept in the local storage, because the
//! core stores settings with an account.
import type { Settings } from "../api/types";

export type DeviceSettings = Partial<Pick<Settings, "language" | "theme">>;

const STORE = "carrel.device";
const languages = ["", "en", "fr", "ar"];
const themes = ["system", "paper", "sepia", "night", "contrast"];

export function deviceSettings(): DeviceSettings {
  try {
    const stored = JSON.parse(localStorage.getItem(STORE) ?? "{}") as Partial<Record<string, unknown>> | null;
    const found: DeviceSettings = {};
    if (languages.includes(stored?.["language"] as string)) found.language = stored!["language"] as string;
    if (themes.includes(stored?.["theme"] as string)) found.theme = stored!["theme"] as Settings["theme"];
    return found;
  } catch {
    return {};
  }
}
export function setDeviceSettings(change: DeviceSettings): void {
  try {
    localStorage.setItem(STORE, JSON.stringify({ ...deviceSettings(), ...change }));
  } catch {
    // Without storage, the choice is lost when the app is closed.
  }
}

/** Returns the choices of this device for which an account has no value of its own. */
export function missingIn(settings: Settings): DeviceSettings {
  const { language, theme } = deviceSettings();
  return {
    ...(language && !settings.language ? { language } : {}),
    ...(theme && theme !== "system" && settings.theme === "system" ? { theme } : {}),
  };
}
