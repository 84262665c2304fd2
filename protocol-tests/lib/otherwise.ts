// Where Sockeye is known to do otherwise than the Node server. Each is an expectation of its own, with a
// name and a test of what happens instead, so that mending one fails here and shortens the list.
import { type TestContext, test } from "node:test";

const isSockeye = process.env.PROTOCOL_TARGET === "sockeye";

type Body = (t: TestContext) => Promise<void>;

/** `expected` holds for every server; only Sockeye is held to `instead`, because of `reason`. */
export function unlessSockeye(name: string, expected: Body, reason: string, instead: Body): void {
  if (isSockeye) test(`OTHERWISE: ${name}; ${reason}`, instead);
  else test(name, expected);
}
