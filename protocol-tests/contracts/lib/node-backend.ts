/** What the original Node backends write to MongoDB through mongoose (direct-v1.md and direct.md, sections 7). */
import { type Document, ObjectId } from "mongodb";
import type { Person } from "./kit.ts";
import type { Contract } from "./server.ts";

/** bcryptjs made them, cost 10: version 3 for `direct-v1`, 2.4 for `direct`. */
export const OLD_PASSWORD = "old password";
const HASH: Record<Contract, string> = {
  "direct-v1": "$2b$10$NDwrJ7LxHHUGeMP05hM1Qe/mfK8BXOQfaZ1sd.m51l0KsrwRLmv7G",
  direct: "$2a$10$wi6htbJyoyg1DnWQb2eDLOGSCjB5Sga9amRmfXKAKTvS9jJPZJ6FO",
};

export function oldPerson(name: string): Person {
  const id = new ObjectId().toHexString();
  return { id, name, email: `${name}.Old@example.com`, password: OLD_PASSWORD };
}

export function userDocument(
  contract: Contract,
  { id, name, email }: Person,
  at: Date,
  password = HASH[contract],
): Document {
  const dates = { createdAt: at, updatedAt: at, __v: 0 };
  const _id = new ObjectId(id);
  if (contract === "direct") return { _id, email, fullName: name, password, profilePic: "", ...dates };
  return {
    _id,
    email,
    password,
    full_name: name,
    profile_picture: "",
    bio: "",
    o_auth_provider: "local",
    o_auth_id: "",
    ...dates,
  };
}

export interface OldMessage {
  readonly from: Person;
  readonly to: Person;
  readonly text: string;
  readonly at: Date;
  /** `direct` leaves the field out when there is none; `direct-v1` writes what the client sent: `""` or null. */
  readonly image?: string | null;
}

export function messageDocument({ from, to, text, at, image }: OldMessage): Document {
  return {
    _id: new ObjectId(),
    senderId: new ObjectId(from.id),
    receiverId: new ObjectId(to.id),
    text,
    ...(image === undefined ? {} : { image }),
    createdAt: at,
    updatedAt: at,
    __v: 0,
  };
}
