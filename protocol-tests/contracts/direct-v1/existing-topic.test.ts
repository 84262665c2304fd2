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

const skip = SHAPE === "cluster" ? false : "Kafka is the cluster's";

test("what Node had committed is not stored again, what it had not is stored and shown", {
  skip,
}, async () => {
  const { ann, bob, messages, sendAsNode, storeAsNode, start } = await nodeAtWork();
  for (const text of ["old 1", "old 2", "old 3"]) await sendAsNode(text);
  await storeAsNode(3);
  for (const text of ["left 1", "left 2"]) await sendAsNode(text);
  const stored = await messages.find().sort({ createdAt: 1 }).toArray();
  assert.deepEqual(
    stored.map(({ text }) => text),
    ["old 1", "old 2", "old 3"],
  );

  const { annHere, bobHere } = await start();
  const seen = await history(kit, bobHere, ann.id);
  assert.deepEqual(textsOf(seen), ["old 1", "old 2", "old 3", "left 1", "left 2"]);
  assert.deepEqual(
    idsOf(seen.slice(0, 3)),
    stored.map(({ _id }) => String(_id)),
  );
  assert.deepEqual(await history(kit, annHere, bob.id), seen);
  assert.equal(await messages.countDocuments(), 5);
});

test("a topic that Node had stored to its end: the history is there at once", { skip }, async () => {
  const { ann, messages, sendAsNode, storeAsNode, start } = await nodeAtWork();
  for (const text of ["old 1", "old 2"]) await sendAsNode(text);
  await storeAsNode(2);
  const { bobHere } = await start();
  assert.deepEqual(textsOf(await history(kit, bobHere, ann.id)), ["old 1", "old 2"]);
  assert.equal(await messages.countDocuments(), 2);
});

test("a Node process that is left may go on producing beside Sockeye", { skip }, async () => {
  const { ann, bob, sendAsNode, start } = await nodeAtWork();
  const { annHere, bobHere } = await start();
  const [annTab, bobTab] = [await openTab(annHere, ann.id).active(), await openTab(bobHere, bob.id).active()];
  await sendAsNode("from Node");
  await eventually("it is pushed to Bob", () => bobTab.all("newMessage").length === 1);
  await emitMessage(annTab, bob.id, "from Sockeye");
  await eventually("Bob has both", () => bobTab.all("newMessage").length === 2);
  const seen = await history(kit, bobHere, ann.id);
  assert.deepEqual(textsOf(seen), ["from Node", "from Sockeye"]);
  assert.deepEqual(idsOf(bobTab.all<Message>("newMessage")), idsOf(seen));
});

test("rolled back, Node's consumers go on where Sockeye had stored; then Sockeye again", {
  skip,
}, async () => {
  const { ann, bob, messages, sendAsNode, storeAsNode, groupLeft, start } = await nodeAtWork();
  const { server, annHere, bobHere } = await start();
  const send = async (text: string) => {
    const tab = await openTab(annHere, ann.id).active();
    await emitMessage(tab, bob.id, text);
    tab.close();
  };
  await send("from Sockeye");
  // A worker that ends leaves to the next one what it has not stored yet; here that would be Node.
  assert.deepEqual(textsOf(await history(kit, bobHere, ann.id)), ["from Sockeye"]);
  await server.terminate();
  await groupLeft();
  await sendAsNode("from Node again");
  await storeAsNode(1);
  assert.equal(await messages.countDocuments(), 2, "what Sockeye had committed is not stored again");
  await server.start();
  assert.deepEqual(textsOf(await history(kit, bobHere, ann.id)), ["from Sockeye", "from Node again"]);
  await send("and again");
  const whole = ["from Sockeye", "from Node again", "and again"];
  assert.deepEqual(textsOf(await history(kit, bobHere, ann.id)), whole);
  assert.equal(await messages.countDocuments(), 3);
});

test("another application's consumer finds the five fields in what Sockeye writes", { skip }, async () => {
  const { ann, bob, start, readAll } = await nodeAtWork();
  const { annHere } = await start();
  const tab = await openTab(annHere, ann.id).active();
  const sent = await emitMessage(tab, bob.id, "a text, a text, a text: something to compress");
  const answer = await call(annHere, "POST", kit.path.send(bob.id), { text: "look", image: dataUrl("png") });
  const picture = kit.sentIn(answer.data);
  const records = await readAll(2);
  for (const message of [sent, picture]) {
    const record = records.find(({ text }) => text === message.text);
    assert.equal(record?.senderId, ann.id);
    assert.equal(record?.receiverId, bob.id);
    assert.equal(record?.timestamp, Date.parse(message.createdAt));
    assert.equal(record?.image, message.image || null);
  }
});

/** A database and a topic of the original's, with Ann and Bob in it, and the original's hands on both. */
async function nodeAtWork() {
  const { kafkaBrokers, mongoUri } = realServers();
  const topic = `existing-topic-${randomUUID().slice(0, 8)}`;
  /** The original's is `chat-messages`; here every test has its own. */
  const group = `chat-messages-${topic}`;
  const uri = inDatabase(mongoUri, topic);
  const client = await new MongoClient(uri).connect();
  after(() => client.close());
  const messages = client.db().collection("messages");
  const kafka = new Kafka({ brokers: kafkaBrokers.split(","), logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
  after(() => admin.disconnect());
  const producer = kafka.producer();
  await producer.connect();
  after(() => producer.disconnect());
  const [ann, bob] = [oldPerson("Ann"), oldPerson("Bob")];
  const users = [ann, bob].map((person) => userDocument("direct-v1", person, new Date()));
  await client.db().collection("users").insertMany(users);
  return {
    ann,
    bob,
    messages,
    /** As the original's socket handler does. */
    sendAsNode: async (text: string) => {
      const record = { senderId: ann.id, receiverId: bob.id, text, image: null, timestamp: Date.now() };
      await producer.send({ topic, messages: [{ value: JSON.stringify(record) }] });
    },
    /** As the original's consumer does, until it has stored `count`. */
    storeAsNode: (count: number) =>
      storeAndCommit(kafka.consumer({ groupId: group }), topic, messages, count),
    /** A worker keeps its place in the group for a while when it ends, as one that is restarted wants it. */
    groupLeft: () =>
      eventually(
        "Sockeye's workers have left the group",
        async () => (await admin.describeGroups([group])).groups[0]?.state === "Empty",
        60_000,
      ),
    readAll: (count: number) => readAll(kafka.consumer({ groupId: `another-${topic}` }), topic, count),
    /** Sockeye takes over; both are logged in, each at another gateway. */
    start: async () => {
      const settings = { MONGODB_URI: uri, KAFKA_TOPIC: topic, KAFKA_GROUP: group };
      const server = await startServer("direct-v1", settings);
      after(() => server.stop());
      return {
        server,
        annHere: await logInAgain(server, kit, ann),
        bobHere: await logInAgain(server, kit, bob),
      };
    },
  };
}

/** The original's consumer: one document for each record, with the time of storing; then it commits. */
async function storeAndCommit(
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
  try {
    await eventually(`${count} records stored`, () => committed >= count, 30_000);
    assert.equal(committed, count, "records stored");
  } finally {
    await consumer.disconnect();
  }
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
