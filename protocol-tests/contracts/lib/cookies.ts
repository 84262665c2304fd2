/** A browser's cookie jar for one host, as far as these contracts need one, and `Set-Cookie` taken apart. */

export interface SetCookie {
  name: string;
  value: string;
  /** Attribute names in lower case; a flag such as `HttpOnly` has the value `true`. */
  attributes: Record<string, string | true>;
}

export function parseSetCookie(header: string): SetCookie {
  const [pair = "", ...rest] = header.split(";").map((part) => part.trim());
  const [name, value] = split(pair);
  const attributes: SetCookie["attributes"] = {};
  for (const part of rest) {
    const [key, text] = split(part);
    attributes[key.toLowerCase()] = part.includes("=") ? text : true;
  }
  return { name, value, attributes };
}

export class CookieJar {
  private readonly cookies = new Map<string, string>();
  /** Every `Set-Cookie` this jar was given, oldest first. */
  readonly history: SetCookie[] = [];

  store(headers: string | string[] | undefined): void {
    for (const header of [headers ?? []].flat()) {
      const cookie = parseSetCookie(header);
      this.history.push(cookie);
      if (isGone(cookie)) this.cookies.delete(cookie.name);
      else this.cookies.set(cookie.name, cookie.value);
    }
  }

  get(name: string): string | undefined {
    return this.cookies.get(name);
  }

  set(name: string, value: string): void {
    this.cookies.set(name, value);
  }

  /** The `Cookie` request header; undefined when the jar is empty. */
  header(): string | undefined {
    const pairs = [...this.cookies].map(([name, value]) => `${name}=${value}`);
    return pairs.length ? pairs.join("; ") : undefined;
  }
}

function isGone({ attributes }: SetCookie): boolean {
  const maxAge = attributes["max-age"];
  if (typeof maxAge === "string") return Number(maxAge) <= 0;
  const expires = attributes.expires;
  return typeof expires === "string" && Date.parse(expires) <= Date.now();
}

function split(part: string): [string, string] {
  const at = part.indexOf("=");
  return at < 0 ? [part, ""] : [part.slice(0, at), part.slice(at + 1)];
}
