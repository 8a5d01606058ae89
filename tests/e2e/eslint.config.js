// The rules of the user interface; its packages are used, so that there is one version of each.
export { scripts as default } from "../../ui/eslint.config.js";
