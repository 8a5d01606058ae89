//! Build, development server and test runner of the user interface.
import { createReadStream, statSync } from "node:fs";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vitest/config";
import type { Connect } from "vite";

const assets = fileURLToPath(new URL("../assets/", import.meta.url));
const types: Record<string, string> = {
  ".webp": "image/webp",
  ".jpg": "image/jpeg",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".mp3": "audio/mpeg",
  ".mp4": "video/mp4",
  ".webm": "video/webm",
  ".vtt": "text/vtt",
};

/** Serves images, audio and video of the demo library's sources to the fixture, in development and for screenshots. */
function fixtureMedia(): Plugin {
  const serve = ({ middlewares }: { middlewares: Connect.Server }): void => {
    middlewares.use("/fixture-media", (request, response, next) => {
      const path = normalize(decodeURIComponent((request.url ?? "").split("?")[0] ?? ""));
      const file = join(assets, path);
      const type = types[extname(file)];
      if (!file.startsWith(assets) || !type) return next();
      try {
        const size = statSync(file).size;
        const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
        const start = Number(range?.[1] ?? 0);
        const end = Math.min(range?.[2] ? Number(range[2]) : size - 1, size - 1);
        response.writeHead(range ? 206 : 200, {
          "content-type": type,
          "accept-ranges": "bytes",
          "content-length": end - start + 1,
          ...(range ? { "content-range": `bytes ${start}-${end}/${size}` } : {}),
        });
        createReadStream(file, { start, end }).pipe(response);
      } catch {
        response.writeHead(404).end();
      }
    });
  };
  return { name: "carrel-fixture-media", apply: "serve", configureServer: serve, configurePreviewServer: serve };
}

export default defineConfig({
  plugins: [svelte(), fixtureMedia()],
  clearScreen: false,
  server: {
    port: 5173,
    strictPort: true,
    fs: { allow: [".."] },
    // With CARREL_BRIDGE, Vite forwards commands to a running bridge.
    proxy: process.env["CARREL_BRIDGE"] ? { "/api": process.env["CARREL_BRIDGE"] } : {},
  },
  // One file without imports: the worker has no address from which it could load other files.
  worker: { format: "es", rolldownOptions: { output: { codeSplitting: false } } },
  build: {
    target: "es2022",
    // The content security policy forbids data: fonts, so nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // One script and one style sheet for everything that the first screen needs: each file is a call to the app's process.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: "app", tags: ["$initial"] }] } } },
    chunkSizeWarningLimit: 400,
  },
  test: {
    environment: "jsdom",
    include: ["tests/**/*.test.ts"],
    setupFiles: ["tests/setup.ts"],
  },
  resolve: process.env["VITEST"] ? { conditions: ["browser"] } : {},
});
