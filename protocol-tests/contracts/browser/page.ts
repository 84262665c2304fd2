/** What both test pages share. Runs in the browser, beside the global `axios` and the server's own `io`. */
import type { AxiosStatic } from "axios";
import type { io as Io } from "socket.io-client";
import type { Message } from "../lib/frontend-direct.ts";

/** As little of the DOM as is used; these files are type-checked as Node programs. */
interface PageElement {
  replaceChildren(...children: PageElement[]): void;
  textContent: string;
  src: string;
}
interface PageGlobals {
  axios: AxiosStatic;
  io: typeof Io;
  document: { querySelector(css: string): PageElement; createElement(tag: string): PageElement };
  app: unknown;
  apiOrigin?: string;
}

const page = globalThis as unknown as PageGlobals;
const server = page.document.querySelector("meta[name=server]") as unknown as { content: string };

export const { axios, io } = page;
/** Empty in the same-origin deployment: `/api` and `/`, as a production build has them. */
export const apiBase = `${server.content}/api`;
export const socketAddress = server.content || "/";

/** Shows the messages, so that pictures are really loaded, and lets the test drive the page. */
export function paint(app: { messages: Message[]; onChange: () => void }): void {
  page.app = app;
  const shown = new Map<string, PageElement>();
  app.onChange = () => {
    page.document.querySelector("main").replaceChildren(
      ...app.messages.map((message) => {
        const key = message.image || message._id;
        const element = shown.get(key) ?? page.document.createElement(message.image ? "img" : "p");
        if (!shown.has(key)) {
          if (message.image) element.src = message.image;
          else element.textContent = String(message.text);
        }
        shown.set(key, element);
        return element;
      }),
    );
  };
}
