"""deploy/nginx.conf, run by a real nginx in front of two stand-ins for gateways: a session stays where it was opened."""

import http.client
import json
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONF = Path(__file__).parents[1] / "nginx.conf"
NGINX = os.environ.get("NGINX")
HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


class Gateway(BaseHTTPRequestHandler):
    """Knows the sessions it opened, as Engine.IO does, and says who it is and what it was told."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        sid = re.search(r"[?&]sid=(\w+)", self.path)
        if self.path.startswith("/socket.io/") and not sid:
            sid = f"{self.server.server_port}x{len(self.server.sessions)}"
            self.server.sessions.add(sid)
            self.say(200, {"sid": sid})
        elif sid and sid.group(1) not in self.server.sessions:
            self.say(400, {"code": 1, "message": "Session ID unknown"})
        elif self.headers.get("Upgrade") == "websocket" and self.headers.get("Connection", "").lower() == "upgrade":
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.close_connection = True
        else:
            self.say(200, {"port": self.server.server_port, "headers": dict(self.headers), "length": len(body)})

    do_GET = do_POST = answer

    def say(self, status, value):
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def gateway():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    server.daemon_threads = True
    server.sessions = set()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def localised(text, ports, port, directory):
    """The file with addresses of this machine. `resolve` goes with the names: older releases do not know it."""
    for number, upstream in enumerate(ports, start=1):
        text, count = re.subn(rf"server gateway-{number}:5000 resolve", f"server 127.0.0.1:{upstream}", text)
        assert count == 1, f"gateway-{number} is in no upstream"
    text = re.sub(r"\n\s*resolver .*", "", text)
    text = text.replace("listen 8080 ", f"listen 127.0.0.1:{port} ").replace("include /etc/nginx/mime.types;", "")
    text = text.replace("/tmp/", f"{directory}/").replace("worker_rlimit_nofile 65536;", "")
    text = text.replace("worker_connections 16384", "worker_connections 512").replace("worker_processes auto", "worker_processes 1")
    return text


@unittest.skipUnless(NGINX, "nginx is missing")
class Nginx(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.gateways = [gateway(), gateway()]
        for server in self.gateways:
            self.addCleanup(server.server_close)
            self.addCleanup(server.shutdown)
        self.port = free_port()
        conf = Path(directory.name) / "nginx.conf"
        ports = [server.server_port for server in self.gateways]
        text = localised(CONF.read_text(), ports, self.port, directory.name)
        if os.geteuid() == 0:
            text = "user root;\n" + text
        conf.write_text(text)
        command = [NGINX, "-e", f"{directory.name}/error.log", "-c", str(conf), "-g", "daemon off;"]
        nginx = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(nginx.stderr.close)
        self.addCleanup(nginx.wait)
        self.addCleanup(nginx.terminate)
        while True:
            if nginx.poll() is not None:
                self.fail(nginx.stderr.read())
            try:
                self.assertEqual(self.ask("GET", "/nginx-health")[0], 200)
                return
            except ConnectionRefusedError:
                time.sleep(0.02)

    def ask(self, method, path, body=None, source="127.0.0.1", cookie=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20, source_address=(source, 0))
        try:
            connection.request(method, path, body, headers | ({"Cookie": cookie} if cookie else {}))
            response = connection.getresponse()
            return response.status, response.read(), response.headers
        finally:
            connection.close()

    def open_session(self, source):
        status, body, headers = self.ask("GET", HANDSHAKE, source=source)
        self.assertEqual(status, 200)
        return f"{HANDSHAKE}&sid={json.loads(body)['sid']}", headers["Set-Cookie"].split(";")[0]

    def test_a_session_stays_on_its_gateway_by_address(self):
        for n in range(40):
            session, _ = self.open_session(f"127.0.{n}.7")
            self.assertEqual(self.ask("POST", session, "40", source=f"127.0.{n}.7")[0], 200)
        self.assertTrue(all(server.sessions for server in self.gateways), "both gateways have some")

    def test_a_session_stays_when_the_address_moves_and_the_cookie_comes_along(self):
        without = set()
        for n in range(40):
            session, cookie = self.open_session(f"127.0.{n}.7")
            status, _, headers = self.ask("POST", session, "40", source=f"127.1.{n}.9", cookie=f"jwt=x; {cookie}")
            self.assertEqual(status, 200)
            self.assertIsNone(headers["Set-Cookie"], "once is enough")
            without.add(self.ask("POST", session, "40", source=f"127.1.{n}.9")[0])
        self.assertIn(400, without, "the cookie is what held it")

    def test_a_made_up_cookie_is_replaced(self):
        _, _, headers = self.ask("GET", HANDSHAKE, cookie="sockeye_route=x%20y")
        self.assertTrue(headers["Set-Cookie"].startswith("sockeye_route=127.0.0.1;"))

    def test_an_upgrade_passes(self):
        session, _ = self.open_session("127.0.0.1")
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as wire:
            head = f"GET {session} HTTP/1.1\r\nHost: chat\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            wire.sendall(head.encode())
            self.assertIn(b" 101 ", wire.recv(4096).split(b"\r\n")[0])

    def test_addresses_are_what_nginx_saw(self):
        status, body, _ = self.ask("GET", "/api/x", **{"X-Forwarded-For": "203.0.113.9", "Host": "chat.test:5000"})
        headers = json.loads(body)["headers"]
        self.assertEqual(status, 200)
        self.assertEqual(headers["X-Forwarded-For"], "127.0.0.1")
        self.assertEqual((headers["Host"], headers["X-Forwarded-Host"]), ("chat.test:5000", "chat.test:5000"))

    def test_the_largest_body_passes(self):
        status, body, _ = self.ask("POST", "/api/x", b"x" * 10_000_000)
        self.assertEqual((status, json.loads(body)["length"]), (200, 10_000_000))

    def test_what_is_for_operators_stays_inside(self):
        self.assertEqual([self.ask("GET", path)[0] for path in ("/metrics", "/readyz", "/healthz")], [404, 404, 200])

    def test_clients_of_a_gateway_that_is_gone_are_taken_over(self):
        self.gateways[0].shutdown()
        self.gateways[0].server_close()
        for n in range(40):
            self.assertEqual(self.ask("GET", HANDSHAKE, source=f"127.0.{n}.7")[0], 200)


if __name__ == "__main__":
    unittest.main()
