/** A database of the original backend is served as it is, continued, and can be handed back. Both contracts. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { type Db, type Document, Int32, MongoClient, ObjectId } from "mongodb";
import { inDatabase } from "../../lib/cluster.ts";
import { realServers } from "../../lib/real-servers.ts";
import { eventually } from "../../lib/wait.ts";
import { call, newBrowser } from "../lib/browser-http.ts";
import type { Message } from "../lib/frontend-direct.ts";
import { dataUrl } from "../lib/images.ts";
import { type Account, history, idsOf, type Kit, logInAgain, newAccount, type Person } from "../lib/kit.ts";
import { messageDocument, OLD_PASSWORD, oldPerson, userDocument } from "../lib/node-backend.ts";
import { SHAPE, startServer } from "../lib/server.ts";
import { assertError, assertUser } from "../lib/shapes.ts";
import { openTab } from "../lib/tabs.ts";

const PICTURE = "https://res.cloudinary.com/demo/image/upload/v1/chat-app/old.png";
/** When the Node backend wrote. */
const DAY = Date.UTC(2025, 6, 1, 9);
const minutes = (count: number) => new Date(DAY + count * 60_000);

export function existingDatabaseSuite(kit: Kit): void {
  test("an existing database is served and continued without conversion, and the original could take it back", {
    skip: SHAPE === "cluster" ? false : "MongoDB is the cluster's",
  }, async () => {
    const name = `existing-${kit.contract}-${randomUUID().slice(0, 8)}`;
    const uri = inDatabase(realServers().mongoUri, name);
    const client = await new MongoClient(uri).connect();
    after(() => client.close());
    const db = client.db();
    const [ann, bob, cat, pat] = ["Ann", "Bob", "Cat", "Pat"].map(oldPerson) as [
      Person,
      Person,
      Person,
      Person,
    ];
    const old = await writeAsNode(kit, db, { ann, bob, cat, pat });
    const before = await everything(db);

    const server = await startServer(kit.contract, { MONGODB_URI: uri });
    after(() => server.stop());

    // The old passwords, and only they.
    const [annHere, bobHere] = [
      await logInAgain(server, kit, ann),
      await logInAgain(server, kit, bob, "same-origin"),
    ];
    assert.notEqual(annHere.http.defaults.baseURL, bobHere.http.defaults.baseURL, "two gateways");
    const stranger = newBrowser(server.entrances());
    for (const [email, password] of [
      [ann.email, "another password"],
      [ann.email.toLowerCase(), OLD_PASSWORD],
      [pat.email, "plain text"],
    ])
      assertError(await call(stranger, "POST", kit.path.login, { email, password }), 400);

    // The people, as they were.
    const checked = kit.userIn((await call(annHere, "GET", kit.path.check)).data);
    assertUser(checked, ["email", kit.pictureField, "createdAt", "updatedAt"]);
    assert.equal(checked.createdAt, minutes(0).toISOString());
    const people = kit.listIn<{ _id: string }>((await call(annHere, "GET", kit.path.users)).data);
    assert.deepEqual(idsOf(people as Message[]).sort(), [bob.id, cat.id, pat.id].sort());

    // The old history, from both ends.
    const expected = old.map((document) => String(document._id));
    const seen = await history(kit, annHere, bob.id);
    assert.deepEqual(idsOf(seen), expected);
    assert.deepEqual(await history(kit, bobHere, ann.id), seen);
    for (const [index, document] of old.entries()) {
      const message = seen[index];
      assert.equal(message?.text, document.text);
      assert.equal(message?.image || null, document.image || null);
      assert.equal(message?.createdAt, document.createdAt.toISOString());
      assert.equal(message?.senderId, String(document.senderId));
      assert.equal(message?.receiverId, String(document.receiverId));
    }
    assert.deepEqual(await everything(db), before, "reading changed nothing");

    // It goes on: both ways over the two gateways, text and picture, a new person, a new profile picture.
    const sent = await talk(kit, annHere, bobHere);
    const dan = await newAccount(server, kit, "Dan");
    const profile = await call(bobHere, "PUT", kit.path.profile, { [kit.pictureField]: dataUrl("webp") });
    assert.equal(profile.status, 200, JSON.stringify(profile.data));
    const picture = String(kit.userIn(profile.data)[kit.pictureField]);
    assert.deepEqual(idsOf(await history(kit, annHere, bob.id)), [...expected, ...idsOf(sent)]);

    // What Sockeye wrote is what mongoose would have written.
    for (const message of sent)
      assertAsMongoose(kit, await found(db, "messages", message._id), message, kit.contract);
    const written = await found(db, "users", dan.id);
    assertShape(written, USER[kit.contract], "a new user");
    assert.match(String(written.password), /^\$2[aby]\$\d\d\$.{53}$/);
    const [bobWas] = before.users.filter((user) => String(user._id) === bob.id);
    const bobIs = await found(db, "users", bob.id);
    assertShape(bobIs, USER[kit.contract], "a changed user");
    assert.ok(bobIs.updatedAt > bobWas?.updatedAt);
    assert.deepEqual(bobIs, { ...bobWas, [kit.pictureField]: picture, updatedAt: bobIs.updatedAt });
    // All else is as it was.
    const afterwards = await everything(db);
    const known = new Set([...before.users, ...before.messages].map((document) => String(document._id)));
    const still = (documents: Document[]) => documents.filter(({ _id }) => known.has(String(_id)));
    assert.deepEqual(still(afterwards.messages), before.messages);
    const but = (documents: Document[]) => documents.filter(({ _id }) => String(_id) !== bob.id);
    assert.deepEqual(but(still(afterwards.users)), but(before.users));
    assert.equal(afterwards.messages.length, before.messages.length + sent.length);

    // Rolled back: the Node backend finds its conversation and adds to it. Then Sockeye again.
    await server.terminate();
    const asNodeQueries = {
      $or: [
        { senderId: new ObjectId(ann.id), receiverId: new ObjectId(bob.id) },
        { senderId: new ObjectId(bob.id), receiverId: new ObjectId(ann.id) },
      ],
    };
    const byNode = await db.collection("messages").find(asNodeQueries).sort({ createdAt: 1 }).toArray();
    assert.deepEqual(
      byNode.map(({ _id }) => String(_id)),
      [...expected, ...idsOf(sent)],
    );
    const [none] = NO_IMAGE[kit.contract];
    const meanwhile = { from: bob, to: ann, text: "from Node again", at: new Date(), ...none };
    const { insertedId } = await db.collection("messages").insertOne(messageDocument(meanwhile));
    await server.start();
    const again = await talk(kit, annHere, bobHere);
    const whole = [...expected, ...idsOf(sent), String(insertedId), ...idsOf(again)];
    for (const [reader, other] of [[annHere, bob] as const, [bobHere, ann] as const])
      assert.deepEqual(idsOf(await history(kit, reader, other.id)), whole);
  });
}

