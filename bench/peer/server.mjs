// The peer: as much of contract direct-v1 as the load tool needs, on the stock Node Socket.IO server.
// What it does and does not promise is in bench/README.md; nobody should run it for anything but measuring.
import { createServer } from "node:http";
import { join } from "node:path";
import { Server } from "socket.io";
import { Accounts } from "./accounts.mjs";
import { faulty } from "./faults.mjs";
import { MessageLog } from "./log.mjs";
import { Presence } from "./presence.mjs";
import { answerRest } from "./rest.mjs";

const settings = {
  port: Number(process.env.SERVER_PORT ?? 5000),
  secret: required("JWT_SECRET"),
  dataDir: required("PEER_DATA_DIR"),
  fsync: process.env.PEER_FSYNC ?? "grouped",
  presenceEveryMs: Number(process.env.PEER_PRESENCE_EVERY_MS ?? 100),
  fault: process.env.PEER_FAULT ?? "none",
};

const accounts = new Accounts(settings.secret);
const rememberedMax = settings.fault === "forget" ? 5 : undefined;
const log = await MessageLog.open(join(settings.dataDir, "messages.jsonl"), settings.fsync, rememberedMax);
const http = createServer((request, response) => answerRest(request, response, { accounts, log }));
const io = new Server(http, { pingInterval: 5000, pingTimeout: 20000 });
const presence = new Presence(io, settings.presenceEveryMs, settings.fault === "hide" ? 1 : 0);
const deliver = faulty(settings.fault, (message, sender) => {
  // The calling socket gets the ack only: an echo would be shown twice or overwritten (contract, section 6).
  sender.to([message.receiverId, message.senderId]).emit("newMessage", message);
});

io.use((socket, next) => {
  const user = accounts.whoIs(socket.handshake);
  if (!user) return next(new Error("unauthorized"));
  socket.data.userId = user;
  next();
});

io.on("connection", (socket) => {
  const { userId } = socket.data;
  socket.join(userId);
  presence.arrived(userId);
  socket.on("disconnect", () => presence.left(userId));
  socket.on("sendMessage", async (body, ack) => {
    if (typeof ack !== "function") return;
    if (!accounts.has(body?.to) || typeof body.text !== "string" || body.text === "") {
      return ack({ status: "error", message: "Bad Request" });
    }
    try {
      const message = await log.append(userId, body.to, body.text);
      deliver(message, socket);
      ack({ status: "ok", message });
    } catch (error) {
      console.error(error);
      ack({ status: "error", message: "Failed to send message" });
    }
  });
});

process.on("SIGTERM", () => io.close(() => log.close().then(() => process.exit(0))));
http.listen(settings.port, "127.0.0.1", () => console.log(`peer on port ${http.address().port}`, settings.fsync));

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} must be set`);
  return value;
}
