// HTTP with nothing in between: one connection per request, bodies as bytes, abortable.
import http from "node:http";
import { within } from "./within.ts";

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
  text: string;
}

export interface RequestOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** Sends the body without Content-Length, in this many pieces. */
  chunks?: number;
  signal?: AbortSignal;
}

/** Rejects when the connection breaks before the answer is complete. */
export function request(url: string, options: RequestOptions = {}): Promise<Answer> {
  const { method = "GET", headers = {}, body, chunks, signal } = options;
  const answer = new Promise<Answer>((resolve, reject) => {
    let answered = false;
    const bytes = body === undefined ? undefined : Buffer.from(body);
    const lengthKnown = bytes !== undefined && chunks === undefined;
    const outgoing = http.request(
      url,
      {
        method,
        agent: false,
        signal,
        headers: lengthKnown ? { "content-length": bytes.length, ...headers } : headers,
      },
      (incoming) => {
        answered = true;
        const parts: Buffer[] = [];
        incoming.on("data", (part: Buffer) => parts.push(part));
        incoming.on("error", reject);
        incoming.on("end", () => {
          const whole = Buffer.concat(parts);
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: whole,
            text: whole.toString("utf8"),
          });
        });
      },
    );
    outgoing.on("error", (error) => {
      // A server may refuse a body it has not read to the end; its answer still counts.
      if (!answered) reject(error);
    });
    if (bytes !== undefined && chunks !== undefined) {
      const size = Math.ceil(bytes.length / chunks);
      for (let at = 0; at < bytes.length; at += size) outgoing.write(bytes.subarray(at, at + size));
      outgoing.end();
    } else outgoing.end(bytes);
  });
  return within(`${method} ${url}`, answer);
}

/** The error body both servers give: what went wrong as a number and in words. */
export function errorOf(answer: Answer): unknown {
  return JSON.parse(answer.text);
}
