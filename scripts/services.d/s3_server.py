"""An S3-compatible store for tests of pictures: moto, from PyPI. It keeps everything in memory: a restart begins empty."""
import http.client
import sys

import pypi
from cache import install_once
from instances import ANSWER_WITHIN_S, Instance, free_ports

VERSION = "5.1.12"
REQUIREMENTS = [f"moto[s3]=={VERSION}", "flask==3.1.2", "flask-cors==6.0.1"]
HINT = "The S3-compatible store comes from PyPI with pip"


def install():
    return f"moto {VERSION} in {packages()}"


def prepare(directory, _mongo_members):
    [port] = free_ports(1)
    argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    instance = Instance(str(directory), "s3", argv, port, {"PYTHONPATH": str(packages())})
    instance.home.mkdir()
    return [instance]


def answers(instance):
    connection = http.client.HTTPConnection("127.0.0.1", instance.port, timeout=ANSWER_WITHIN_S)
    try:
        connection.request("GET", "/moto-api/data.json")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def form(_instances):
    pass


usable = answers


def variables(_directory, instances):
    return {"SOCKEYE_TEST_S3_ENDPOINT": f"http://127.0.0.1:{instances[0].port}"}


def packages():
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return install_once(f"moto-{VERSION}-python{python}", lambda place: pypi.install(REQUIREMENTS, place, HINT))
