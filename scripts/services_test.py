#!/usr/bin/env python3
"""Tests of scripts/services with the real servers. Run by `make test-services`."""
import http.client
import os
import pathlib
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
SERVICES = [sys.executable, str(HERE / "services")]
sys.path.insert(0, str(HERE / "services.d"))

import cluster  # noqa: E402
from cache import Problem, verify  # noqa: E402
from instances import free_ports  # noqa: E402
from kafka_server import broker_count  # noqa: E402
from kafka_server import jars as kafka_jars  # noqa: E402
from mongo_wire import command  # noqa: E402

MEMBERS = ["mongo-0", "mongo-1", "mongo-2"]
WITHIN_S = 60


class Downloaded(unittest.TestCase):
    """What is run is what was looked at when its version was chosen."""

    def test_another_file_under_a_known_name_is_refused(self):
        with tempfile.TemporaryDirectory() as directory:
            forged = pathlib.Path(directory, "kafka-clients-4.1.0.jar")
            forged.write_bytes(b"something else")
            with self.assertRaisesRegex(Problem, "kafka-clients-4.1.0.jar"):
                verify([forged])

    def test_a_file_that_nobody_looked_at_is_refused(self):
        with tempfile.TemporaryDirectory() as directory:
            unknown = pathlib.Path(directory, "unknown-1.0.jar")
            unknown.write_bytes(b"x")
            with self.assertRaisesRegex(Problem, "unknown-1.0.jar"):
                verify([unknown])

    def test_what_is_installed_is_what_was_looked_at(self):
        jars = sorted(kafka_jars().glob("*.jar"))
        self.assertGreater(len(jars), 30)
        verify(jars)


class Started(unittest.TestCase):
    """One start with everything, for tests that leave it as they found it."""

    @classmethod
    def setUpClass(cls):
        # A directory that is there already: `stop` must leave it.
        cls.parent = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.parent.cleanup)
        cls.directory = pathlib.Path(cls.parent.name).resolve()
        cls.addClassCleanup(services, "stop", "--dir", cls.directory)
        cls.printed = services("start", "--dir", cls.directory, "--mongo-members", 3, "kafka", "mongo", "redis", "s3")
        cls.variables = parsed(cls.printed)

    def test_prints_what_it_writes(self):
        self.assertEqual(self.printed, (self.directory / "env").read_text())
        self.assertEqual(self.variables["SOCKEYE_TEST_SERVICES_DIR"], str(self.directory))

    def test_every_instance_has_a_pid_and_a_log(self):
        for name in ["kafka", "redis", "s3", *MEMBERS]:
            os.kill(pid_of(self.directory, name), 0)
            self.assertTrue((self.directory / f"{name}.log").is_file())

    def test_redis_comes_back_on_its_port(self):
        port = port_of(self.variables["SOCKEYE_TEST_REDIS_URL"])
        self.assertEqual(ping(port), b"+PONG\r\n")
        services("kill", "--dir", self.directory, "redis")
        self.assert_nobody_listens(port)
        services("restart", "--dir", self.directory, "redis")
        self.assertEqual(ping(port), b"+PONG\r\n")

    def test_kafka_comes_back_on_its_port_with_its_topics(self):
        port = port_of(self.variables["SOCKEYE_TEST_KAFKA_BROKERS"])
        create_topic(port, "kept")
        services("kill", "--dir", self.directory, "kafka")
        self.assert_nobody_listens(port)
        services("restart", "--dir", self.directory, "kafka")
        self.assertEqual(broker_count(port), 1)
        self.assertIn(b"kept", all_topics(port))

    def test_another_mongodb_member_takes_over_with_all_that_was_confirmed(self):
        ports = dict(zip(MEMBERS, map(port_of, self.variables["SOCKEYE_TEST_MONGODB_URI"].split("/")[2].split(","))))
        first = services("primary", "--dir", self.directory).strip()
        inserted = command(ports[first], {"insert": "kept", "documents": [{"n": 1}], "writeConcern": {"w": "majority"}})
        self.assertEqual((inserted["ok"], inserted["n"]), (1, 1))
        services("kill", "--dir", self.directory, first)
        self.assert_nobody_listens(ports[first])
        second = wait_for(lambda: attempt("primary", "--dir", self.directory).stdout.strip())
        self.assertNotEqual(first, second)
        self.assertEqual(command(ports[second], {"count": "kept"})["n"], 1)
        services("restart", "--dir", self.directory, first)
        self.assertTrue(command(ports[first], {"hello": 1})["secondary"])

    def test_kafka_speaks_tls_with_a_certificate_of_the_authority(self):
        context = ssl.create_default_context(cafile=self.variables["SOCKEYE_TEST_KAFKA_TLS_CA"])
        for listener in ("TLS", "SASL_TLS"):
            port = port_of(self.variables[f"SOCKEYE_TEST_KAFKA_{listener}_BROKERS"])
            plain = socket.create_connection(("127.0.0.1", port))
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                self.assertIn("TLS", secure.version())

    def test_kafka_wants_the_right_password(self):
        port = port_of(self.variables["SOCKEYE_TEST_KAFKA_SASL_BROKERS"])
        user, password = (self.variables[f"SOCKEYE_TEST_KAFKA_SASL_{part}"] for part in ("USERNAME", "PASSWORD"))
        self.assertEqual(log_in(port, user, password), 0)
        sasl_authentication_failed = 58
        self.assertEqual(log_in(port, user, "wrong"), sasl_authentication_failed)

    def test_s3_keeps_objects(self):
        address = self.variables["SOCKEYE_TEST_S3_ENDPOINT"][len("http://") :]
        # It wants a signature and believes every one.
        signature = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
        for method, path, body in [("PUT", "/pictures", b""), ("PUT", "/pictures/a", b"bytes"), ("GET", "/pictures/a", b"")]:
            connection = http.client.HTTPConnection(address)
            connection.request(method, path, body, {"Authorization": signature})
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            self.assertEqual(answer.status, 200, content)
        self.assertEqual(content, b"bytes")

    def test_what_cannot_be_done_is_said(self):
        self.assert_refused("no nothing here", "kill", "--dir", self.directory, "nothing")
        self.assert_refused("redis is running", "restart", "--dir", self.directory, "redis")
        self.assert_refused("stop them first", "start", "--dir", self.directory, "redis")

    def assert_nobody_listens(self, port):
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()

    def assert_refused(self, sentence, *arguments):
        done = attempt(*arguments)
        self.assertEqual(done.returncode, 1)
        self.assertIn(sentence, done.stderr)


