/** The page of the Chromium test for contract `direct`: the driver, with real cookies, CORS and <img>. */
import { DirectFrontend } from "../lib/frontend-direct.ts";
import { apiBase, axios, io, paint, socketAddress } from "./page.ts";

const app = new DirectFrontend(axios.create({ baseURL: apiBase, withCredentials: true }), (query) =>
  io(socketAddress, { query }),
);
paint(app);
