/** Each judgement finds its planted violation, and a clean ledger is clean. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Ledger, presenceDifference, type Verdict } from "./ledger.ts";

const CLEAN: Verdict = { lost: [], twice: [], misordered: [], stale: [] };

/** Ann and Bob, a device each; Ann sends `texts`, all is well. Then `plant` spoils it. */
function played(plant: (ledger: Ledger) => void = () => {}, texts = ["one", "two", "three"]): Verdict {
  const ledger = new Ledger();
  ledger.addDevice("ann-1", "ann", ["ann+bob"]);
  ledger.addDevice("bob-1", "bob", ["ann+bob"]);
  let at = 100;
  for (const text of texts) {
    const send = ledger.send(text, "ann+bob", "ann-1", at);
    send.attempts = 1;
    ledger.receipts.push(receipt(text, at + 1));
    send.acks.push({ id: `id of ${text}`, at: at + 2, lineage: 0 });
    at += 10;
  }
  for (const user of ["ann", "bob"]) ledger.reads.push(read(user, texts, at));
  plant(ledger);
  return ledger.judge();
}

const seen = (text: string) => ({ id: `id of ${text}`, text });
const receipt = (text: string, at: number, lineage = 0) => ({
  ...seen(text),
  device: "bob-1",
  lineage,
  conversation: "ann+bob",
  at,
  replayed: false,
});
const read = (
  user: string,
  texts: string[],
  startedAt: number,
  page: { device: string; lineage: number } | null = null,
) => ({
  user,
  page,
  conversation: "ann+bob",
  startedAt,
  messages: texts.map(seen),
});

/** Only `key` has findings, and one of them says `what`. */
function finds(verdict: Verdict, key: keyof Verdict, what: RegExp): void {
  assert.match(verdict[key].join("\n"), what);
  for (const other of Object.keys(CLEAN) as (keyof Verdict)[])
    if (other !== key) assert.deepEqual(verdict[other], [], other);
}

test("a clean ledger is clean", () => {
  assert.deepEqual(played(), CLEAN);
});

