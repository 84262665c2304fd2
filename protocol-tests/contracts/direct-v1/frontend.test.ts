/** The frontend of `direct-v1` from sign-up to log-out, on another origin and on the server's own. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually, must } from "../../lib/wait.ts";
import { type Deployment, newBrowser } from "../lib/browser-http.ts";
import { DirectV1Frontend } from "../lib/frontend-direct-v1.ts";
import { dataUrl } from "../lib/images.ts";
import { textsOf } from "../lib/kit.ts";
import { startServer } from "../lib/server.ts";
import { browserSocket } from "../lib/tabs.ts";

const server = await startServer("direct-v1");
after(() => server.stop());

for (const deployment of ["cross-origin", "same-origin"] satisfies Deployment[]) {
  const email = (name: string) => `${name}@${deployment}.example.com`;
  const called = (name: string) => `${name}, ${deployment}`;
  const open = () => {
    const browser = newBrowser(server.entrances(), deployment);
    const tab = () =>
      new DirectV1Frontend(browser.http, (query) => browserSocket(browser.pageUrl(), browser, query));
    return { tab, page: tab() };
  };
  const select = async (page: DirectV1Frontend, name: string) => {
    await eventually("the socket is connected", () => page.socket?.connected);
    await page.getUsers();
    await page.openConversation(
      must(
        page.users.find((user) => user.full_name === called(name)),
        name,
      ),
    );
  };
  const enter = async (page: DirectV1Frontend, name: string) => {
    await page.signup({ full_name: called(name), email: email(name), password: "123456" });
    assert.equal(page.socket, null, "sign-up opens no socket");
    await page.login({ email: email(name), password: "123456" });
    return must(page.authUser, name)._id;
  };

  test(`${deployment}: two people chat, second tab, picture, log-out`, async () => {
    const [annBrowser, bobBrowser] = [open(), open()];
    const [ann, bob] = [annBrowser.page, bobBrowser.page];
    await ann.checkAuth();
    assert.equal(ann.authUser, null);
    const [annId, bobId] = [await enter(ann, "ann"), await enter(bob, "bob")];
    await eventually(
      "each sees the other",
      () => ann.onlineUsers.includes(bobId) && bob.onlineUsers.includes(annId),
    );
    assert.ok(ann.onlineUsers.includes(annId), "the sidebar prints length - 1");

    await select(ann, "bob");
    await select(bob, "ann");
    await ann.sendMessage({ text: "hello", image: null });
    assert.deepEqual(textsOf(ann.messages), ["hello"]);
    await eventually("Bob shows it", () => bob.messages.length === 1);
    await bob.sendMessage({ text: "", image: dataUrl("png") });
    await eventually("Ann shows the picture", () => ann.messages.length === 2);
    assert.match(String(ann.messages[1]?.image), /^https?:\/\//);

    const second = bobBrowser.tab();
    await second.checkAuth();
    await select(second, "ann");
    await ann.sendMessage({ text: "to both tabs", image: null });
    await eventually("both tabs show it", () => [bob, second].every((page) => page.messages.length === 3));
    await second.sendMessage({ text: "from the second tab", image: null });
    await eventually("everybody shows it", () =>
      [ann, bob, second].every((page) => page.messages.length === 4),
    );
    const shown = ["hello", "", "to both tabs", "from the second tab"];
    for (const page of [ann, bob, second]) {
      assert.deepEqual(textsOf(page.messages), shown);
      for (const message of page.messages)
        assert.ok(message._id && !Number.isNaN(Date.parse(message.createdAt)));
    }
    second.socket?.disconnect();

    await bob.updateProfile(dataUrl("jpeg"));
    assert.equal(bob.authUser?.full_name, called("bob"));
    await ann.getUsers();
    assert.equal(ann.users.find((user) => user._id === bobId)?.profilePic, bob.authUser?.profile_picture);

    await bob.logout();
    await eventually("Ann sees Bob leave", () => !ann.onlineUsers.includes(bobId));
    await bob.login({ email: email("bob"), password: "wrong password" });
    assert.deepEqual(bob.toasts, ["Invalid Credentials"]);
    await bob.login({ email: email("bob"), password: "123456" });
    await eventually("Ann sees Bob again", () => ann.onlineUsers.includes(bobId));
    await select(bob, "ann");
    assert.deepEqual(textsOf(bob.messages), shown);
    assert.deepEqual(ann.toasts, []);
    await ann.logout();
    await bob.logout();
  });

  test(`${deployment}: React StrictMode opens two sockets; log-out leaves nobody online`, async () => {
    const [annBrowser, bobBrowser] = [open(), open()];
    const [ann, bob] = [annBrowser.page, bobBrowser.page];
    const annId = await enter(ann, "strict.ann");
    await enter(bob, "strict.bob");
    await eventually("Bob sees Ann", () => bob.onlineUsers.includes(annId));

    const reloaded = annBrowser.tab();
    await Promise.all([reloaded.checkAuth(), reloaded.checkAuth()]);
    await select(reloaded, "strict.bob");
    await select(bob, "strict.ann");
    await reloaded.sendMessage({ text: "mine", image: null });
    await bob.sendMessage({ text: "once", image: null });
    await eventually("Ann shows it", () => textsOf(reloaded.messages).includes("once"));
    await bob.sendMessage({ text: "twice?", image: null });
    await eventually("Ann shows the next", () => textsOf(reloaded.messages).includes("twice?"));
    assert.deepEqual(textsOf(reloaded.messages), ["mine", "once", "twice?"]);

    await reloaded.logout();
    await eventually("Bob sees Ann leave", () => !bob.onlineUsers.includes(annId));
    await bob.logout();
  });
}
