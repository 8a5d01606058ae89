// ESLint rules of the user interface, with the import rules of README.md.
import js from "@eslint/js";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";
import svelteConfig from "./svelte.config.js";

/** Files with type-aware rules. */
const TYPED = ["**/*.ts", "**/*.svelte"];

/** Forbids subscriptions to events: features and components show `live` queries, which are refreshed automatically. */
const EVENTS = { regex: "/platform/events$", message: "Use a `live` query; it is refreshed automatically." };
/** A pattern that forbids imports from `folders`. */
function closed(folders, message) {
  return { regex: `^\\.\\.?/(?:.*/)?(?:${folders.join("|")})/`, message };
}
function boundary(folder, patterns) {
  return {
    files: [`src/${folder}/**`],
    rules: { "no-restricted-imports": ["error", { patterns }] },
  };
}

/** Rules for Node.js scripts. They have browser globals too, because Playwright runs some functions in a page. */
export const scripts = [
  js.configs.recommended,
  {
    files: ["**/*.js", "**/*.mjs", "vite.config.ts", "vite.staff.config.ts"],
    languageOptions: { globals: { ...globals.node, ...globals.browser } },
  },
];

export default ts.config(
  { ignores: ["dist/", "dist-staff/", "node_modules/", "public/", "src/api/"] },
  ...scripts,
  {
    files: TYPED,
    extends: [ts.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, extraFileExtensions: [".svelte"], tsconfigRootDir: import.meta.dirname },
    },
  },
  svelte.configs.recommended,
  svelte.configs.prettier,
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
  },
  {
    files: TYPED,
    languageOptions: { globals: globals.browser },
    rules: {
      // TypeScript checks names more precisely than this rule.
      "no-undef": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      // Control characters separate the parts of ids and mark the matches in search results.
      "no-control-regex": "off",
    },
  },
  {
    files: ["**/*.svelte"],
    rules: {
      // The parser types snippets and template items as `any`; svelte-check checks their types.
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-return": "off",
      // Some ignore comments are for warnings that only svelte-check reports.
      "svelte/no-unused-svelte-ignore": "off",
      // `{" "}` is a space that Prettier does not remove.
      "svelte/no-useless-mustaches": "off",
      // `svelte/prefer-const` can exclude props, which the parent assigns.
      "prefer-const": "off",
      "svelte/prefer-const": ["error", { excludedRunes: ["$props", "$bindable"] }],
    },
  },
  {
    // Tests replace methods on prototypes of browser classes and restore them.
    files: ["tests/**"],
    rules: { "@typescript-eslint/unbound-method": "off" },
  },

  // Import rules: see README.md.
  boundary("features", [
    closed(["staff"], "Learners do not load code for staff."),
    { regex: "^\\.\\./(?!\\.\\./)", message: "A feature must not import another; move shared code to components." },
    closed(["app", "features"], "A feature must import neither the shell nor another feature."),
    EVENTS,
  ]),
  boundary("components", [
    closed(["app", "features", "staff"], "Components must not import features or the shell."),
    EVENTS,
  ]),
  boundary("state", [closed(["app", "features", "components", "staff"], "State must not import user interface code.")]),
  boundary("i18n", [
    closed(["app", "features", "components", "state", "staff"], "i18n must import only platform and api."),
  ]),
  // The pages for staff also run in a browser, without the core: only `staff/app` may use its state and commands.
  boundary("staff", [closed(["features"], "Pages for staff must not import a feature."), EVENTS]),
  ...["teach", "administer", "parts", "web"].map((folder) =>
    boundary(`staff/${folder}`, [
      { regex: "/state/(?:appState|live|pages)", message: "A browser has no app state." },
      { regex: "/api/client$", message: "Use `staffApi()`: a browser has no core." },
      closed(["features"], "Pages for staff must not import a feature."),
    ]),
  ),
  boundary("platform", [
    closed(["app", "features", "components", "state", "i18n"], "The platform must import only the API."),
  ]),
);
