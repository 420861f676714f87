import { defineConfig } from "vite";

// The server reads manifest.json to find the hashed names (wegewart_api/dashboard/assets.py).
export default defineConfig({
  base: "./", // chunks find each other relative to themselves, whatever path the server mounts them at
  build: {
    outDir: "../wegewart_api/dashboard/static/built",
    emptyOutDir: true,
    manifest: "manifest.json",
    assetsDir: "",
    assetsInlineLimit: 0, // fonts and images stay files of our own origin: font-src 'self' is enough
    chunkSizeWarningLimit: 1200, // MapLibre alone is 1.1 MB; it loads only where there is a map
    modulePreload: { polyfill: false }, // the polyfill would be an inline script
    target: "es2022",
    rolldownOptions: {
      input: "src/main.ts",
      output: {
        // The worker is shipped as .mjs; .js has the right media type on every server.
        assetFileNames: (asset) =>
          asset.names.some((name) => name.endsWith(".mjs")) ? "[name]-[hash].js" : "[name]-[hash][extname]",
      },
    },
  },
});
