"""What must hold of the rendered chart, whatever the values."""

import functools
import json
import os
import re
import shlex
import subprocess
import unittest
from pathlib import Path

import kubernetes_validate
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm/sockeye"
HELM = os.environ.get("HELM") or "helm"
OLDEST, NEWEST = "1.30.0", "1.37.0"
SECRET_NAMES = {"JWT_SECRET", "MONGODB_URI", "REDIS_URL", "KAFKA_USERNAME", "KAFKA_PASSWORD"}
# Every kind the chart can render, with each file of values.
KINDS = {
    "minimal": "ConfigMap Deployment Job NetworkPolicy NetworkPolicy NetworkPolicy PersistentVolumeClaim Pod "
    "PodDisruptionBudget PodDisruptionBudget Secret Secret Service Service Service ServiceAccount StatefulSet",
    "existing-secret": "ConfigMap Deployment Job NetworkPolicy NetworkPolicy NetworkPolicy PersistentVolumeClaim Pod "
    "PodDisruptionBudget PodDisruptionBudget Service Service Service ServiceAccount StatefulSet",
    "full": "ConfigMap Deployment HorizontalPodAutoscaler Ingress Job NetworkPolicy NetworkPolicy NetworkPolicy "
    "PersistentVolumeClaim Pod PodDisruptionBudget Secret Secret Service Service Service ServiceAccount ServiceMonitor "
    "ServiceMonitor StatefulSet",
    "bare": "ConfigMap Deployment Pod Service Service Service StatefulSet",
}