class Ends(unittest.TestCase):
    """However it ends, no process stays and no directory that we made."""

    def test_stop(self):
        directory = pathlib.Path(parsed(services("start", "redis", "mongo"))["SOCKEYE_TEST_SERVICES_DIR"])
        pids = [pid_of(directory, name) for name in ("redis", "mongo-0")]
        services("stop", "--dir", directory)
        self.assert_gone(directory, pids)

    def test_stop_leaves_a_directory_it_was_given(self):
        with tempfile.TemporaryDirectory() as given:
            services("start", "--dir", given, "redis")
            services("stop", "--dir", given)
            self.assertTrue((pathlib.Path(given) / "redis.log").exists())
            services("start", "--dir", given, "redis")
            services("stop", "--dir", given)

    def test_run_ends_with_the_status_of_its_command(self):
        script = 'echo "$SOCKEYE_TEST_SERVICES_DIR"; cat "$SOCKEYE_TEST_SERVICES_DIR"/*.pid; exit 7'
        done = attempt("run", "redis", "mongo", "--", "sh", "-c", script)
        directory, *pids = done.stdout.split()
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertEqual(len(pids), 2)
        self.assert_gone(pathlib.Path(directory), map(int, pids))

    def test_a_command_can_kill_and_restart_what_run_started(self):
        each = " && ".join(f'"$0" "$1" {action} --dir "$SOCKEYE_TEST_SERVICES_DIR" redis' for action in ("kill", "restart"))
        done = attempt("run", "redis", "--", "sh", "-c", each, *SERVICES)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_run_told_to_end(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
            with self.subTest(number.name):
                process, directory, pids = self.running()
                process.send_signal(number)
                process.wait(WITHIN_S)
                self.assertEqual(process.returncode, -9 if number == signal.SIGKILL else 128 + number)
                # After kill -9 the guard has still to notice.
                wait_for(lambda gone=directory: not gone.exists())
                self.assert_gone(directory, pids)

    def test_run_told_to_end_while_it_starts(self):
        with tempfile.TemporaryDirectory() as parent:
            process = subprocess.Popen([*SERVICES, "run", "--", "true"], env={**environment(), "TMPDIR": parent})
            wait_for(lambda: list(pathlib.Path(parent).glob("*/*.pid")))
            pids = [int(file.read_text() or 0) for file in pathlib.Path(parent).glob("*/*.pid")]
            process.terminate()
            self.assertEqual(process.wait(WITHIN_S), 128 + signal.SIGTERM)
            self.assertEqual(list(pathlib.Path(parent).iterdir()), [])
            self.assert_gone(pathlib.Path(parent) / "none", filter(None, pids))

    def test_run_uses_the_servers_it_is_given(self):
        given = {f"SOCKEYE_TEST_{name}": "mine" for name in ("KAFKA_BROKERS", "MONGODB_URI", "REDIS_URL")}
        done = attempt("run", "--", "sh", "-c", 'echo "$SOCKEYE_TEST_REDIS_URL$SOCKEYE_TEST_SERVICES_DIR"', more=given)
        self.assertEqual((done.returncode, done.stdout), (0, "mine\n"))

    def test_a_start_that_fails_says_why_and_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as parent:
            done = attempt("start", "redis", "kafka", more={"PATH": "/nonexistent", "TMPDIR": parent})
            self.assertEqual(done.returncode, 1)
            self.assertIn("java is missing", done.stderr)
            self.assertEqual(list(pathlib.Path(parent).iterdir()), [])

    def running(self):
        # The command ends when we close its input, also when `run` cannot end it any more.
        script = 'echo "$SOCKEYE_TEST_SERVICES_DIR"; exec cat'
        argv = [*SERVICES, "run", "redis", "--", "sh", "-c", script]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        directory = pathlib.Path(process.stdout.readline().strip())
        return process, directory, [pid_of(directory, "redis")]

    def assert_gone(self, directory, pids):
        self.assertFalse(directory.exists())
        for pid in pids:
            with self.subTest(pid), self.assertRaises(FileNotFoundError):
                # What is left of a process until its parent looks has no working directory.
                os.readlink(f"/proc/{pid}/cwd")


class PortTaken(unittest.TestCase):
    """Between our look for a free port and the server's bind somebody else was quicker."""

    def test_it_starts_on_another(self):
        with socket.socket() as quicker:
            quicker.bind(("127.0.0.1", 0))
            quicker.listen()
            taken = quicker.getsockname()[1]
            for name, server in cluster.SERVERS.items():
                with self.subTest(name), tempfile.TemporaryDirectory() as given:
                    looks = []

                    def look(how_many, looks=looks):
                        looks.append(free_ports(how_many))
                        return [taken, *looks[0][1:]] if len(looks) == 1 else looks[-1]

                    directory = pathlib.Path(given).resolve()
                    with unittest.mock.patch.object(server, "free_ports", look):
                        lines = cluster.start(directory, [name], 1, made=False)
                    cluster.stop(directory)
                    self.assertEqual(len(looks), 2)
                    self.assertIn(str(looks[1][0]), lines[0])


def services(*arguments):
    done = attempt(*arguments)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


def attempt(*arguments, more=None):
    argv = [*SERVICES, *map(str, arguments)]
    return subprocess.run(argv, env={**environment(), **(more or {})}, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def environment():
    """Ours without servers somebody may have pointed us to."""
    return {key: value for key, value in os.environ.items() if not key.startswith("SOCKEYE_TEST_")}


def parsed(lines):
    return dict(line.split("=", 1) for line in lines.splitlines())


def pid_of(directory, name):
    return int((directory / f"{name}.pid").read_text())


def port_of(address):
    return int(address.rsplit(":", 1)[1])


def wait_for(condition):
    deadline = time.monotonic() + WITHIN_S
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {WITHIN_S} s"
        time.sleep(0.05)
    return value


def ping(port):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(64)


# --- Kafka's protocol, as far as needed: https://kafka.apache.org/protocol.html


def create_topic(port, name):
    """CreateTopics (19) version 2: one topic, one partition, one copy."""
    body = struct.pack(">i", 1) + text(name) + struct.pack(">ihiii?", 1, 1, 0, 0, 10_000, False)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        answer = ask(connection, 19, 2, body)
    (error,) = struct.unpack_from(">h", answer, 4 + 4 + 2 + len(name))
    assert error == 0, f"error {error} for topic {name}"


def all_topics(port):
    """The answer to Metadata (3) version 8 about all topics."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        return ask(connection, 3, 8, struct.pack(">i???", -1, False, False, False))


def log_in(port, user, password):
    """The error code of SaslHandshake (17) and SaslAuthenticate (36) with PLAIN (RFC 4616)."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        (refused,) = struct.unpack_from(">h", ask(connection, 17, 1, text("PLAIN")))
        assert refused == 0, f"error {refused} for PLAIN"
        token = f"\0{user}\0{password}".encode()
        (error,) = struct.unpack_from(">h", ask(connection, 36, 1, struct.pack(">i", len(token)) + token))
        return error


def ask(connection, api, version, body):
    """The answer without its correlation id."""
    request = struct.pack(">hhi", api, version, 1) + text("test") + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    with connection.makefile("rb") as stream:
        (length,) = struct.unpack(">i", stream.read(4))
        return stream.read(length)[4:]


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


if __name__ == "__main__":
    unittest.main(verbosity=2)
