/**
 * axios in Node that shows a page only what a browser would: it keeps cookies, sends `Origin`, asks the preflight
 * question, and turns an answer without the right CORS headers into a network error.
 */
import axios, {
  AxiosError,
  type AxiosInstance,
  type AxiosResponse,
  type InternalAxiosRequestConfig,
} from "axios";
import { must } from "../../lib/wait.ts";
import { CookieJar } from "./cookies.ts";
import { PAGE_ORIGIN } from "./server.ts";

/** `cross-origin`: the page is on PAGE_ORIGIN (development). `same-origin`: the server serves the page. */
export type Deployment = "cross-origin" | "same-origin";

export interface Browser {
  readonly http: AxiosInstance;
  readonly jar: CookieJar;
  readonly origin: string;
  readonly deployment: Deployment;
  /** Where the next page reaches the server: the first one where `http` does, further ones at the next gateway. */
  pageUrl(): string;
}

/**
 * A fresh browser profile. `where` is the server's address, or the addresses its pages are led to in turn. `api` is
 * the REST base the frontend was built with.
 */
export function newBrowser(
  where: string | readonly string[],
  deployment: Deployment = "cross-origin",
  api = "/api",
): Browser {
  const urls = [where].flat();
  const url = must(urls[0], "an address");
  const origin = deployment === "cross-origin" ? PAGE_ORIGIN : url;
  const jar = new CookieJar();
  const http = axios.create({
    baseURL: url + api,
    withCredentials: true,
    proxy: false,
    maxRedirects: 0,
    maxBodyLength: Number.POSITIVE_INFINITY,
    maxContentLength: Number.POSITIVE_INFINITY,
  });
  const send = axios.getAdapter("http");
  const asked = new Set<string>();

  http.defaults.adapter = async (config) => {
    const cross = deployment === "cross-origin";
    if (cross && needsPreflight(config)) {
      const key = `${config.method} ${http.getUri(config)}`;
      if (!asked.has(key)) await preflight(http.getUri(config), config, origin);
      asked.add(key);
    }
    const cookie = jar.header();
    if (cookie && !config.headers.has("Cookie")) config.headers.set("Cookie", cookie);
    if (cross || config.method !== "get") config.headers.set("Origin", origin);

    let answer: AxiosResponse;
    let failure: unknown;
    try {
      answer = await send(config);
    } catch (error) {
      if (!(error instanceof AxiosError) || !error.response) throw error;
      failure = error;
      answer = error.response;
    }
    jar.store(answer.headers["set-cookie"]);
    if (cross) assertReadable(answer, config, origin);
    if (failure) throw failure;
    return answer;
  };
  return { http, jar, origin, deployment, pageUrl: inTurn(urls) };
}

/** One after the other, and from the beginning again. */
export function inTurn(urls: readonly string[]): () => string {
  let given = 0;
  return () => {
    given += 1;
    return must(urls[(given - 1) % urls.length], "an address");
  };
}

/** The answer whatever its status, as the browser would let a page see it. */
export function call(
  browser: Pick<Browser, "http">,
  method: "GET" | "POST" | "PUT",
  path: string,
  data?: unknown,
  headers: Record<string, string> = {},
): Promise<AxiosResponse> {
  return browser.http.request({ method, url: path, data, headers, validateStatus: () => true });
}

function needsPreflight(config: InternalAxiosRequestConfig): boolean {
  if (config.headers.has("Authorization")) return true;
  const type = String(config.headers.getContentType() ?? "");
  return config.method === "put" || (config.data !== undefined && type.includes("application/json"));
}

async function preflight(url: string, config: InternalAxiosRequestConfig, origin: string): Promise<void> {
  const method = String(config.method).toUpperCase();
  const wanted = config.headers.has("Authorization") ? "authorization,content-type" : "content-type";
  const answer = await fetch(url, {
    method: "OPTIONS",
    headers: {
      origin,
      "access-control-request-method": method,
      "access-control-request-headers": wanted,
    },
  });
  const header = (name: string) => answer.headers.get(name) ?? "";
  const methods = header("access-control-allow-methods").toUpperCase();
  const headers = header("access-control-allow-headers").toLowerCase();
  const allowed =
    answer.ok &&
    header("access-control-allow-origin") === origin &&
    header("access-control-allow-credentials") === "true" &&
    (method === "POST" || methods.includes(method)) &&
    wanted.split(",").every((name) => headers.includes(name));
  if (!allowed) {
    const said = JSON.stringify(Object.fromEntries(answer.headers));
    throw new AxiosError(
      `Network Error: preflight of ${method} ${url} refused: ${answer.status} ${said}`,
      "ERR_NETWORK",
      config,
    );
  }
}

function assertReadable(answer: AxiosResponse, config: InternalAxiosRequestConfig, origin: string): void {
  const allowOrigin = answer.headers["access-control-allow-origin"];
  const credentials = answer.headers["access-control-allow-credentials"];
  if (allowOrigin === origin && credentials === "true") return;
  throw new AxiosError(
    `Network Error: a browser hides the ${answer.status} answer of ${config.method} ${config.url}: ` +
      `allow-origin ${allowOrigin}, allow-credentials ${credentials}`,
    "ERR_NETWORK",
    config,
  );
}
