import assert from "node:assert/strict";
import { test } from "node:test";
import { isConfirmingEnter, isEnter } from "../src/ui/keys.ts";

test("Enter is Enter", () => {
  const enter = { key: "Enter", isComposing: false, keyCode: 13 };
  assert.ok(isEnter(enter));
  assert.ok(!isConfirmingEnter(enter));
});

test("Enter that confirms a word of an input method is none: as Chrome says it, and as Safari does", () => {
  for (const key of [
    { key: "Enter", isComposing: true, keyCode: 229 },
    { key: "Enter", isComposing: true, keyCode: 13 },
    { key: "Enter", isComposing: false, keyCode: 229 },
  ]) {
    assert.ok(!isEnter(key), JSON.stringify(key));
    assert.ok(isConfirmingEnter(key), JSON.stringify(key));
  }
});

test("other keys are neither", () => {
  const letter = { key: "a", isComposing: false, keyCode: 229 };
  assert.ok(!isEnter(letter));
  assert.ok(!isConfirmingEnter(letter));
});
