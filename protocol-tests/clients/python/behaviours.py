"""Shows every behaviour of behaviours.ts with python-socketio; a JSON line for each."""

import importlib.metadata
import json
import queue
import sys
import time
import traceback

import engineio.payload
import socketio

ORIGIN, RELAY = sys.argv[1:3]
VERSION = importlib.metadata.version("python-socketio")
TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": None}
PATIENCE_S = 10
ANSWERS = ("message-back", "emit-with-ack-back", "auth")

JSON = [None, True, False, 0, -1.5, 9007199254740991, "", "ü € 😀", [], {}, {"a": [{"b": [1, [None]]}]}]
FIRST = bytes([0, 1, 2, 254, 255])
SECOND = bytes([7]) * 3000

# The library refuses polls of more than 16 packets unless told otherwise; servers do send them.
engineio.payload.Payload.max_decode_packets = 1000


class Skip(Exception):
    """The library does not offer what the behaviour needs."""


class Client:
    """A connection whose events wait in queues until a test asks for them."""

    def __init__(self, mode, origin=ORIGIN, namespaces=("/",), auth=None, reconnection=False):
        self.mode = mode
        self.namespaces = list(namespaces)
        self.events = {}
        self.sio = socketio.Client(
            reconnection=reconnection, reconnection_delay=0.02, reconnection_delay_max=0.02, randomization_factor=0
        )
        for namespace in self.namespaces:
            for event in ("connect", "disconnect", *ANSWERS):
                self.sio.on(event, self._keep(namespace, event), namespace=namespace)
        self.options = {"transports": TRANSPORTS[mode], "namespaces": self.namespaces}
        if auth is not None:
            self.options["auth"] = auth
        self.origin = origin

    def __enter__(self):
        self.connect()
        return self

    def __exit__(self, *_):
        self.sio.disconnect()

    def connect(self):
        self.sio.connect(self.origin, **self.options)
        for namespace in self.namespaces:
            self.take("connect", namespace)

    def take(self, event, namespace="/"):
        """The arguments of the next event of this name."""
        try:
            return self._queue(namespace, event).get(timeout=PATIENCE_S)
        except queue.Empty:
            raise AssertionError(f"no {event} in {PATIENCE_S} s") from None

    def ask(self, *args, namespace="/"):
        """Emits `message-with-ack`; the arguments of the acknowledgement."""
        answer = queue.Queue()
        self.sio.emit("message-with-ack", args, namespace=namespace, callback=lambda *back: answer.put(list(back)))
        try:
            return answer.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise AssertionError("no acknowledgement") from None

    def _queue(self, namespace, event):
        return self.events.setdefault((namespace, event), queue.Queue())

    def _keep(self, namespace, event):
        return lambda *args: self._queue(namespace, event).put(list(args))


def equal(actual, expected):
    assert actual == expected, f"got {str(actual)[:300]}, not {str(expected)[:300]}"


def connects(mode):
    with Client(mode) as client:
        # The sync client upgrades before connect() returns.
        equal(client.sio.eio.transport(), "polling" if mode == "polling" else "websocket")


def json_back(mode):
    with Client(mode) as client:
        client.sio.emit("message", tuple(JSON))
        equal(client.take("message-back"), JSON)


def binary_back(mode):
    with Client(mode) as client:
        client.sio.emit("message", (FIRST, {"file": SECOND, "list": [FIRST]}))
        equal(client.take("message-back"), [FIRST, {"file": SECOND, "list": [FIRST]}])


def json_acknowledged(mode):
    with Client(mode) as client:
        equal(client.ask(*JSON), JSON)


def binary_acknowledged(mode):
    with Client(mode) as client:
        equal(client.ask(FIRST, {"file": SECOND}), [FIRST, {"file": SECOND}])


def acknowledges(mode):
    with Client(mode) as client:
        client.sio.on("emit-with-ack", lambda a, b: ("answer", {"a": a, "b": b}))
        client.sio.emit("emit-with-ack", (1, [2]))
        equal(client.take("emit-with-ack-back"), ["answer", {"a": 1, "b": [2]}])


