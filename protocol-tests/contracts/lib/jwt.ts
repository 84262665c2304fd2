/** Tokens as the original backends make them, and wrong ones. */
import { createHmac } from "node:crypto";
import { JWT_SECRET } from "./server.ts";

export function signToken(claims: object, { secret = JWT_SECRET, alg = "HS256" } = {}): string {
  const head = encode({ alg, typ: "JWT" });
  const body = encode(claims);
  const mac =
    alg === "none" ? "" : createHmac("sha256", secret).update(`${head}.${body}`).digest("base64url");
  return `${head}.${body}.${mac}`;
}

/** A token for `userId` that ends `seconds` from now (negative: has ended). */
export function tokenFor(userId: string, seconds = 3600): string {
  const now = Math.floor(Date.now() / 1000);
  return signToken({ userId, iat: now - 60, exp: now + seconds });
}

export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8"));
}

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
