import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** Where `npm run dev` finds the backend. */
const server = process.env.SOCKEYE_URL ?? "http://localhost:5001";

export default defineConfig({
  plugins: [react()],
  // Nothing inlined into the page: it must load under `script-src 'self'; style-src 'self'`.
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: {
    port: 5173,
    proxy: { "/api": server, "/media": server, "/socket.io": { target: server, ws: true } },
  },
});