/** The ways in which the original says that there is no picture. */
const NO_IMAGE = {
  direct: [{}],
  "direct-v1": [{ image: "" }, { image: null }],
} as const;

type People = Record<"ann" | "bob" | "cat" | "pat", Person>;

/** Fills the database; the documents of Ann's and Bob's conversation in the order of their times. */
async function writeAsNode(kit: Kit, db: Db, { ann, bob, cat, pat }: People): Promise<Document[]> {
  const { contract } = kit;
  await db
    .collection("users")
    .insertMany([
      ...[ann, bob, cat].map((person) => userDocument(contract, person, minutes(0))),
      userDocument(contract, pat, minutes(1), "plain text"),
    ]);
  await db.collection("users").createIndex({ email: 1 }, { unique: true });
  const none = (turn: number) => NO_IMAGE[contract][turn % NO_IMAGE[contract].length];
  const turns = Array.from({ length: 6 }, (_, turn) => {
    const [from, to] = turn % 2 ? [bob, ann] : [ann, bob];
    // Two within one millisecond: ids decide.
    return messageDocument({
      from,
      to,
      text: `old ${turn}`,
      at: minutes(10 + Math.min(turn, 4)),
      ...none(turn),
    });
  });
  const picture = { from: bob, to: ann, text: "", image: PICTURE, at: minutes(20) };
  const conversation = [...turns, messageDocument(picture)];
  const elsewhere = messageDocument({ from: cat, to: ann, text: "for Ann", at: minutes(15), ...none(0) });
  // Natural order is not the order of the times: restored from a dump, say.
  await db.collection("messages").insertMany([...conversation].reverse().concat(elsewhere));
  return conversation;
}

