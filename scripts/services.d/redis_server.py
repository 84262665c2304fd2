"""Redis: `redis-server` on the PATH, else Debian's package unpacked into the cache, which needs no root."""
import os
import pathlib
import re
import shlex
import shutil

from cache import Problem, install_once, tool
from instances import Instance, connect, free_ports

HINT = "Install Redis 6 or later (on Debian and Ubuntu: apt-get install redis-server; on macOS: brew install redis)"


def install():
    return " ".join(binary()[0])


def prepare(directory, _mongo_members):
    argv, environment = binary()
    [port] = free_ports(1)
    instance = Instance(str(directory), "redis", [*argv, "redis.conf"], port, environment)
    instance.home.mkdir()
    # Nothing is kept over a restart: presence and rate limits may be lost, and Redis carries nothing else.
    (instance.home / "redis.conf").write_text(f'bind 127.0.0.1\nport {port}\nsave ""\nappendonly no\ndaemonize no\n')
    return [instance]


def answers(instance):
    with connect(instance.port) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(64) == b"+PONG\r\n"


def form(_instances):
    pass


usable = answers


def variables(directory, instances):
    """Tests that stop a server of their own start it themselves: they are told with which command."""
    return {
        "SOCKEYE_TEST_REDIS_URL": f"redis://127.0.0.1:{instances[0].port}",
        "SOCKEYE_TEST_REDIS_SERVER": os.environ.get("SOCKEYE_TEST_REDIS_SERVER") or command(directory),
    }


def command(directory):
    """One file that can be started as it is: from the cache, the server needs its libraries beside it."""
    argv, environment = binary()
    if not environment:
        return argv[0]
    path = pathlib.Path(directory) / "redis-server"
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
    path.write_text(f'#!/bin/sh\n{exports}exec {shlex.join(argv)} "$@"\n')
    path.chmod(0o755)
    return str(path)


def binary():
    """The command, and the environment it needs."""
    found = shutil.which("redis-server")
    if found:
        return [found], {}
    root = install_once("redis-debian", unpack_packages)
    # The libraries lie where Debian would have put them, in a directory named after the machine's kind.
    libraries = [str(path.parent) for path in root.glob("usr/lib/*/*.so*")]
    search = ":".join(sorted(set(libraries)) + os.environ.get("LD_LIBRARY_PATH", "").split(":"))
    return [str(root / "usr/bin/redis-server")], {"LD_LIBRARY_PATH": search.rstrip(":")}


def unpack_packages(place):
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise Problem(f"redis-server is missing. {HINT}")
    try:
        download_packages(place)
    except Problem:
        # The lists of packages are missing or old.
        if os.getuid() != 0:
            raise
        tool(["apt-get", "update"], HINT)
        download_packages(place)
    for package in place.glob("*.deb"):
        tool(["dpkg", "-x", package, place], HINT)
        package.unlink()


def download_packages(place):
    """Those apt would install: redis-server and what it depends on, as far as this machine does not have it."""
    plan = tool(["apt-get", "--simulate", "install", "--no-install-recommends", "redis-server"], HINT)
    packages = re.findall(r"^Inst (\S+)", plan, flags=re.MULTILINE)
    if not packages:
        raise Problem("redis-server is installed, but not on the PATH")
    tool(["apt-get", "download", *packages], HINT, cwd=place)
