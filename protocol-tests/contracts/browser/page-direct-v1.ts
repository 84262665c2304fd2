/** The page of the Chromium test for contract `direct-v1`: the driver, with real cookies, CORS and <img>. */
import { DirectV1Frontend } from "../lib/frontend-direct-v1.ts";
import { apiBase, axios, io, paint, socketAddress } from "./page.ts";

const app = new DirectV1Frontend(axios.create({ baseURL: apiBase, withCredentials: true }), (query) =>
  io(socketAddress, { query }),
);
paint(app);
