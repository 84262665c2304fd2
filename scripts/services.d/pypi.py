"""Packages of PyPI, without touching the Python that runs us."""
import contextlib
import importlib.util
import os
import sys
import tempfile

from cache import cache_directory, tool

HINT = "Install pip or venv, on Debian and Ubuntu: apt-get install python3-venv"
QUIETLY = ["--quiet", "--disable-pip-version-check"]
# As a variable: as an option, older versions of pip would refuse it.
ENVIRONMENT = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}


def download(requirement, place, hint):
    """The package's own file, without what it depends on."""
    with pip() as command:
        tool([*command, "download", *QUIETLY, "--no-deps", "--dest", place, requirement], hint, env=ENVIRONMENT)


def install(requirements, place, hint):
    """The packages and what they depend on, for a PYTHONPATH."""
    with pip() as command:
        tool([*command, "install", *QUIETLY, "--target", place, *requirements], hint, env=ENVIRONMENT)


@contextlib.contextmanager
def pip():
    """Some distributions' Python has no pip of its own, but can put one into a virtual environment."""
    if importlib.util.find_spec("pip"):
        yield [sys.executable, "-m", "pip"]
        return
    with tempfile.TemporaryDirectory(dir=cache_directory()) as scratch:
        tool([sys.executable, "-m", "venv", scratch], HINT)
        yield [f"{scratch}/bin/python", "-m", "pip"]
