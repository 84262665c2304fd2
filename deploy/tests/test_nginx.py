"""deploy/nginx.conf, run by a real nginx in front of stand-ins for gateways and the engine's name
server: a session stays where it was opened."""

import http.client
import json
import os
import re
import secrets
import socket
import socketserver
import struct
import subprocess
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONF = Path(__file__).parents[1] / "nginx.conf"
NGINX = os.environ.get("NGINX")
# SOCKEYE_HTTP_IDLE_TIMEOUT_MS, in seconds.
GATEWAY_IDLE_S = 75
HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


class Gateway(BaseHTTPRequestHandler):
    """Knows the sessions it opened, as Engine.IO does, and says who it is and what it was told."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        self.server.bodies_begun += length > 0
        body = self.rfile.read(length)
        if len(body) < length:  # The client is gone.
            self.close_connection = True
            return
        sid = re.search(r"[?&]sid=(\w+)", self.path)
        if self.path.startswith("/socket.io/") and not sid:
            sid = secrets.token_hex(8)
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
            self.say(200, {"at": self.server.server_address[0], "headers": dict(self.headers), "length": len(body)})

    do_GET = do_POST = answer

    def say(self, status, value):
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Names(socketserver.BaseRequestHandler):
    """A name server, as the container engine has one: `addresses` of the server, by name."""

    def handle(self):
        query, wire = self.request
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12 : at + 5]
        address = self.server.addresses.get(".".join(labels))
        flags, count = (0x8180, 1) if address else (0x8183, 0)
        answer = query[:2] + struct.pack(">5H", flags, 1, count, 0, 0) + question
        if address:
            answer += struct.pack(">3HIH", 0xC00C, 1, 1, 1, 4) + socket.inet_aton(address)
        wire.sendto(answer, self.client_address)


def localised(text, gateway_port, names_port, port, directory):
    """The file with ports and folders of this machine, and small limits."""
    for old, new in (
        ("resolver 127.0.0.11 valid=5s", f"resolver 127.0.0.1:{names_port} valid=1s"),
        ("server gateway-1:5000 ", f"server gateway-1:{gateway_port} "),
        ("server gateway-2:5000 ", f"server gateway-2:{gateway_port} "),
        ("listen 8080 ", f"listen 127.0.0.1:{port} "),
        ("include /etc/nginx/mime.types;", ""),
        ("worker_rlimit_nofile 65536;", ""),
        ("worker_connections 16384", "worker_connections 512"),
        ("worker_processes auto", "worker_processes 1"),
        ("client_body_timeout 30s", "client_body_timeout 1s"),
        ("/tmp/", f"{directory}/"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    return f"user root;\n{text}" if os.geteuid() == 0 else text


@unittest.skipUnless(NGINX, "nginx is missing")
class Nginx(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        first = self.serve(ThreadingHTTPServer, ("127.0.0.2", 0), Gateway)
        self.gateway_port = first.server_port
        self.gateways = [first, self.gateway("127.0.0.3")]
        self.names = self.serve(socketserver.UDPServer, ("127.0.0.1", 0), Names)
        self.names.addresses = {"gateway-1": "127.0.0.2", "gateway-2": "127.0.0.3"}
        self.start_nginx()
        self.until(lambda: self.reached() == {"127.0.0.2", "127.0.0.3"})

    def gateway(self, address):
        return self.serve(ThreadingHTTPServer, (address, self.gateway_port), Gateway)

    def serve(self, kind, address, handler):
        server = kind(address, handler)
        server.daemon_threads = True
        server.sessions = set()
        server.bodies_begun = 0
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        self.addCleanup(self.stop, server)
        return server

    @staticmethod
    def stop(server):
        server.shutdown()
        server.server_close()

    def start_nginx(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        directory = self.directory.name
        conf = Path(directory) / "nginx.conf"
        names_port = self.names.server_address[1]
        conf.write_text(localised(CONF.read_text(), self.gateway_port, names_port, self.port, directory))
        command = [NGINX, "-e", f"{directory}/error.log", "-c", str(conf), "-g", "daemon off;"]
        self.nginx = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.nginx.stderr.close)
        self.addCleanup(self.nginx.wait)
        self.addCleanup(self.nginx.terminate)
        self.until(self.answers)

    def answers(self):
        try:
            return self.ask("GET", "/nginx-health")[0] == 200
        except ConnectionRefusedError:
            return False

    def reached(self):
        """The gateways that forty clients are led to; None for those led nowhere."""
        answers = [self.ask("GET", "/api/x", source=f"127.0.{n}.7") for n in range(40)]
        return {json.loads(body)["at"] if status == 200 else None for status, body, _ in answers}

    def until(self, condition):
        for _ in range(600):
            if self.nginx.poll() is not None:
                self.fail(self.nginx.stderr.read())
            if condition():
                return
            time.sleep(0.02)
        self.fail("it did not come to be")

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

    def test_what_clients_claim_about_proxies_goes_no_further(self):
        claims = {
            "X-Forwarded-For": "203.0.113.9, 203.0.113.10",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "evil.test",
            "Forwarded": "for=203.0.113.9;proto=https;host=evil.test",
        }
        _, body, _ = self.ask("GET", "/api/x", **claims)
        told = json.loads(body)["headers"]
        self.assertNotIn("Forwarded", told)
        for name in ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"):
            self.assertNotIn(claims[name], told[name])
        self.assertEqual(told["X-Forwarded-Proto"], "http")

    def test_kept_connections_are_left_before_a_gateway_closes_them(self):
        upstream = re.search(r"upstream gateways \{(.*?)\}", CONF.read_text(), re.DOTALL).group(1)
        kept_s = int(re.search(r"keepalive_timeout (\d+)s;", upstream).group(1))
        self.assertLess(kept_s, GATEWAY_IDLE_S)

    def upload(self, pieces, pause_s):
        """The first line of the answer to a body of five pieces; empty when there is none."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as wire:
            head = f"POST /api/x HTTP/1.1\r\nHost: chat\r\nContent-Length: {1000 * 5}\r\nConnection: close\r\n\r\n"
            wire.sendall(head.encode())
            for _ in range(pieces):
                wire.sendall(b"x" * 1000)
                time.sleep(pause_s)
            try:
                return wire.recv(4096).split(b"\r\n")[0]
            except ConnectionResetError:
                return b""

    def test_a_slow_upload_passes_and_one_that_stands_still_does_not(self):
        # Longer in all than client_body_timeout, which is 1 s here.
        self.assertIn(b" 200 ", self.upload(5, 0.4))
        self.assertNotIn(b" 200 ", self.upload(4, 0))

    def test_bodies_are_not_kept_here(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as wire:
            head = "POST /api/x HTTP/1.1\r\nHost: chat\r\nContent-Length: 5000000\r\n\r\n"
            wire.sendall(head.encode() + b"x" * 1_000_000)
            # The gateway has it although there is more to come.
            self.until(lambda: any(server.bodies_begun for server in self.gateways))
            spooled = [path for path in Path(self.directory.name, "client_body").rglob("*") if path.is_file()]
            self.assertEqual(spooled, [])

    def test_the_largest_body_passes(self):
        status, body, _ = self.ask("POST", "/api/x", b"x" * 10_000_000)
        self.assertEqual((status, json.loads(body)["length"]), (200, 10_000_000))

    def test_what_is_for_operators_stays_inside(self):
        self.assertEqual([self.ask("GET", path)[0] for path in ("/metrics", "/readyz", "/healthz")], [404, 404, 200])

    def test_clients_of_a_gateway_that_is_gone_are_taken_over(self):
        self.stop(self.gateways[0])
        for n in range(40):
            self.assertEqual(self.ask("GET", HANDSHAKE, source=f"127.0.{n}.7")[0], 200)

    def test_a_gateway_made_anew_is_found_at_its_new_address(self):
        self.stop(self.gateways[0])
        self.gateway("127.0.0.4")
        self.names.addresses["gateway-1"] = "127.0.0.4"
        self.until(lambda: self.reached() == {"127.0.0.3", "127.0.0.4"})


if __name__ == "__main__":
    unittest.main()
