"""What Kafka is told: `server.properties`, and the listeners with passwords and TLS."""
import kafka_certificates

USERNAME = "sockeye"
# The listeners clients may use, and how each speaks. The first is for everybody; the others test how clients log in.
LISTENERS = {"plain": "PLAINTEXT", "sasl": "SASL_PLAINTEXT", "tls": "SSL", "sasl_tls": "SASL_SSL"}
CONTROLLER = "CONTROLLER"
# A listener that sends its clients elsewhere: nobody listens on the port "proxy" it advertises until a test puts a proxy
# there, which leads back to the port "proxied".
PROXIED = "PROXIED"
PORTS = [*LISTENERS, "controller", "proxied", "proxy"]
SCRAM = ["SCRAM-SHA-256", "SCRAM-SHA-512"]


def properties(ports, data, password):
    """The text of server.properties; `ports` by the names in PORTS."""
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{ports['controller']}",
        "log.dirs": data,
        **listeners(ports),
        **passwords(password),
        **certificates(),
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
        # After kill -9 the node is let back in when its old session is over: that should not take the default 9 s.
        "broker.session.timeout.ms": 2000,
        "broker.heartbeat.interval.ms": 250,
        # Small: the defaults are for a machine of its own.
        "num.network.threads": 1,
        "num.io.threads": 4,
        "background.threads": 2,
        "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def listeners(ports):
    addresses = {protocol: f"{protocol}://127.0.0.1:{ports[name]}" for name, protocol in LISTENERS.items()}
    bound = [*addresses.values(), f"{PROXIED}://127.0.0.1:{ports['proxied']}", f"{CONTROLLER}://127.0.0.1:{ports['controller']}"]
    advertised = [*addresses.values(), f"{PROXIED}://127.0.0.1:{ports['proxy']}"]
    protocols = {**{protocol: protocol for protocol in LISTENERS.values()}, PROXIED: "PLAINTEXT", CONTROLLER: "PLAINTEXT"}
    return {
        "listeners": ",".join(bound),
        "advertised.listeners": ",".join(advertised),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        "inter.broker.listener.name": LISTENERS["plain"],
        "controller.listener.names": CONTROLLER,
    }


def passwords(password):
    security = "org.apache.kafka.common.security"
    modules = {"PLAIN": f"{security}.plain.PlainLoginModule required user_{USERNAME}=\"{password}\";"}
    modules.update({mechanism: f"{security}.scram.ScramLoginModule required;" for mechanism in SCRAM})
    settings = {"sasl.enabled.mechanisms": ",".join(modules)}
    for listener in ("sasl_plaintext", "sasl_ssl"):
        for mechanism, module in modules.items():
            settings[f"listener.name.{listener}.{mechanism.lower()}.sasl.jaas.config"] = module
    return settings


def scram_users(password):
    """The users of SCRAM, as arguments for formatting the storage: Kafka keeps them in its data."""
    return [part for mechanism in SCRAM for part in ("--add-scram", f"{mechanism}=[name={USERNAME},password={password}]")]


def certificates():
    return {
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.location": kafka_certificates.directory() / "kafka.p12",
        "ssl.keystore.password": kafka_certificates.PASSWORD,
        "ssl.key.password": kafka_certificates.PASSWORD,
    }
