"""What the servers are made of, kept outside the checkout so that every checkout shares it."""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile


class Problem(Exception):
    """Something the person at the keyboard can act on; the message says what."""


def cache_directory():
    wanted = os.environ.get("SOCKEYE_SERVICES_CACHE")
    directory = pathlib.Path(wanted) if wanted else pathlib.Path.home() / ".cache" / "sockeye" / "services"
    directory.mkdir(parents=True, exist_ok=True)
    return directory.resolve()


def install_once(name, fill):
    """The cache's directory `name`; when there is none yet, `fill(path)` makes it, in one process at a time.

    It is filled beside its place and moved there when complete: an install that was cut short leaves nothing half done.
    """
    place = cache_directory() / name
    if place.is_dir():
        return place
    with locked(name):
        if place.is_dir():
            return place
        say(f"installing {name} into {place}")
        unfinished = pathlib.Path(tempfile.mkdtemp(prefix=f".{name}-", dir=place.parent))
        try:
            fill(unfinished)
            unfinished.rename(place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return place


def verify(paths):
    """These files are the ones whose SHA-256 the file `checksums` has, under their names; else a Problem names those that are not."""
    lines = (pathlib.Path(__file__).parent / "checksums").read_text().splitlines()
    wanted = {name: digest for digest, name in (line.split() for line in lines if not line.startswith("#"))}
    wrong = [path.name for path in paths if hashlib.sha256(path.read_bytes()).hexdigest() != wanted.get(path.name)]
    if wrong:
        raise Problem(
            f"{', '.join(sorted(wrong))}: not what scripts/services.d/checksums says. If a version was changed on purpose, the"
            " line there must be too; if not, do not run it."
        )


def tool(argv, hint, **options):
    """Runs a tool, its output captured; a failure becomes a Problem with the end of that output and the hint."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    except FileNotFoundError:
        raise Problem(f"{argv[0]} is missing. {hint}") from None
    if done.returncode != 0:
        raise Problem(f"{' '.join(map(str, argv[:4]))} ... failed:\n{last_lines(done.stdout)}\n{hint}")
    return done.stdout


def last_lines(text, lines_max=15):
    return "\n".join(text.strip().splitlines()[-lines_max:])


def say(sentence):
    print(f"scripts/services: {sentence}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def locked(name):
    with open(cache_directory() / f".{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
