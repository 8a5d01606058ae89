//! Syntax highlighting for the languages that lessons use; loaded when a lesson shows code.
import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import css from "highlight.js/lib/languages/css";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import python from "highlight.js/lib/languages/python";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import xml from "highlight.js/lib/languages/xml";

for (const [name, language] of Object.entries({ bash, c, css, javascript, json, python, rust, sql, xml }))
  hljs.registerLanguage(name, language);
hljs.registerAliases(["js", "ts", "typescript"], { languageName: "javascript" });
hljs.registerAliases(["html", "svg"], { languageName: "xml" });
hljs.registerAliases(["py"], { languageName: "python" });
hljs.registerAliases(["sh", "shell"], { languageName: "bash" });

/** Returns escaped HTML with spans of `hljs-` classes, or undefined if the language is unknown. */
export function highlight(code: string, language: string): string | undefined {
  return hljs.getLanguage(language) ? hljs.highlight(code, { language, ignoreIllegals: true }).value : undefined;
}
