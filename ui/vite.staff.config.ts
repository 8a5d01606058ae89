//! Build of the pages for staff that the server serves to browsers (`dist-staff`). A build of its own: it must not
//! change the chunks of the app, and its addresses are relative, because the server may serve it below the path of a
//! tenant.
import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [svelte()],
  base: "./",
  clearScreen: false,
  build: {
    target: "es2022",
    outDir: "dist-staff",
    // The content security policy forbids data: fonts, so nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 400,
    rolldownOptions: { input: fileURLToPath(new URL("staff.html", import.meta.url)) },
  },
});
