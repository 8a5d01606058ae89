import "./styles/tokens.css";
import "./styles/fonts.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/screens.css";
import { mount } from "svelte";
import App from "./App.svelte";
import { followSystem } from "./lib/appearance";
import { pick, speak } from "./lib/i18n/index.svelte";

followSystem();
// The likeliest catalogue comes while the core answers.
void speak(pick(""));
mount(App, { target: document.getElementById("app")! });