def acknowledges_binary(mode):
    with Client(mode) as client:
        client.sio.on("emit-with-ack", lambda data: (SECOND, {"bytes": data}))
        client.sio.emit("emit-with-ack", FIRST)
        equal(client.take("emit-with-ack-back"), [SECOND, {"bytes": FIRST}])


def order(mode):
    with Client(mode) as client:
        acks = queue.Queue()
        for n in range(200):
            client.sio.emit("message", n)
            client.sio.emit("message-with-ack", n, callback=acks.put)
        # Each packet is handled in a thread of its own, so the order of arrival cannot be seen from here.
        equal(sorted(client.take("message-back") for _ in range(200)), [[n] for n in range(200)])
        equal(sorted(acks.get(timeout=PATIENCE_S) for _ in range(200)), list(range(200)))


def large(mode):
    with Client(mode) as client:
        text = "x" * 500_000
        equal(client.ask(text), [text])


def custom_namespace(mode):
    with Client(mode, namespaces=("/", "/custom")) as client:
        client.sio.emit("message", "custom", namespace="/custom")
        equal(client.take("message-back", "/custom"), ["custom"])
        client.sio.emit("message", "main")
        equal(client.take("message-back"), ["main"])


def unknown_namespace(mode):
    refusals = queue.Queue()
    client = Client(mode, namespaces=("/unknown",))
    client.sio.on("connect_error", lambda *args: refusals.put(list(args)), namespace="/unknown")
    try:
        client.sio.connect(ORIGIN, **client.options)
    except socketio.exceptions.ConnectionError:
        pass
    equal(refusals.get(timeout=PATIENCE_S), [{"message": "Invalid namespace"}])
    client.sio.disconnect()


def auth(mode):
    if VERSION.startswith("4."):
        raise Skip("python-socketio 4 has no auth option")
    payload = {"token": "abc", "roles": ["a", {"b": None}]}
    with Client(mode, auth=payload) as client:
        equal(client.take("auth"), [payload])


def heartbeats(mode):
    with Client(mode) as client:
        time.sleep(1.5)  # three times pingInterval + pingTimeout
        equal(client.ask("alive"), ["alive"])
        assert client.events.get(("/", "disconnect"), queue.Queue()).empty(), "was disconnected"


def comes_back(mode):
    with Client(mode) as client:
        client.sio.disconnect()
        assert not client.sio.connected
        client.sio.eio.wait()  # for its threads of the old connection
        client.connect()
        equal(client.ask("back"), ["back"])


def reconnects(mode):
    with Client(mode, origin=RELAY, reconnection=True) as client:
        say(relay="cut")
        client.take("disconnect")
        say(relay="restore")
        client.take("connect")
        equal(client.ask("again"), ["again"])


BEHAVIOURS = {
    "connects by this transport": connects,
    "gets back arguments of every JSON type": json_back,
    "gets back binary": binary_back,
    "gets acknowledgements with arguments of every JSON type": json_acknowledged,
    "gets acknowledgements with binary": binary_acknowledged,
    "acknowledges what the server asks for": acknowledges,
    "acknowledges with binary": acknowledges_binary,
    "gets 200 acknowledgements and 200 events in the order it sent": order,
    "sends and receives 500 kB at once": large,
    "joins a custom namespace beside the main one": custom_namespace,
    "is refused an unknown namespace": unknown_namespace,
    "hands over an auth payload": auth,
    "stays connected through several heartbeats": heartbeats,
    "leaves and comes back": comes_back,
    "reconnects after its connection was cut": reconnects,
}


def say(**line):
    print(json.dumps(line), flush=True)


def main():
    for mode in TRANSPORTS:
        for name, behaviour in BEHAVIOURS.items():
            test = f"{mode}: {name}"
            try:
                behaviour(mode)
                say(test=test, error=None)
            except Skip as reason:
                say(test=test, skip=str(reason))
            except Exception:
                say(test=test, error=traceback.format_exc())


main()
