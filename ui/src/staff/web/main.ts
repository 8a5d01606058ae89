//! Entry point of the pages for staff in a browser, served by the server at /staff/.
import "../../styles/tokens.css";
import "../../styles/fonts.css";
import "../../styles/base.css";
import "../../styles/parts.css";
import "../../styles/screens.css";
import "../../styles/forced-colors.css";
import { mount } from "svelte";
import { applySystemTheme, followSystem } from "../../state/appearance";
import { deviceSettings } from "../../state/deviceSettings";
import { pick, setLanguage } from "../../i18n/index.svelte";
import { loadStaffMessages } from "../messages.svelte";
import { WebSession } from "./webApi";
import WebApp from "./WebApp.svelte";

followSystem();
applySystemTheme(deviceSettings().theme ?? "system");
const target = document.getElementById("app")!;
const session = new WebSession();
void setLanguage(pick(deviceSettings().language ?? ""))
  .then(() => loadStaffMessages())
  .then(() => mount(WebApp, { target, props: { session } }));