def helm(*arguments):
    command = [HELM, "template", "chat", str(CHART), "--namespace", "chat", "--kube-version", NEWEST, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def values_of(name):
    return CHART / "ci" / f"{name}-values.yaml"


def render(name, *sets):
    done = helm("--values", str(values_of(name)), *(word for each in sets for word in ("--set", each)))
    if done.returncode:
        raise AssertionError(done.stderr)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def of_kind(documents, kind):
    return [document for document in documents if document["kind"] == kind]


def pods(documents):
    """(kind, pod spec) of everything that runs."""
    for document in documents:
        if document["kind"] == "Pod":
            yield "Pod", document["spec"]
        elif document["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield document["kind"], document["spec"]["template"]["spec"]


def for_each_values(test):
    """Runs the test with what each file of values renders."""

    @functools.wraps(test)
    def tests(self):
        for name, documents in self.rendered.items():
            with self.subTest(values=name):
                test(self, name, documents)

    return tests


class Chart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rendered = {name: render(name) for name in KINDS}

    def test_every_file_of_values_is_rendered_here(self):
        files = {path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*.yaml")}
        self.assertEqual(files, set(KINDS))

    def test_what_the_documentation_says_installs(self):
        for page in ("README.md", "docs/deploying.md", "helm/sockeye/README.md"):
            text = (ROOT / page).read_text().replace("\\\n", "")
            commands = re.findall(r"^helm install .*", text, re.MULTILINE)
            self.assertTrue(commands, f"{page} has no helm install")
            for command in commands:
                with self.subTest(page=page):
                    chart, *settings = shlex.split(command, comments=True)[3:]
                    self.assertEqual(ROOT / chart, CHART)
                    done = helm(*settings)
                    self.assertEqual(done.returncode, 0, done.stderr)

    @for_each_values
    def test_it_renders_what_it_is_to(self, name, documents):
        self.assertEqual(sorted(document["kind"] for document in documents), KINDS[name].split())

    @for_each_values
    def test_kubernetes_accepts_every_document(self, _, documents):
        for document in documents:
            if document["apiVersion"].startswith("monitoring.coreos.com/"):
                continue  # Not one of Kubernetes' own.
            for version in (OLDEST, NEWEST):
                kubernetes_validate.validate(document, version, strict=True)

    @for_each_values
    def test_names_are_unique(self, _, documents):
        names = [(document["kind"], document["metadata"]["name"]) for document in documents]
        self.assertEqual(len(names), len(set(names)))

    @for_each_values
    def test_secrets_are_in_secrets_only(self, name, documents):
        given = {v for k, v in yaml.safe_load(values_of(name).read_text())["secrets"].items() if k != "existingSecret"}
        for document in documents:
            if document["kind"] == "Secret":
                continue
            text = json.dumps(document)
            for secret in given - {"chat"}:  # A user's name, and part of many others.
                self.assertNotIn(secret, text, document["kind"])
        for config in of_kind(documents, "ConfigMap"):
            self.assertFalse(SECRET_NAMES & set(config["data"]))

    def test_an_existing_secret_is_used_and_none_is_made(self):
        documents = self.rendered["existing-secret"]
        self.assertEqual(of_kind(documents, "Secret"), [])
        for kind, pod in pods(documents):
            referred = {
                entry["name"]: entry["valueFrom"]["secretKeyRef"]
                for entry in pod["containers"][0]["env"]
                if "secretKeyRef" in entry.get("valueFrom", {})
            }
            previous = referred.pop("JWT_SECRET_PREVIOUS")
            self.assertEqual(
                previous, {"name": "chat-secrets", "key": "JWT_SECRET_PREVIOUS", "optional": True}, kind
            )
            self.assertEqual(set(referred), SECRET_NAMES, kind)
            for name, reference in referred.items():
                self.assertEqual(reference, {"name": "chat-secrets", "key": name})

    @for_each_values
    def test_what_runs_has_no_rights_it_does_not_need(self, _, documents):
        for kind, pod in pods(documents):
            self.assertIs(pod["automountServiceAccountToken"], False, kind)
            # Service links would set SOCKEYE_PORT and the like.
            self.assertIs(pod["enableServiceLinks"], False, kind)
            self.assertIs(pod["securityContext"]["runAsNonRoot"], True)
            self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            for container in pod["containers"]:
                rights = container["securityContext"]
                self.assertIs(rights["readOnlyRootFilesystem"], True)
                self.assertIs(rights["allowPrivilegeEscalation"], False)
                self.assertEqual(rights["capabilities"], {"drop": ["ALL"]})
                self.assertIn("limits", container["resources"])
                self.assertIn({"name": "data", "mountPath": "/data"}, container["volumeMounts"])

    @for_each_values
    def test_gateways_and_workers_are_probed_where_operators_ask(self, _, documents):
        for kind in ("Deployment", "StatefulSet"):
            container = of_kind(documents, kind)[0]["spec"]["template"]["spec"]["containers"][0]
            # Neither startup nor liveness asks for the servers: when Kafka is away, a restart helps nobody.
            for probe, path in (("startup", "/healthz"), ("liveness", "/healthz"), ("readiness", "/readyz")):
                self.assertEqual(container[f"{probe}Probe"]["httpGet"], {"path": path, "port": "ops"}, kind)

    @for_each_values
    def test_ports_are_the_ones_it_is_told_to_listen_on(self, _, documents):
        settings = of_kind(documents, "ConfigMap")[0]["data"]
        http, ops = int(settings["SERVER_PORT"]), int(settings["SOCKEYE_OPS_PORT"])
        for kind, ports in (("Deployment", {"http": http, "ops": ops}), ("StatefulSet", {"ops": ops})):
            container = of_kind(documents, kind)[0]["spec"]["template"]["spec"]["containers"][0]
            self.assertEqual({each["name"]: each["containerPort"] for each in container["ports"]}, ports)

    @for_each_values
    def test_metrics_and_readiness_are_not_led_outside(self, _, documents):
        settings = of_kind(documents, "ConfigMap")[0]["data"]
        self.assertNotIn("SOCKEYE_METRICS_PUBLIC", settings)
        led_outside = {
            path["backend"]["service"]["name"]
            for ingress in of_kind(documents, "Ingress")
            for rule in ingress["spec"]["rules"]
            for path in rule["http"]["paths"]
        }
        for service in of_kind(documents, "Service"):
            ports = {each["targetPort"] for each in service["spec"]["ports"]}
            if "ops" in ports:
                self.assertEqual(ports, {"ops"})
                # No address: nothing but the pods themselves can be found by it.
                self.assertEqual(service["spec"]["clusterIP"], "None")
                self.assertNotIn(service["metadata"]["name"], led_outside)
            else:
                self.assertEqual(ports, {"http"})

    def test_every_role_is_scraped_where_operators_ask(self):
        documents = self.rendered["full"]
        scraped = set()
        for monitor in of_kind(documents, "ServiceMonitor"):
            selector = monitor["spec"]["selector"]["matchLabels"]
            (endpoint,) = monitor["spec"]["endpoints"]
            found = [
                service
                for service in of_kind(documents, "Service")
                if selector.items() <= service["metadata"]["labels"].items()
                and endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
            ]
            self.assertEqual(len(found), 1)
            self.assertEqual([port["targetPort"] for port in found[0]["spec"]["ports"]], ["ops"])
            scraped.add(found[0]["spec"]["selector"]["app.kubernetes.io/component"])
        self.assertEqual(scraped, {"gateway", "worker"})

    def policies(self, documents):
        """By role: which ports are open, and to whom (None: anybody)."""
        opened = {}
        for policy in of_kind(documents, "NetworkPolicy"):
            selector = policy["spec"]["podSelector"]
            roles = {selector["matchLabels"].get("app.kubernetes.io/component")} - {None}
            for expression in selector.get("matchExpressions", []):
                self.assertEqual((expression["key"], expression["operator"]), ("app.kubernetes.io/component", "In"))
                roles |= set(expression["values"])
            self.assertIn("Ingress", policy["spec"]["policyTypes"])
            for role in roles:
                self.assertNotIn(role, opened)
                opened[role] = {
                    port["port"]: rule.get("from") for rule in policy["spec"]["ingress"] for port in rule["ports"]
                }
        return opened

    @for_each_values
    def test_every_pod_is_under_a_policy(self, name, documents):
        roles = {
            document["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]
            for kind in ("Deployment", "StatefulSet", "Job")
            for document in of_kind(documents, kind)
        } | {document["metadata"]["labels"]["app.kubernetes.io/component"] for document in of_kind(documents, "Pod")}
        expected = set() if name == "bare" else roles
        self.assertEqual(set(self.policies(documents)), expected)

    def test_only_clients_ports_are_open_to_everybody(self):
        nobody = {"gateway": {5000: None}, "worker": {}, "migrate": {}, "doctor": {}}
        self.assertEqual(self.policies(self.rendered["minimal"]), nobody)
        # ... and nothing keeps anybody from going out.
        for policy in of_kind(self.rendered["minimal"], "NetworkPolicy"):
            self.assertEqual(policy["spec"]["policyTypes"], ["Ingress"])

    def test_policies_can_be_narrowed(self):
        documents = self.rendered["full"]
        values = yaml.safe_load(values_of("full").read_text())["networkPolicy"]
        opened = self.policies(documents)
        self.assertEqual(opened["gateway"], {5000: values["clientsFrom"], 9100: values["opsFrom"]})
        self.assertEqual(opened["worker"], {9100: values["opsFrom"]})
        for policy in of_kind(documents, "NetworkPolicy"):
            self.assertEqual(policy["spec"]["policyTypes"], ["Ingress", "Egress"])
            names, *others = policy["spec"]["egress"]
            self.assertEqual(names, {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]})
            self.assertEqual(others, values["egress"])

    def test_monitoring_by_the_operator_is_let_in_from_the_cluster(self):
        opened = self.policies(render("minimal", "serviceMonitor.enabled=true"))
        cluster = [{"namespaceSelector": {}}]
        self.assertEqual((opened["gateway"][9100], opened["worker"][9100]), (cluster, cluster))

    def test_any_setting_can_be_given(self):
        sets = {
            "SOCKEYE_TRUSTED_PROXIES": "10.0.0.0/8,fd00::/8",
            "SOCKEYE_A_SETTING_OF_TOMORROW": "2",
            "SOCKEYE_OPS_PORT": "9200",
        }
        commas = (f"config.{name}={value}".replace(",", "\\,") for name, value in sets.items())
        words = (word for each in commas for word in ("--set-string", each))
        done = helm("--values", str(values_of("minimal")), "--set", "serviceMonitor.enabled=true", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        documents = [document for document in yaml.safe_load_all(done.stdout) if document]
        settings = of_kind(documents, "ConfigMap")[0]["data"]
        self.assertLessEqual(sets.items(), settings.items())
        job = of_kind(documents, "Job")[0]["spec"]["template"]["spec"]["containers"][0]
        self.assertLessEqual(sets.items(), {e["name"]: e.get("value") for e in job["env"]}.items())
        # Where operators ask moves with its setting.
        for kind in ("Deployment", "StatefulSet"):
            ports = of_kind(documents, kind)[0]["spec"]["template"]["spec"]["containers"][0]["ports"]
            self.assertIn({"name": "ops", "containerPort": 9200}, ports)
        self.assertEqual(set(self.policies(documents)["gateway"]), {5000, 9200})

    @for_each_values
    def test_nothing_is_killed_before_it_has_drained(self, _, documents):
        settings = of_kind(documents, "ConfigMap")[0]["data"]
        needed = (int(settings["SOCKEYE_DRAIN_MS"]) + int(settings["SOCKEYE_SHUTDOWN_MS"])) / 1000
        for kind in ("Deployment", "StatefulSet"):
            pod = of_kind(documents, kind)[0]["spec"]["template"]["spec"]
            before = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            self.assertGreater(pod["terminationGracePeriodSeconds"], needed + before)

    @for_each_values
    def test_services_select_the_pods_of_their_role(self, _, documents):
        labels = {
            document["metadata"]["labels"]["app.kubernetes.io/component"]: document["spec"]["template"]["metadata"]["labels"]
            for kind in ("Deployment", "StatefulSet")
            for document in of_kind(documents, kind)
        }
        for service in of_kind(documents, "Service"):
            selector = service["spec"]["selector"]
            role = selector["app.kubernetes.io/component"]
            self.assertLessEqual(selector.items(), labels[role].items())

    def test_workers_have_stable_names(self):
        worker = of_kind(self.rendered["minimal"], "StatefulSet")[0]
        services = [service["metadata"]["name"] for service in of_kind(self.rendered["minimal"], "Service")]
        self.assertIn(worker["spec"]["serviceName"], services)
        env = worker["spec"]["template"]["spec"]["containers"][0]["env"]
        self.assertIn({"name": "SOCKEYE_NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, env)

    @for_each_values
    def test_the_migration_needs_nothing_of_the_release(self, name, documents):
        made = {d["metadata"]["name"] for d in documents if "helm.sh/hook" in d["metadata"].get("annotations", {})}
        for job in of_kind(documents, "Job"):
            pod = job["spec"]["template"]["spec"]
            self.assertNotIn("serviceAccountName", pod)
            self.assertNotIn("envFrom", pod["containers"][0])
            plain = {e["name"]: e["value"] for e in pod["containers"][0]["env"] if "value" in e}
            self.assertEqual(plain, of_kind(documents, "ConfigMap")[0]["data"])
            for entry in pod["containers"][0]["env"]:
                reference = entry.get("valueFrom", {}).get("secretKeyRef")
                if reference and name != "existing-secret":
                    self.assertIn(reference["name"], made)

    def test_new_settings_and_secrets_make_new_pods(self):
        def annotations(documents):
            return of_kind(documents, "Deployment")[0]["spec"]["template"]["metadata"]["annotations"]

        before = annotations(self.rendered["minimal"])
        self.assertNotEqual(before, annotations(render("minimal", "config.SOCKEYE_LOG=debug")))
        self.assertNotEqual(before, annotations(render("minimal", "secrets.redisUrl=redis://other:6379")))

    def test_pictures_are_shared_and_kept(self):
        for name in ("minimal", "full"):
            claim = of_kind(self.rendered[name], "PersistentVolumeClaim")[0]
            self.assertEqual(claim["spec"]["accessModes"], ["ReadWriteMany"])
            self.assertEqual(claim["metadata"]["annotations"]["helm.sh/resource-policy"], "keep")
            gateway = of_kind(self.rendered[name], "Deployment")[0]["spec"]["template"]["spec"]
            used = [v["persistentVolumeClaim"]["claimName"] for v in gateway["volumes"] if "persistentVolumeClaim" in v]
            self.assertEqual(used, [claim["metadata"]["name"]])

    def test_forwarded_addresses_are_believed_only_behind_an_ingress(self):
        def hops(documents):
            return of_kind(documents, "ConfigMap")[0]["data"]["SOCKEYE_TRUST_PROXY_HOPS"]

        self.assertEqual(hops(self.rendered["minimal"]), "0")
        self.assertEqual(hops(self.rendered["full"]), "1")
        self.assertEqual(hops(render("minimal", "proxyHops=2")), "2")
        self.assertEqual(hops(render("full", "proxyHops=0")), "0")

    def test_large_numbers_are_not_written_with_an_exponent(self):
        settings = of_kind(self.rendered["full"], "ConfigMap")[0]["data"]
        self.assertEqual(settings["SOCKEYE_MEDIA_MAX_BYTES"], "8000000")
        settings = of_kind(render("minimal", "drainMs=120000"), "ConfigMap")[0]["data"]
        self.assertEqual(settings["SOCKEYE_DRAIN_MS"], "120000")

    def test_wrong_values_are_refused(self):
        minimal = ("--values", str(values_of("minimal")))
        self.assertEqual(helm(*minimal).returncode, 0)
        for wrong in (
            "config.JWT_SECRET=x",
            "config.JWT_SECRET_PREVIOUS=x",
            "contract=other",
            "kafka.brokers=nowhere",
            "kafka.brokers=",
            "secrets.jwtSecret=",
            "secrets.jwtSecret=31-bytes-are-too-few-for-a-key!",
            "secrets.mongodbUri=",
            "kafka.sasl=plain",
            "gateway.replicsa=3",
        ):
            with self.subTest(wrong=wrong):
                self.assertNotEqual(helm(*minimal, "--set", wrong).returncode, 0)


if __name__ == "__main__":
    unittest.main()
