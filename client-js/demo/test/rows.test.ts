import assert from "node:assert/strict";
import { test } from "node:test";
import { rows } from "../src/ui/rows.ts";
import { message } from "./fixtures.ts";

/** Noon, so that an hour more or less is the same day in every time zone. */
const at = (n: number, day: number, second = 0) =>
  message(n, { createdAt: new Date(2026, 0, day, 12, 0, second).toISOString() });

test("a day begins once, although a clock goes back", () => {
  const days = rows([at(1, 2), at(2, 3), at(3, 2), at(4, 3), at(5, 4)]).map((row) => row.day !== null);
  assert.deepEqual(days, [true, true, false, false, true]);
});

test("messages of one person stand together when they are near in time, in either direction", () => {
  const joined = rows([at(1, 2, 10), at(2, 2, 5), at(3, 1), { ...at(4, 1), senderId: "me" }]);
  assert.deepEqual(
    joined.map((row) => row.isJoined),
    [false, true, false, false],
  );
});

test("rows have the order of the messages", () => {
  assert.deepEqual(
    rows([at(3, 3), at(1, 1), at(2, 2)]).map((row) => row.message._id),
    ["m3", "m1", "m2"],
  );
});
