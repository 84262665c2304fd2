/** What every value of the contracts looks like. */
import assert from "node:assert/strict";
import type { AxiosResponse } from "axios";
import type { Message } from "./frontend-direct.ts";

export const ID = /^[0-9a-f]{24}$/;
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

export function assertMessage(
  message: Message,
  expected: { senderId: string; receiverId: string; text: string },
): void {
  assert.match(message._id, ID);
  assert.equal(message.senderId, expected.senderId);
  assert.equal(message.receiverId, expected.receiverId);
  assert.equal(message.text, expected.text);
  assert.match(message.createdAt, DATE);
  assert.match(message.updatedAt, DATE);
  assert.equal((message as { __v?: number }).__v, 0);
}

/** All of `fields` are there as strings, dates are dates, and nothing of the password is. */
export function assertUser(user: object, fields: string[]): void {
  const record = user as Record<string, unknown>;
  assert.match(String(record._id), ID);
  for (const field of fields)
    assert.equal(typeof record[field], "string", `${field} in ${JSON.stringify(user)}`);
  for (const field of ["createdAt", "updatedAt"]) {
    if (field in record) assert.match(String(record[field]), DATE);
  }
  assertNoPassword(user);
}

export function assertNoPassword(body: unknown): void {
  const text = JSON.stringify(body);
  assert.doesNotMatch(text, /"[^"]*password[^"]*":/i);
  assert.doesNotMatch(text, /\$2[aby]\$/);
}

/** An error a frontend can show: JSON object with a non-empty string `message`. */
export function assertError(
  answer: AxiosResponse,
  status: number | number[],
  message?: string | RegExp,
): void {
  const said = `${answer.config.method} ${answer.config.url}: ${answer.status} ${JSON.stringify(answer.data).slice(0, 300)}`;
  assert.ok([status].flat().includes(answer.status), `${said}, expected ${status}`);
  assert.match(String(answer.headers["content-type"]), /^application\/json/, said);
  assert.equal(typeof answer.data?.message, "string", said);
  assert.ok(answer.data.message, said);
  if (message instanceof RegExp) assert.match(answer.data.message, message);
  else if (message !== undefined) assert.equal(answer.data.message, message, said);
}