/** Ann and Bob write to each other, each from another gateway; what was sent, in its order. */
async function talk(kit: Kit, ann: Account, bob: Account): Promise<Message[]> {
  const [annTab, bobTab] = [await openTab(ann, ann.id).active(), await openTab(bob, bob.id).active()];
  const [fromAnn, fromBob] = [await kit.sender(ann), await kit.sender(bob)];
  const sent = [await fromAnn.send(bob.id, "new from Ann"), await fromBob.send(ann.id, "new from Bob")];
  const answer = await call(ann, "POST", kit.path.send(bob.id), { text: "look", image: dataUrl("png") });
  sent.push(kit.sentIn(answer.data));
  const got = (tab: typeof annTab, from: Account) =>
    tab.all<Message>("newMessage").filter((message) => message.senderId === from.id);
  await eventually("Bob has both", () => got(bobTab, ann).length === 2);
  await eventually("Ann has hers", () => got(annTab, bob).length === 1);
  assert.deepEqual([...idsOf(got(bobTab, ann)), ...idsOf(got(annTab, bob))].sort(), idsOf(sent).sort());
  for (const one of [annTab, bobTab, fromAnn, fromBob]) one.close();
  return sent;
}

async function everything(db: Db): Promise<{ users: Document[]; messages: Document[] }> {
  const all = (name: string) =>
    db.collection(name).find({}, { promoteValues: false }).sort({ _id: 1 }).toArray();
  return { users: await all("users"), messages: await all("messages") };
}

/** With the numbers' BSON types. */
async function found(db: Db, collection: string, id: string): Promise<Document> {
  const document = await db
    .collection(collection)
    .findOne({ _id: new ObjectId(id) }, { promoteValues: false });
  assert.ok(document, `${id} in ${collection}`);
  return document;
}

type FieldType = StringConstructor | DateConstructor | typeof ObjectId | typeof Int32;

const DATES = { createdAt: Date, updatedAt: Date, __v: Int32 };
const USER: Record<Kit["contract"], Record<string, FieldType>> = {
  direct: { _id: ObjectId, email: String, fullName: String, password: String, profilePic: String, ...DATES },
  "direct-v1": {
    _id: ObjectId,
    email: String,
    password: String,
    full_name: String,
    profile_picture: String,
    bio: String,
    o_auth_provider: String,
    o_auth_id: String,
    ...DATES,
  },
};

function assertAsMongoose(kit: Kit, document: Document, message: Message, contract: Kit["contract"]): void {
  // Ours, in one place: a mongoose model overlooks what is not in its schema.
  const { sockeye, ...theirs } = document;
  assert.ok(sockeye);
  const hasImage = contract === "direct-v1" || Boolean(message.image);
  const image: Record<string, FieldType> = hasImage ? { image: String } : {};
  const ids = { _id: ObjectId, senderId: ObjectId, receiverId: ObjectId };
  assertShape(theirs, { ...ids, text: String, ...image, ...DATES }, `a message of ${kit.contract}`);
  assert.equal(String(theirs._id), message._id);
  assert.equal(String(theirs.senderId), message.senderId);
  assert.equal(String(theirs.receiverId), message.receiverId);
  assert.equal(theirs.text, message.text);
  assert.equal(theirs.image || null, message.image || null);
  assert.equal(theirs.createdAt.toISOString(), message.createdAt);
  assert.equal(theirs.updatedAt.toISOString(), message.updatedAt);
}

/** Exactly these fields, of exactly these BSON types. */
function assertShape(document: Document, fields: Record<string, FieldType>, what: string): void {
  assert.deepEqual(Object.keys(document).sort(), Object.keys(fields).sort(), what);
  for (const [field, type] of Object.entries(fields)) {
    const value = document[field];
    const right = type === String ? typeof value === "string" : value instanceof type;
    assert.ok(right, `${what}: ${field} is ${value?.constructor?.name}`);
  }
  assert.equal(Number(document.__v), 0);
}
