// Uses the rules and packages of the UI, so that there is one version of each.
export { scripts as default } from "../../ui/eslint.config.js";
