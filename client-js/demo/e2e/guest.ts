import assert from "node:assert/strict";
import { io, type Socket } from "socket.io-client";
import type { User } from "../src/chat/model.ts";

/** A person without a window: the same contract, straight from Node. */
export class Guest {
  private constructor(
    readonly id: string,
    private readonly url: string,
    private readonly cookie: string,
    private readonly socket: Socket,
  ) {}

  static async join(url: string, fullName: string, email: string): Promise<Guest> {
    const response = await post(`${url}/api/auth/signup`, { fullName, email, password: "correct horse" });
    const { _id: userId } = (await response.json()) as User;
    const cookie = response.headers.getSetCookie()[0]?.split(";")[0];
    assert.ok(cookie, "signing up sets the session cookie");
    return new Guest(userId, url, cookie, io(url, { query: { userId }, extraHeaders: { cookie } }));
  }

  async say(toName: string, text: string): Promise<void> {
    const people = await fetch(`${this.url}/api/messages/users`, { headers: { cookie: this.cookie } });
    const peer = ((await people.json()) as User[]).find((user) => user.fullName === toName);
    assert.ok(peer, `${toName} is in the list`);
    await this.sayTo(peer._id, text);
  }

  async sayTo(peerId: string, text: string): Promise<void> {
    await post(`${this.url}/api/messages/send/${peerId}`, { text, image: null }, this.cookie);
  }

  leave(): void {
    this.socket.disconnect();
  }
}

async function post(url: string, body: object, cookie = ""): Promise<Response> {
  const headers = { "content-type": "application/json", ...(cookie && { cookie }) };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  assert.equal(response.status, 201, `POST ${url}`);
  return response;
}
