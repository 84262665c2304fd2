/**
 * Sockeye reads `.env` as Node's package `dotenv` does. The table that its own tests are held to is what the real package
 * says. To write it anew: SOCKEYE_WRITE_GOLDEN=1.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "dotenv";
import { texts } from "./dotenv-cases.ts";

const golden = new URL("../../server/node/tests/golden/dotenv.json", import.meta.url);
const randomCount = 1200;

test("the table of .env files says what the real package reads", () => {
  const cases = texts(randomCount).map((text) => ({ text, values: { ...parse(text) } }));
  if (process.env.SOCKEYE_WRITE_GOLDEN === "1") {
    writeFileSync(golden, `[\n${cases.map((one) => JSON.stringify(one)).join(",\n")}\n]\n`);
  }
  assert.deepEqual(JSON.parse(readFileSync(golden, "utf8")), cases);
});
