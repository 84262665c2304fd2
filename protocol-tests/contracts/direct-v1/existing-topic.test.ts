/** direct-v1.md section 8: a topic of the original backend is taken over at the offset its consumers had committed. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { type Consumer, Kafka, logLevel } from "kafkajs";
import { type Collection, MongoClient } from "mongodb";
import { inDatabase } from "../../lib/cluster.ts";
import { realServers } from "../../lib/real-servers.ts";
import { eventually } from "../../lib/wait.ts";
import { call } from "../lib/browser-http.ts";
import type { Message } from "../lib/frontend-direct.ts";
import { dataUrl } from "../lib/images.ts";
import { emitMessage, history, idsOf, directV1 as kit, logInAgain, textsOf } from "../lib/kit.ts";
import { messageDocument, oldPerson, userDocument } from "../lib/node-backend.ts";
import { SHAPE, startServer } from "../lib/server.ts";
import { openTab } from "../lib/tabs.ts";

/** The original's consumer group. */
const GROUP = "chat-messages";

test("what Node had committed is not stored again, what it had not is; other consumers go on reading", {
  skip: SHAPE === "cluster" ? false : "Kafka is the cluster's",
}, async () => {
  const { kafkaBrokers, mongoUri } = realServers();
  const name = `existing-topic-${randomUUID().slice(0, 8)}`;
  const uri = inDatabase(mongoUri, name);
  const client = await new MongoClient(uri).connect();
  after(() => client.close());
  const messages = client.db().collection("messages");
  const kafka = new Kafka({ brokers: kafkaBrokers.split(","), logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: name, numPartitions: 1 }], waitForLeaders: true });
  await admin.disconnect();
  const producer = kafka.producer();
  await producer.connect();
  after(() => producer.disconnect());
  const [ann, bob] = [oldPerson("Ann"), oldPerson("Bob")];
  /** As the original's socket handler does. */
  const sendAsNode = async (text: string) => {
    const record = { senderId: ann.id, receiverId: bob.id, text, image: null, timestamp: Date.now() };
    await producer.send({ topic: name, messages: [{ value: JSON.stringify(record) }] });
  };

  // The original at work. It ends when it has stored three; two more were sent.
  await client
    .db()
    .collection("users")
    .insertMany([ann, bob].map((person) => userDocument("direct-v1", person, new Date())));
  for (const text of ["old 1", "old 2", "old 3"]) await sendAsNode(text);
  await storeAsNode(kafka.consumer({ groupId: GROUP }), name, messages, 3);
  for (const text of ["left 1", "left 2"]) await sendAsNode(text);
  const stored = await messages.find().sort({ createdAt: 1 }).toArray();
  assert.deepEqual(
    stored.map(({ text }) => text),
    ["old 1", "old 2", "old 3"],
  );

  const server = await startServer("direct-v1", {
    MONGODB_URI: uri,
    KAFKA_TOPIC: name,
    KAFKA_GROUP: GROUP,
  });
  after(() => server.stop());
  const [annHere, bobHere] = [await logInAgain(server, kit, ann), await logInAgain(server, kit, bob)];
  const taken = ["old 1", "old 2", "old 3", "left 1", "left 2"];
  const seen = await history(kit, bobHere, ann.id);
  assert.deepEqual(textsOf(seen), taken);
  assert.deepEqual(
    idsOf(seen.slice(0, 3)),
    stored.map(({ _id }) => String(_id)),
  );
  assert.deepEqual(await history(kit, annHere, bob.id), seen);
  assert.equal(await messages.countDocuments(), taken.length);

  // A Node process that still runs, and Sockeye, side by side.
  const [annTab, bobTab] = [await openTab(annHere, ann.id).active(), await openTab(bobHere, bob.id).active()];
  await sendAsNode("from a Node that is left");
  await eventually("it is pushed to Bob", () => bobTab.all("newMessage").length === 1);
  const sent = await emitMessage(annTab, bob.id, "from Sockeye");
  const answer = await call(annHere, "POST", kit.path.send(bob.id), { text: "look", image: dataUrl("png") });
  const picture = kit.sentIn(answer.data);
  const whole = [...taken, "from a Node that is left", "from Sockeye", "look"];
  assert.deepEqual(textsOf(await history(kit, bobHere, ann.id)), whole);
  await eventually("Bob has all", () => bobTab.all("newMessage").length === 3);
  assert.deepEqual(textsOf(bobTab.all<Message>("newMessage")), whole.slice(-3));
  assert.equal(await messages.countDocuments(), whole.length);

  // Another application's consumer finds the five fields in all of them.
  const records = await readAll(kafka.consumer({ groupId: `another-${name}` }), name, whole.length);
  assert.deepEqual(
    records.map((record) => record.text),
    whole,
  );
  for (const record of records) {
    assert.equal(record.senderId, ann.id);
    assert.equal(record.receiverId, bob.id);
    assert.equal(typeof record.timestamp, "number");
    assert.ok(record.image === null || typeof record.image === "string");
  }
  for (const [index, message] of [sent, picture].entries()) {
    const record = records.at(index - 2);
    assert.equal(record?.timestamp, Date.parse(message.createdAt));
    assert.equal(record?.image || null, message.image || null);
  }
});

/** The original's consumer: one document for each record, with the time of storing; then it commits. */
async function storeAsNode(
  consumer: Consumer,
  topic: string,
  messages: Collection,
  count: number,
): Promise<void> {
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  let committed = 0;
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      const { senderId, receiverId, text, image } = recordOf(message.value);
      const person = (id: string) => ({ id, name: "", email: "", password: "" });
      const at = new Date();
      await messages.insertOne(
        messageDocument({ from: person(senderId), to: person(receiverId), text, image, at }),
      );
      await consumer.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }]);
      committed += 1;
    },
  });
  await eventually(`${count} records stored`, () => committed === count, 30_000);
  await consumer.disconnect();
}

/** A record's value, read as an application that knows the original's five fields does. */
interface FiveFields {
  readonly senderId: string;
  readonly receiverId: string;
  readonly text: string;
  readonly image: string | null;
  readonly timestamp: number;
}

const recordOf = (value: Buffer | null): FiveFields => JSON.parse(String(value));

async function readAll(consumer: Consumer, topic: string, count: number): Promise<FiveFields[]> {
  const records: FiveFields[] = [];
  let crash: Error | null = null;
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    crash = payload.error;
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({ eachMessage: async ({ message }) => void records.push(recordOf(message.value)) });
  try {
    await eventually(
      `${count} records read`,
      () => {
        if (crash) throw crash;
        return records.length === count;
      },
      30_000,
    );
  } finally {
    await consumer.disconnect();
  }
  return records;
}
