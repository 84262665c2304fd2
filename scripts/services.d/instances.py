"""One process of a server: started, watched, killed and started again on the same port and data."""
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import threading
import time

from cache import Problem, last_lines

# Generous: machines that run tests are often busy with a build.
USABLE_WITHIN_S = 120
POLL_S = 0.05
ANSWER_WITHIN_S = 5

# Set when the person at the keyboard has had enough: whoever waits stops waiting.
cancelled = threading.Event()


class NotUsable(Problem):
    """The process ended, or did not become usable in time; the message has the end of its log."""


@dataclasses.dataclass
class Instance:
    """`DIR/NAME.json`; beside it `DIR/NAME.pid`, `DIR/NAME.log` and the directory `DIR/NAME`, its working directory and data."""

    directory: str
    name: str
    argv: list
    port: int
    environment: dict = dataclasses.field(default_factory=dict)
    # Ports by name, where it listens on more than one.
    more_ports: dict = dataclasses.field(default_factory=dict)

    @property
    def home(self):
        return pathlib.Path(self.directory) / self.name

    @property
    def log(self):
        return pathlib.Path(self.directory) / f"{self.name}.log"

    @property
    def pid_file(self):
        return pathlib.Path(self.directory) / f"{self.name}.pid"

    @property
    def record(self):
        return pathlib.Path(self.directory) / f"{self.name}.json"

    def launch(self):
        """Starts the process and returns at once. In a session of its own: Ctrl-C is for us, we stop it in our time."""
        self.record.write_text(json.dumps(dataclasses.asdict(self), indent=1))
        with open(self.log, "ab") as log:
            process = subprocess.Popen(
                self.argv,
                cwd=self.home,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pid_file.write_text(f"{process.pid}\n")
        # It outlives us when we are `start`, and is reaped in `pid` when we are `run`.
        process.returncode = 0

    def pid(self):
        """The process id while the process lives, else None."""
        try:
            pid = int(self.pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return None
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        return pid if self.is_ours(pid) else None

    def is_ours(self, pid):
        """A pid is given to somebody else some day: ours works in our directory. Without /proc we trust the pid."""
        try:
            if os.path.isdir("/proc/self"):
                return os.readlink(f"/proc/{pid}/cwd") == str(self.home)
            os.kill(pid, 0)
            return True
        except OSError:
            return False

    def signal(self, number):
        pid = self.pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def gone_within(self, seconds):
        deadline = time.monotonic() + seconds
        while self.pid() is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True

    def kill(self):
        self.signal(signal.SIGKILL)
        if not self.gone_within(10):
            raise Problem(f"{self.name} is still there after kill -9")
        self.pid_file.unlink(missing_ok=True)

    def remove(self):
        """Its data, log and record."""
        shutil.rmtree(self.home, ignore_errors=True)
        for file in (self.log, self.pid_file, self.record):
            file.unlink(missing_ok=True)

    def wait_until(self, is_true, seconds=USABLE_WITHIN_S):
        """Asks `is_true(self)` until it says so. No answer (an OSError) counts as no."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError):
                if is_true(self):
                    return
            if self.pid() is None:
                raise NotUsable(f"{self.name} ended by itself. The end of {self.log}:\n{self.log_end()}")
            if time.monotonic() > deadline:
                raise NotUsable(f"{self.name} is not usable after {seconds} s. The end of {self.log}:\n{self.log_end()}")
            if cancelled.wait(POLL_S):
                raise NotUsable(f"{self.name}: interrupted")

    def lost_its_port(self):
        return self.pid() is None and "ddress already in use" in self.log.read_text(errors="replace")

    def log_end(self):
        with contextlib.suppress(FileNotFoundError):
            return last_lines(self.log.read_text(errors="replace"))
        return ""


def load(directory):
    """All instances that were started in the directory."""
    files = sorted(pathlib.Path(directory).glob("*.json"))
    return [Instance(**json.loads(file.read_text())) for file in files]


def free_ports(how_many):
    """Ports nobody listens on, below those the system hands out by itself: so they are still free for a restart."""
    ports = []
    while len(ports) < how_many:
        port = random.randrange(12000, lowest_ephemeral_port())
        if port not in ports and is_free(port):
            ports.append(port)
    return ports


def lowest_ephemeral_port():
    try:
        lowest = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        return 32768
    return lowest if lowest > 13000 else 32768


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_WITHIN_S)
    connection.settimeout(ANSWER_WITHIN_S)
    return connection


def receive_exactly(connection, length):
    received = b""
    while len(received) < length:
        part = connection.recv(length - len(received))
        if not part:
            raise ConnectionError("closed in the middle of an answer")
        received += part
    return received
