// Users in memory and HS256 JSON web tokens with node:crypto only.
import { createHmac, randomBytes, scryptSync, timingSafeEqual } from "node:crypto";
import { objectId } from "./object-id.mjs";

const TOKEN_LIFETIME_S = 7 * 24 * 3600;
// Cheap on purpose, like SALT_ROUNDS=4 on the other side: signing in is set-up, not what is measured.
const SCRYPT = { N: 1024 };

export class Accounts {
  #secret;
  #byEmail = new Map();
  #byId = new Map();

  constructor(secret) {
    this.#secret = secret;
  }

  /** The new user, or null when the address is taken. */
  signUp({ email, password, full_name, bio = "" }) {
    if (this.#byEmail.has(email)) return null;
    const salt = randomBytes(16);
    const user = { _id: objectId(), email, full_name, profile_picture: "", bio };
    const record = { user, salt, hash: scryptSync(password, salt, 32, SCRYPT) };
    this.#byEmail.set(email, record);
    this.#byId.set(user._id, record);
    return user;
  }

  /** The user, or null when address or password is wrong. */
  logIn({ email, password }) {
    const record = this.#byEmail.get(email);
    if (!record) return null;
    const hash = scryptSync(password, record.salt, 32, SCRYPT);
    return timingSafeEqual(hash, record.hash) ? record.user : null;
  }

  has(id) {
    return this.#byId.has(id);
  }

  others(id) {
    return [...this.#byId.values()].map((record) => record.user).filter((user) => user._id !== id);
  }

  issueToken(userId) {
    const iat = Math.floor(Date.now() / 1000);
    const head = encode({ alg: "HS256", typ: "JWT" });
    const claims = encode({ userId, iat, exp: iat + TOKEN_LIFETIME_S });
    return `${head}.${claims}.${this.#sign(`${head}.${claims}`)}`;
  }

  /** The user id a request proves by its cookie, or null. */
  proven(headers) {
    const token = /(?:^|;\s*)token=([^;]+)/.exec(headers.cookie ?? "")?.[1];
    const [head, claims, signature] = (token ?? "").split(".");
    if (!signature || !equal(signature, this.#sign(`${head}.${claims}`))) return null;
    const { userId, exp } = JSON.parse(Buffer.from(claims, "base64url").toString());
    return exp > Date.now() / 1000 && this.has(userId) ? userId : null;
  }

  /** Who a socket belongs to: the cookie's user, who must be the claimed one; null refuses. */
  whoIs({ headers, query }) {
    const user = this.proven(headers);
    return user && (query.userId ?? user) === user ? user : null;
  }

  #sign(text) {
    return createHmac("sha256", this.#secret).update(text).digest("base64url");
  }
}

function encode(value) {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function equal(a, b) {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
