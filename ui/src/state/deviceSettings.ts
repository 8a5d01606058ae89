//! Language, theme and languages of the content of this device, for the time before an account is open. Kept in the local storage, because the
//! core stores settings with an account.
import type { Settings } from "../api/types";

export type DeviceSettings = Partial<Pick<Settings, "language" | "theme" | "contentLanguages">>;

const STORE = "carrel.device";
const languages = ["", "en", "fr", "ar"];
const themes = ["system", "paper", "sepia", "night", "contrast"];

export function deviceSettings(): DeviceSettings {
  try {
    const stored = JSON.parse(localStorage.getItem(STORE) ?? "{}") as Partial<Record<string, unknown>> | null;
    const found: DeviceSettings = {};
    if (languages.includes(stored?.["language"] as string)) found.language = stored!["language"] as string;
    if (themes.includes(stored?.["theme"] as string)) found.theme = stored!["theme"] as Settings["theme"];
    const tags = stored?.["contentLanguages"];
    if (Array.isArray(tags))
      found.contentLanguages = tags.filter((tag): tag is string => /^[a-z0-9-]{2,35}$/i.test(String(tag))).slice(0, 20);
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
  const { language, theme, contentLanguages = [] } = deviceSettings();
  return {
    ...(language && !settings.language ? { language } : {}),
    ...(theme && theme !== "system" && settings.theme === "system" ? { theme } : {}),
    ...(contentLanguages.length > 0 && settings.contentLanguages.length === 0 ? { contentLanguages } : {}),
  };
}
