"""All servers together: install, start in parallel, stop.

A server is a module with
  install() -> what it uses, for people
  prepare(directory, options) -> its instances, with configuration and ports, not started
  answers(instance) -> whether it can be talked to
  form(instances) -> what is needed once, after all answer
  usable(instance) -> whether tests can use it
  variables(directory, instances) -> what tests are told
"""
import concurrent.futures
import shutil
import signal

import kafka_server
import mongo_server
import redis_server
import s3_server
from cache import Problem
from instances import NotUsable, cancelled, load

__all__ = ["cancelled"]

SERVERS = {"kafka": kafka_server, "mongo": mongo_server, "redis": redis_server, "s3": s3_server}
DEFAULT = ["kafka", "mongo", "redis"]
# The variable by which somebody says "use this server of mine".
PROVIDED_BY = {
    "kafka": "SOCKEYE_TEST_KAFKA_BROKERS",
    "mongo": "SOCKEYE_TEST_MONGODB_URI",
    "redis": "SOCKEYE_TEST_REDIS_URL",
    "s3": "SOCKEYE_TEST_S3_ENDPOINT",
}
STOP_WITHIN_S = 10
START_ATTEMPTS = 3
MADE_BY_US = ".made-by-services"


def is_provided(name, environment):
    return bool(environment.get(PROVIDED_BY[name]))


def install(names):
    return {name: SERVERS[name].install() for name in names}


def start(directory, names, mongo_members, made):
    """Starts the servers and returns the lines of DIR/env; when one does not start, stops all and raises its Problem."""
    clear(directory)
    if made:
        (directory / MADE_BY_US).touch()
    try:
        variables = all_at_once(lambda name: start_one(directory, name, mongo_members), names)
    except BaseException:
        stop(directory)
        raise
    lines = [f"{key}={value}" for found in variables for key, value in found.items()]
    lines.append(f"SOCKEYE_TEST_SERVICES_DIR={directory}")
    (directory / "env").write_text("".join(f"{line}\n" for line in lines))
    return lines


def clear(directory):
    """Removes what servers left that were stopped: a start is a new start."""
    instances = load(directory)
    if any(instance.pid() for instance in instances):
        raise Problem(f"{directory} has running servers: stop them first")
    for instance in instances:
        instance.remove()


def start_one(directory, name, mongo_members):
    server = SERVERS[name]
    server.install()
    for attempt in range(1, START_ATTEMPTS + 1):
        instances = server.prepare(directory, mongo_members)
        try:
            bring_up(server, instances)
            return server.variables(directory, instances)
        except NotUsable:
            # Somebody took a port between our look and the server's bind: once more, with others.
            if attempt == START_ATTEMPTS or not any(instance.lost_its_port() for instance in instances):
                raise
            for instance in instances:
                instance.kill()
                instance.remove()


def bring_up(server, instances):
    for instance in instances:
        instance.launch()
    for instance in instances:
        instance.wait_until(server.answers)
    server.form(instances)
    for instance in instances:
        instance.wait_until(server.usable)


def restart(directory, name):
    instance = named(directory, name)
    if instance.pid() is not None:
        raise Problem(f"{name} is running; kill it first")
    for left in reversed(range(START_ATTEMPTS)):
        instance.launch()
        try:
            return instance.wait_until(server_of(name).usable)
        except NotUsable:
            # A broker that is told "not controller" while it registers gives up, now and then; a supervisor would start it again.
            if left == 0 or instance.pid() is not None:
                raise


def kill(directory, name):
    instance = named(directory, name)
    if instance.pid() is None:
        raise Problem(f"{name} is not running")
    instance.kill()


def primary(directory):
    for instance in load(directory):
        if server_of(instance.name) is mongo_server and mongo_server.is_primary(instance):
            return instance.name
    raise Problem("no MongoDB instance is primary now")


def stop(directory):
    """TERM to all, KILL to those that take longer."""
    instances = load(directory)
    for instance in instances:
        instance.signal(signal.SIGTERM)
    for instance in instances:
        instance.gone_within(STOP_WITHIN_S)
        instance.kill()
    if (directory / MADE_BY_US).exists():
        shutil.rmtree(directory)


def named(directory, name):
    instances = {instance.name: instance for instance in load(directory)}
    if name not in instances:
        raise Problem(f"no {name} here; there is {', '.join(instances) or 'nothing'}")
    return instances[name]


def server_of(instance_name):
    return SERVERS[instance_name.split("-")[0]]


def all_at_once(work, items):
    with concurrent.futures.ThreadPoolExecutor(max_workers=len(items)) as pool:
        futures = [pool.submit(work, item) for item in items]
        done, _ = concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_EXCEPTION)
        if any(future.exception() for future in done):
            cancelled.set()
        # The first that failed by itself, rather than those told to give up because of it.
        problems = [future.exception() for future in done if future.exception()]
        if problems:
            raise problems[0]
        return [future.result() for future in futures]
