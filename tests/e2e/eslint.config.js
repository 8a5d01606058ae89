// Uses the ESLint rules and the packages of ui/, so that there is one version of each.
export { scripts as default } from "../../ui/eslint.config.js";