test("acknowledged and not in the history of one end", () => {
  const verdict = played((ledger) => ledger.reads.push(read("bob", ["one", "three"], 0)));
  assert.match(verdict.lost.join("\n"), /not in bob's history: two/);
  assert.match(verdict.misordered.join("\n"), /differ between its ends from entry 1 on/);
});

test("acknowledged and in no history", () => {
  const verdict = played((ledger) => {
    ledger.receipts.splice(1, 1);
    for (const user of ["ann", "bob"]) ledger.reads.push(read(user, ["one", "three"], 0));
    ledger.reads.push(read("bob", ["one", "two", "three"], 0, { device: "bob-1", lineage: 0 }));
  });
  finds(verdict, "lost", /acknowledged, not in ann's history: two/);
});

test("no history read at all is not a pass", () => {
  finds(
    played((ledger) => ledger.reads.splice(0)),
    "lost",
    /no history of ann\+bob was read/,
  );
});

test("acknowledged and missing on a screen", () => {
  finds(
    played((ledger) => ledger.receipts.splice(1, 1)),
    "lost",
    /not on the screen of bob-1: two/,
  );
});

test("a screen is complete when a reload brings what was not pushed, and not when it was another screen's", () => {
  const missed = (lineage: number) => (ledger: Ledger) => {
    ledger.receipts.splice(0);
    const bob = ledger.devices.get("bob-1");
    if (bob) bob.lineage = 1;
    ledger.reads.push(read("bob", ["one", "two", "three"], 200, { device: "bob-1", lineage }));
  };
  assert.deepEqual(played(missed(1)), CLEAN);
  finds(played(missed(0)), "lost", /not on the screen of bob-1: one/);
});

test("who left need not have everything", () => {
  const verdict = played((ledger) => {
    ledger.receipts.splice(1, 1);
    const bob = ledger.devices.get("bob-1");
    if (bob) bob.present = false;
  });
  assert.deepEqual(verdict, CLEAN);
});

test("pushed without ever being stored", () => {
  const verdict = played((ledger) => ledger.receipts.push(receipt("ghost", 140)));
  finds(verdict, "lost", /pushed, not in ann's history: ghost/);
});

test("stored twice under two ids", () => {
  const verdict = played((ledger) => {
    for (const user of ["ann", "bob"]) {
      const again = read(user, ["one", "two", "three"], 200);
      again.messages.push({ id: "another", text: "two" });
      ledger.reads.push(again);
    }
  });
  finds(verdict, "twice", /stored twice in ann's history of ann\+bob: two/);
  assert.match(verdict.twice.join("\n"), /one send, ids .* and another: two/);
});

test("the same id twice in a history", () => {
  const verdict = played((ledger) => {
    for (const user of ["ann", "bob"]) ledger.reads.push(read(user, ["one", "two", "three", "three"], 200));
  });
  finds(verdict, "twice", /id id of three twice/);
});

test("pushed twice to one screen", () => {
  finds(
    played((ledger) => ledger.receipts.push(receipt("three", 150))),
    "twice",
    /pushed twice to bob-1\/0: three/,
  );
});

test("pushed again after a reload is another screen", () => {
  const verdict = played((ledger) => ledger.receipts.push(receipt("three", 150, 1)));
  assert.deepEqual(verdict, CLEAN);
});

test("pushed to the caller after its acknowledgement, not before", () => {
  const echo = (at: number) => (ledger: Ledger) =>
    void ledger.receipts.push({ ...receipt("one", at), device: "ann-1" });
  assert.deepEqual(played(echo(101)), CLEAN);
  finds(played(echo(103)), "twice", /pushed to ann-1 after its own acknowledgement: one/);
});

test("a retry acknowledged with another id", () => {
  const verdict = played((ledger) => {
    ledger.sends.get("two")?.acks.push({ id: "another", at: 125, lineage: 0 });
  });
  assert.match(verdict.twice.join("\n"), /one send, ids .* and another: two/);
});

test("a device that got them in another order than the history has them", () => {
  const verdict = played((ledger) => {
    ledger.receipts.splice(0, 3, receipt("two", 111), receipt("one", 112), receipt("three", 121));
  });
  finds(verdict, "misordered", /bob-1\/0 got "one" after "two"/);
});

test("two ends whose histories have another order", () => {
  const verdict = played((ledger) => ledger.reads.push(read("bob", ["one", "three", "two"], 200)));
  finds(verdict, "misordered", /differ between its ends from entry 1 on/);
});

test("a message before one that had been acknowledged when it was sent", () => {
  const verdict = played((ledger) => {
    ledger.receipts.splice(0, 3, receipt("two", 111), receipt("one", 112), receipt("three", 121));
    for (const user of ["ann", "bob"]) ledger.reads.push(read(user, ["two", "one", "three"], 200));
  });
  finds(verdict, "misordered", /"one" was acknowledged before "two" was sent, and comes after it/);
});

test("a history that lacked what had been acknowledged before it was asked for", () => {
  const early = (startedAt: number) => (ledger: Ledger) =>
    void ledger.reads.push(read("bob", ["one"], startedAt, { device: "bob-1", lineage: 0 }));
  assert.deepEqual(played(early(111)), CLEAN);
  finds(played(early(113)), "stale", /bob read a history without .*: two/);
});

test("counts", () => {
  const ledger = new Ledger();
  ledger.addDevice("bob-1", "bob", ["ann+bob"]);
  const send = ledger.send("one", "ann+bob", "ann-1", 1);
  send.attempts = 2;
  send.silences = 1;
  send.refusals.push("unavailable");
  send.acks.push({ id: "id of one", at: 2, lineage: 0 });
  ledger.send("two", "ann+bob", "ann-1", 3).unknown = true;
  ledger.receipts.push(receipt("one", 2), { ...receipt("one", 9, 1), replayed: true });
  ledger.reads.push(read("bob", ["one"], 5), read("bob", ["one"], 5, { device: "bob-1", lineage: 1 }));
  ledger.recoveredConnections = 3;
  assert.deepEqual(ledger.counts(), {
    attempted: 2,
    acked: 1,
    retried: 1,
    refused: 1,
    unknown: 1,
    silences: 1,
    stored: 1,
    live: 1,
    replayed: 1,
    recovered: 3,
    reloaded: 1,
  });
});

test("presence: who is missing and who is a ghost", () => {
  assert.deepEqual(presenceDifference(["ann", "bob"], ["bob", "ann"]), []);
  assert.deepEqual(presenceDifference(["ann", "bob"], ["bob", "cat"]), ["-ann", "+cat"]);
});
