"""Kafka, a single node that is broker and controller: Apache's jars from Maven Central, run by the Java on the PATH."""
import hashlib
import pathlib
import secrets
import shutil
import signal
import struct
import tempfile

import kafka_certificates
import kafka_settings
from cache import Problem, install_once, tool, verify
from instances import USABLE_WITHIN_S, Instance, connect, free_ports, receive_exactly

VERSION = "4.1.0"
HINT = "Kafka needs a JDK 17 or later and Maven (on Debian and Ubuntu: apt-get install openjdk-17-jdk-headless maven)"
CLUSTER_ID = "c29ja2V5ZS10ZXN0cy0wMA"
# Started often, on busy machines: a small heap and the quick compiler only.
JVM = ["-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sockeye</groupId><artifactId>test-kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
  </dependencies>
</project>
"""

RECORD = "-XX:ArchiveClassesAtExit"

# To standard output, which is DIR/kafka.log.
LOGGING = """status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""


def install():
    kafka_certificates.directory()
    loaded_classes()
    return f"Apache Kafka {VERSION} in {jars()}, {java()}"


def prepare(directory, _mongo_members):
    return [configured(directory, [f"-XX:SharedArchiveFile={loaded_classes()}"])]


def configured(directory, java_options):
    ports = dict(zip(kafka_settings.PORTS, free_ports(len(kafka_settings.PORTS))))
    argv = [*java_with_kafka(), *java_options, "kafka.Kafka", "server.properties"]
    instance = Instance(str(directory), "kafka", argv, ports["plain"], more_ports=ports)
    instance.home.mkdir(mode=0o700)
    password = secrets.token_hex(16)
    password_file(instance).write_text(password)
    (instance.home / "log4j2.properties").write_text(LOGGING)
    properties = kafka_settings.properties(ports, instance.home / "data", password)
    (instance.home / "server.properties").write_text(properties)
    format_storage(instance, java_options, password)
    return instance


def format_storage(instance, java_options, password):
    # The quick start's archive is made by the server itself, not here.
    options = [option for option in java_options if not option.startswith(RECORD)]
    arguments = ["format", "--config", "server.properties", "--cluster-id", CLUSTER_ID, *kafka_settings.scram_users(password)]
    tool([*java_with_kafka(), *options, "kafka.tools.StorageTool", *arguments], HINT, cwd=instance.home)


def answers(instance):
    return broker_count(instance.port) > 0


def form(_instances):
    pass


usable = answers


def variables(_directory, instances):
    [kafka] = instances
    at = {name: f"127.0.0.1:{port}" for name, port in kafka.more_ports.items()}
    return {
        "SOCKEYE_TEST_KAFKA_BROKERS": at["plain"],
        "SOCKEYE_TEST_KAFKA_SASL_BROKERS": at["sasl"],
        "SOCKEYE_TEST_KAFKA_SASL_USERNAME": kafka_settings.USERNAME,
        "SOCKEYE_TEST_KAFKA_SASL_PASSWORD": password_file(kafka).read_text(),
        "SOCKEYE_TEST_KAFKA_TLS_BROKERS": at["tls"],
        "SOCKEYE_TEST_KAFKA_TLS_CA": kafka_certificates.directory() / "ca.pem",
        "SOCKEYE_TEST_KAFKA_SASL_TLS_BROKERS": at["sasl_tls"],
        "SOCKEYE_TEST_KAFKA_PROXIED_BIND": at["proxied"],
        "SOCKEYE_TEST_KAFKA_PROXY": at["proxy"],
    }


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


def java_with_kafka():
    return [java(), *JVM, "-cp", f"{jars()}/*", "-Dlog4j2.configurationFile=log4j2.properties"]


def java():
    found = shutil.which("java")
    if not found:
        raise Problem(f"java is missing. {HINT}")
    return found


def jars():
    return install_once(f"kafka-{VERSION}", fetch_jars)


def loaded_classes():
    """An archive of Kafka's classes as this Java loads them: it halves the time to start. Java ignores one that does not fit."""
    version = hashlib.sha256(tool([java(), "-version"], HINT).encode()).hexdigest()[:12]
    return install_once(f"kafka-{VERSION}-classes-{version}", record_classes) / "kafka.jsa"


def record_classes(place):
    with tempfile.TemporaryDirectory() as scratch:
        instance = configured(pathlib.Path(scratch).resolve(), [f"{RECORD}={place}/kafka.jsa"])
        instance.launch()
        try:
            instance.wait_until(usable)
            # Java writes the archive when it ends.
            instance.signal(signal.SIGTERM)
            instance.gone_within(USABLE_WITHIN_S)
        finally:
            instance.kill()


def fetch_jars(place):
    (place / "pom.xml").write_text(POM)
    copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={place}"]
    tool(["mvn", "-q", "-B", *copy], HINT, cwd=place)
    if not list(place.glob("kafka_2.13-*.jar")):
        raise Problem(f"Maven copied no Kafka into {place}. {HINT}")
    verify(place.glob("*.jar"))


def password_file(instance):
    return instance.home / "sasl_password"
