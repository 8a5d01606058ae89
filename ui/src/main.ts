import "./styles/tokens.css";
import "./styles/fonts.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/screens.css";
import { mount } from "svelte";
import App from "./App.svelte";
import { followSystem } from "./lib/appearance";

followSystem();
mount(App, { target: document.getElementById("app")! });
