/** The frontend of `direct` from sign-up to log-out, on another origin and on the server's own. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually, must } from "../../lib/wait.ts";
import { type Deployment, newBrowser } from "../lib/browser-http.ts";
import { DirectFrontend } from "../lib/frontend-direct.ts";
import { dataUrl } from "../lib/images.ts";
import { textsOf } from "../lib/kit.ts";
import { startServer } from "../lib/server.ts";
import { browserSocket } from "../lib/tabs.ts";

const server = await startServer("direct");
after(() => server.stop());

for (const deployment of ["cross-origin", "same-origin"] satisfies Deployment[]) {
  const email = (name: string) => `${name}@${deployment}.example.com`;
  const called = (name: string) => `${name}, ${deployment}`;
  const open = () => {
    const browser = newBrowser(server.entrances(), deployment);
    const tab = () =>
      new DirectFrontend(browser.http, (query) => browserSocket(browser.pageUrl(), browser, query));
    return { tab, page: tab() };
  };
  const select = async (page: DirectFrontend, name: string) => {
    await page.getUsers();
    await page.openConversation(
      must(
        page.users.find((user) => user.fullName === called(name)),
        name,
      ),
    );
  };

  test(`${deployment}: two people chat, second tab, picture, log-out`, async () => {
    const [annBrowser, bobBrowser] = [open(), open()];
    const [ann, bob] = [annBrowser.page, bobBrowser.page];
    await ann.checkAuth();
    assert.deepEqual([ann.authUser], [null]);
    await ann.signup({ fullName: called("ann"), email: email("ann"), password: "123456" });
    await bob.signup({ fullName: called("bob"), email: email("bob"), password: "123456" });
    const [annId, bobId] = [must(ann.authUser, "Ann")._id, must(bob.authUser, "Bob")._id];
    await eventually(
      "each sees the other",
      () => ann.onlineUsers.includes(bobId) && bob.onlineUsers.includes(annId),
    );
    assert.ok(ann.onlineUsers.includes(annId), "the sidebar prints length - 1");

    await select(ann, "bob");
    await select(bob, "ann");
    await ann.sendMessage({ text: " hello ", image: null });
    await eventually("Bob shows it", () => bob.messages.length === 1);
    await bob.sendMessage({ text: "", image: dataUrl("png") });
    await eventually("Ann shows the picture", () => ann.messages.length === 2);
    assert.deepEqual(ann.messages, bob.messages);
    assert.equal(ann.messages[0]?.text, "hello");

    const second = bobBrowser.tab();
    await second.checkAuth();
    await eventually("the second tab is connected", () => second.onlineUsers.includes(annId));
    await select(second, "ann");
    assert.deepEqual(second.messages, bob.messages);
    await ann.sendMessage({ text: "to both tabs", image: null });
    await eventually("both tabs show it", () => [bob, second].every((page) => page.messages.length === 3));
    second.socket?.disconnect();

    await bob.updateProfile(dataUrl("jpeg"));
    await ann.getUsers();
    const picture = ann.users.find((user) => user._id === bobId)?.profilePic;
    assert.equal(picture, must(bob.authUser, "Bob").profilePic);
    assert.match(String(picture), /^https?:\/\//);

    await bob.logout();
    await eventually("Ann sees Bob leave", () => !ann.onlineUsers.includes(bobId));
    await bob.login({ email: email("bob"), password: "wrong password" });
    assert.deepEqual(bob.toasts, ["Invalid credentials"]);
    await bob.login({ email: email("bob"), password: "123456" });
    await eventually("Ann sees Bob again", () => ann.onlineUsers.includes(bobId));
    await select(bob, "ann");
    assert.deepEqual(textsOf(bob.messages), ["hello", "", "to both tabs"]);
    assert.deepEqual(ann.toasts, []);
    await ann.logout();
    await bob.logout();
  });

  test(`${deployment}: React StrictMode opens two sockets; log-out leaves nobody online`, async () => {
    const [annBrowser, bobBrowser] = [open(), open()];
    const [ann, bob] = [annBrowser.page, bobBrowser.page];
    await ann.signup({ fullName: called("strict.ann"), email: email("strict.ann"), password: "123456" });
    await bob.signup({ fullName: called("strict.bob"), email: email("strict.bob"), password: "123456" });
    const annId = must(ann.authUser, "Ann")._id;
    await eventually("Bob sees Ann", () => bob.onlineUsers.includes(annId));

    const reloaded = annBrowser.tab();
    const first = reloaded.checkAuth().then(() => reloaded.socket);
    await Promise.all([first, reloaded.checkAuth()]);
    await eventually("Ann's page is connected", () => reloaded.onlineUsers.includes(annId));
    await select(reloaded, "strict.bob");
    await select(bob, "strict.ann");
    await bob.sendMessage({ text: "once", image: null });
    await eventually("Ann shows it", () => reloaded.messages.length > 0);
    await bob.sendMessage({ text: "twice?", image: null });
    await eventually("Ann shows the next", () => textsOf(reloaded.messages).includes("twice?"));
    assert.deepEqual(textsOf(reloaded.messages), ["once", "twice?"]);

    await reloaded.logout();
    await eventually("Bob sees Ann leave", () => !bob.onlineUsers.includes(annId));
    await bob.logout();
  });
}
