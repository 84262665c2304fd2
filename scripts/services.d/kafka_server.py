"""Kafka, a single node that is broker and controller: Apache's jars from Maven Central, run by the Java on the PATH."""
import pathlib
import shutil
import struct

from cache import Problem, cache_directory, install_once, tool
from instances import Instance, connect, free_ports, receive_exactly

VERSION = "4.1.0"
HINT = "Kafka needs a JDK 17 or later and Maven (on Debian and Ubuntu: apt-get install openjdk-17-jdk-headless maven)"
CLUSTER_ID = "c29ja2V5ZS10ZXN0cy0wMA"
# Started often, on busy machines: a small heap and the quick compiler only.
JVM = ["-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sockeye</groupId><artifactId>test-kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
  </dependencies>
</project>
"""

LOGGING = """status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""


def install():
    return f"Apache Kafka {VERSION} in {jars()}, {java()}"


def prepare(directory, _mongo_members):
    port, controller_port = free_ports(2)
    argv = [java(), *JVM, *classpath(), "kafka.Kafka", "server.properties"]
    instance = Instance(str(directory), "kafka", argv, port, more_ports={"controller": controller_port})
    instance.home.mkdir()
    (instance.home / "log4j2.properties").write_text(LOGGING)
    (instance.home / "server.properties").write_text(properties(instance))
    format_storage(instance)
    return [instance]


def format_storage(instance):
    arguments = ["format", "--config", "server.properties", "--cluster-id", CLUSTER_ID]
    tool([java(), *JVM, *classpath(), "kafka.tools.StorageTool", *arguments], HINT, cwd=instance.home)


def properties(instance):
    controller_port = instance.more_ports["controller"]
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listeners": f"PLAINTEXT://127.0.0.1:{instance.port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{instance.port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": instance.home / "data",
        # As a cluster in production would have it; but one node has one copy of everything.
        "auto.create.topics.enable": "false",
        "num.partitions": 3,
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # Groups form at once, and tests may use short sessions.
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # After kill -9 the node may come back when its old session is over: that should not take the default 9 s.
        "broker.session.timeout.ms": 2000,
        "broker.heartbeat.interval.ms": 250,
        # Small: the defaults are for a machine of its own.
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
        "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def answers(instance):
    return broker_count(instance.port) > 0


def form(_instances):
    pass


usable = answers


def variables(_directory, instances):
    return {"SOCKEYE_TEST_KAFKA_BROKERS": f"127.0.0.1:{instances[0].port}"}


def broker_count(port):
    """Brokers in the answer to a Metadata request about no topic: the node is there once it is registered and unfenced.

    https://kafka.apache.org/protocol.html: Metadata (3) in version 8, header version 1.
    """
    client = b"services"
    header = struct.pack(">hhih", 3, 8, 1, len(client)) + client
    no_topics_create_none = struct.pack(">i???", 0, False, False, False)
    request = header + no_topics_create_none
    with connect(port) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (length,) = struct.unpack(">i", receive_exactly(connection, 4))
        answer = receive_exactly(connection, length)
    # Correlation id and throttle time come first.
    return struct.unpack_from(">i", answer, 8)[0]


def java():
    found = shutil.which("java")
    if not found:
        raise Problem(f"java is missing. {HINT}")
    return found


def classpath():
    return ["-cp", f"{jars()}/*", "-Dlog4j2.configurationFile=log4j2.properties"]


def jars():
    return install_once(f"kafka-{VERSION}", fetch_jars)


def fetch_jars(place):
    (place / "pom.xml").write_text(POM)
    tool(["mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={place}"], HINT, cwd=place)
    if not list(place.glob("kafka_2.13-*.jar")):
        raise Problem(f"Maven copied no Kafka into {place}. {HINT}")
