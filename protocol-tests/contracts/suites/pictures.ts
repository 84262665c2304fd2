/** Pictures over REST: accepted types, refused ones, and how a stored one is served. Both contracts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { must } from "../../lib/wait.ts";
import { call, newBrowser } from "../lib/browser-http.ts";
import { bytesOf, dataUrl, NOT_PICTURES, PICTURE_TYPES, type PictureType } from "../lib/images.ts";
import { history, type Kit, newAccount } from "../lib/kit.ts";
import { PAGE_ORIGIN, type Server } from "../lib/server.ts";
import { assertError, assertMessage } from "../lib/shapes.ts";

export function picturesSuite(kit: Kit, server: Server, sentStatus: 200 | 201): void {
  for (const type of PICTURE_TYPES) {
    test(`a ${type} is stored and loads in a page of another origin`, async () => {
      const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
      const answer = await call(ann, "POST", kit.path.send(bob.id), { text: "look", image: dataUrl(type) });
      assert.equal(answer.status, sentStatus, JSON.stringify(answer.data));
      const sent = kit.sentIn(answer.data);
      assertMessage(sent, { senderId: ann.id, receiverId: bob.id, text: "look" });
      await assertServed(must(sent.image, "image"), type);
      for (const [reader, other] of [[ann, bob] as const, [bob, ann] as const]) {
        assert.deepEqual(await history(kit, reader, other.id), [sent]);
      }
    });
  }

  test("a picture without text", async () => {
    const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
    const answer = await call(ann, "POST", kit.path.send(bob.id), { text: "", image: dataUrl("png") });
    assert.equal(answer.status, sentStatus);
    assertMessage(kit.sentIn(answer.data), { senderId: ann.id, receiverId: bob.id, text: "" });
  });

  test("the type served is the type of the bytes, whatever the data URL called it", async () => {
    const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
    const image = dataUrl("gif").replace("image/gif", "image/png");
    const answer = await call(ann, "POST", kit.path.send(bob.id), { text: "", image });
    if (answer.status === sentStatus) await assertServed(must(kit.sentIn(answer.data).image, "image"), "gif");
    else assertError(answer, [400, 415]);
  });

  test("profile picture: stored, absolute, in the whole user document; seen by others", async () => {
    const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
    const answer = await call(ann, "PUT", kit.path.profile, { [kit.pictureField]: dataUrl("webp") });
    assert.equal(answer.status, 200, JSON.stringify(answer.data));
    const user = kit.userIn(answer.data);
    await assertServed(String(user[kit.pictureField]), "webp");
    const checked = kit.userIn((await call(ann, "GET", kit.path.check)).data);
    assert.equal(checked[kit.pictureField], user[kit.pictureField]);
    const people = kit.listIn<Record<string, unknown>>((await call(bob, "GET", kit.path.users)).data);
    assert.equal(people.find((person) => person._id === ann.id)?.[kit.pictureField], user[kit.pictureField]);
  });

  test("what is no picture is refused, and nothing is stored", async () => {
    const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
    for (const [what, image] of Object.entries(NOT_PICTURES)) {
      const sent = await call(ann, "POST", kit.path.send(bob.id), { text: what, image });
      assertError(sent, [400, 415]);
      assertError(await call(ann, "PUT", kit.path.profile, { [kit.pictureField]: image }), [400, 415]);
    }
    for (const image of [5, {}, [], true]) {
      assertError(await call(ann, "POST", kit.path.send(bob.id), { text: "", image }), 400);
      assertError(await call(ann, "PUT", kit.path.profile, { [kit.pictureField]: image }), 400);
    }
    assert.deepEqual(await history(kit, ann, bob.id), []);
    assert.equal(kit.userIn((await call(ann, "GET", kit.path.check)).data)[kit.pictureField], "");
  });

  test("a photo of 4 MB passes; one of 6 MB is a 413 the page can show", async () => {
    const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
    const photo = await call(ann, "POST", kit.path.send(bob.id), {
      text: "",
      image: dataUrl("jpeg", 4_000_000),
    });
    assert.equal(photo.status, sentStatus, JSON.stringify(photo.data).slice(0, 200));
    const large = { text: "", image: dataUrl("jpeg", 6_000_000) };
    assertError(await call(ann, "POST", kit.path.send(bob.id), large), 413);
    assertError(await call(ann, "PUT", kit.path.profile, { [kit.pictureField]: large.image }), 413);
    assert.equal((await history(kit, ann, bob.id)).length, 1);
  });

  test("picture addresses are not to be guessed or walked", async () => {
    const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
    const answer = await call(ann, "POST", kit.path.send(bob.id), { text: "", image: dataUrl("png") });
    const url = new URL(must(kit.sentIn(answer.data).image, "image"));
    const folder = url.pathname.slice(0, url.pathname.lastIndexOf("/"));
    for (const path of [
      folder,
      `${folder}/`,
      `${folder}/..%2f..%2f..%2fetc%2fpasswd`,
      `${folder}/none.png`,
    ]) {
      const tried = await fetch(url.origin + path, { redirect: "manual" });
      assert.ok(tried.status >= 400 && tried.status < 500, `${path}: ${tried.status}`);
    }
  });

  async function assertServed(address: string, type: PictureType): Promise<void> {
    assert.match(address, /^https?:\/\//, "an absolute address: the page is on another origin");
    const answer = await fetch(address, { headers: { origin: PAGE_ORIGIN } });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("content-type"), `image/${type}`);
    assert.equal(answer.headers.get("cross-origin-resource-policy"), "cross-origin");
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), bytesOf(type));
  }

  test("pictures of strangers without a log-in: sending needs one", async () => {
    const bob = await newAccount(server, kit, "Bob");
    const stranger = newBrowser(server.entrances());
    assertError(
      await call(stranger, "POST", kit.path.send(bob.id), { text: "", image: dataUrl("png") }),
      401,
    );
    assertError(await call(stranger, "PUT", kit.path.profile, { [kit.pictureField]: dataUrl("png") }), 401);
  });
}
