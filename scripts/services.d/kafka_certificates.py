"""A certificate authority for tests and Kafka's certificate from it, made once by the JDK's keytool."""
import tempfile

from cache import install_once, tool

# Of files that only their owner can read, worth nothing outside this machine's tests.
PASSWORD = "sockeye-tests"
DAYS_VALID = "3650"
HINT = "keytool comes with the JDK (on Debian and Ubuntu: apt-get install openjdk-17-jdk-headless)"


def directory():
    """Has `ca.pem`, which clients trust, and `kafka.p12`, Kafka's key and certificate for 127.0.0.1 and localhost."""
    return install_once("kafka-certificates", make)


def make(place):
    with tempfile.TemporaryDirectory() as scratch:
        authority, request, signed = f"{scratch}/ca.p12", f"{scratch}/kafka.csr", f"{scratch}/kafka.pem"
        server, trusted = f"{place}/kafka.p12", f"{place}/ca.pem"
        key_pair = ["-genkeypair", "-keyalg", "RSA", "-keysize", "2048", "-validity", DAYS_VALID]
        keytool(authority, "ca", *key_pair, "-dname", "CN=Sockeye test authority", "-ext", "bc:critical=ca:true")
        keytool(server, "kafka", *key_pair, "-dname", "CN=localhost")
        keytool(server, "kafka", "-certreq", "-file", request)
        names = ["-ext", "san=dns:localhost,ip:127.0.0.1", "-ext", "eku=serverAuth"]
        keytool(authority, "ca", "-gencert", "-rfc", "-validity", DAYS_VALID, *names, "-infile", request, "-outfile", signed)
        keytool(authority, "ca", "-exportcert", "-rfc", "-file", trusted)
        keytool(server, "ca", "-importcert", "-noprompt", "-file", trusted)
        keytool(server, "kafka", "-importcert", "-noprompt", "-file", signed)


def keytool(store, alias, *arguments):
    tool(["keytool", *arguments, "-alias", alias, "-keystore", store, "-storetype", "PKCS12", "-storepass", PASSWORD], HINT)
