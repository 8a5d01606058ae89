//! Entry point: loads the styles and mounts the app.
import "./styles/tokens.css";
import "./styles/fonts.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/screens.css";
import "./styles/forced-colors.css";
import { mount } from "svelte";
import App from "./app/App.svelte";
import { startReporting } from "./platform/measure";
import { afterFrame } from "./state/afterFirstFrame.svelte";
import { followSystem } from "./state/appearance";
import { pick, setLanguage } from "./i18n/index.svelte";

followSystem();
// Loads the catalogue of the system's language while the settings are requested.
void setLanguage(pick(""));
startReporting();
mount(App, { target: document.getElementById("app")! });
// The observers also deliver entries from before their start.
afterFrame(() => void import("./state/vitals").then(({ observeVitals }) => observeVitals()));
