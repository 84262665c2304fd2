import assert from "node:assert/strict";
import { test } from "node:test";
import { recentLoaded, touched } from "../src/chat/recent.ts";

test("with whom something was said comes first", () => {
  assert.deepEqual(touched(null, "a"), ["a"]);
  assert.deepEqual(touched(["a", "b"], "c"), ["c", "a", "b"]);
  assert.deepEqual(touched(["a", "b"], "b"), ["b", "a"]);
  const first = ["a", "b"];
  assert.equal(touched(first, "a"), first);
});

test("the server's order counts, but for what was said since it was asked", () => {
  assert.deepEqual(recentLoaded(null, ["a", "b"], new Set()), ["a", "b"]);
  assert.deepEqual(recentLoaded(["a", "b", "c"], ["c", "b", "a"], new Set()), ["c", "b", "a"]);
  assert.deepEqual(recentLoaded(["d", "b", "c"], ["c", "b"], new Set(["d", "b"])), ["d", "b", "c"]);
});
