// The REST routes of contract direct-v1 that the load tool calls, and a few that make the peer usable by hand.
const BODY_BYTES_MAX = 100_000;

export async function answerRest(request, response, { accounts, log }) {
  try {
    const [status, body, headers] = await route(request, { accounts, log });
    send(response, status, body, headers);
  } catch (error) {
    if (!(error instanceof SyntaxError)) console.error(error);
    send(response, 400, { message: "Bad Request" });
  }
}

async function route(request, { accounts, log }) {
  const path = new URL(request.url, "http://localhost").pathname;
  switch (`${request.method} ${path}`) {
    case "GET /":
      return [200, { message: "Welcome to the peer" }];
    case "POST /api/v1/auth/signup":
      return signedIn(accounts, 201, accounts.signUp(await credentials(request)), "User account already exists with this email");
    case "POST /api/v1/auth/login":
      return signedIn(accounts, 200, accounts.logIn(await credentials(request)), "Invalid Credentials");
  }
  const own = accounts.proven(request.headers);
  if (!own) return [401, { success: false, message: "Unauthorized" }];
  if (path === "/api/messages/users") return [200, { data: accounts.others(own) }];
  const other = /^\/api\/messages\/([0-9a-f]{24})$/.exec(path)?.[1];
  if (other && request.method === "GET") return [200, { data: log.history(own, other) }];
  return [404, { message: "Not found" }];
}

function signedIn(accounts, status, user, refusal) {
  if (!user) return [400, { message: refusal }];
  const token = accounts.issueToken(user._id);
  const cookie = `token=${token}; Max-Age=604800; Path=/; HttpOnly; SameSite=Strict`;
  return [status, { message: "ok", user, token }, { "set-cookie": cookie }];
}

async function credentials(request) {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) {
    text += chunk;
    if (text.length > BODY_BYTES_MAX) throw new SyntaxError("body too long");
  }
  const body = JSON.parse(text);
  if (typeof body?.email !== "string" || typeof body?.password !== "string") throw new SyntaxError("no credentials");
  return body;
}

function send(response, status, body, headers = {}) {
  const text = JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text), ...headers });
  response.end(text);
}
