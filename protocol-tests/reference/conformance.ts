// The conformance application on the Node implementation: the peer that says what a test may expect.
// It does exactly what the Rust example of the same name does, so that one suite runs against both.
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server as EngineServer, type ServerOptions } from "engine.io";
import { type Socket, Server as SocketServer } from "socket.io";

const timings = { pingInterval: 300, pingTimeout: 200, maxHttpBufferSize: 1_000_000 };
const engineOptions: ServerOptions = { ...timings, allowEIO3: true, cors: { origin: "*" } };

const socketIoHttp = createServer();
const io = new SocketServer(socketIoHttp, { ...engineOptions, connectTimeout: 1000 });
for (const namespace of ["/", "/custom"]) io.of(namespace).on("connection", echo);

const engineIoHttp = createServer();
const engine = new EngineServer(engineOptions);
engine.attach(engineIoHttp);
engine.on("connection", (socket) => {
  socket.on("data", (data: string | Buffer) => socket.send(data));
});

const socketIoPort = await listen(socketIoHttp, Number(process.env.PORT ?? 3000));
const engineIoPort = await listen(engineIoHttp, Number(process.env.ENGINE_PORT ?? 3001));
console.log(`listening socket.io=${socketIoPort} engine.io=${engineIoPort}`);

function echo(socket: Socket): void {
  socket.emit("auth", socket.handshake.auth);
  socket.on("message", (...args: unknown[]) => {
    socket.emit("message-back", ...args);
  });
  socket.on("message-with-ack", (...args: unknown[]) => {
    const ack = args.pop();
    if (typeof ack === "function") ack(...args);
  });
  socket.on("emit-with-ack", (...args: unknown[]) => {
    socket.emit("emit-with-ack", ...args, (...answer: unknown[]) => {
      socket.emit("emit-with-ack-back", ...answer);
    });
  });
}

function listen(server: HttpServer, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
