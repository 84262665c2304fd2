"""What must hold of compose.yaml, as docker compose reads it or, where that is not to be had, as YAML."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = os.environ.get("COMPOSE", "").split()
OURS = {"gateway-1", "gateway-2", "worker-1", "migrate"}
# What Sockeye takes at most to stop: SOCKEYE_DRAIN_MS and SOCKEYE_SHUTDOWN_MS at their defaults.
STOP_S = 5 + 10


def read():
    if not COMPOSE:
        return yaml.safe_load((ROOT / "compose.yaml").read_text())
    command = [*COMPOSE, "--file", str(ROOT / "compose.yaml"), "config"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode or done.stderr:
        raise AssertionError(done.stderr)
    return yaml.safe_load(done.stdout)


class Compose(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.config = read()
        cls.services = cls.config["services"]

    def some(self, names=None):
        return [(name, self.services[name]) for name in sorted(names or self.services)]

    def test_it_is_a_whole_cluster(self):
        self.assertEqual(set(self.services), OURS | {"nginx", "kafka", "mongo", "redis"})

    def test_nothing_has_rights_it_does_not_need(self):
        for name, service in self.some():
            self.assertEqual(service["cap_drop"], ["ALL"], name)
            self.assertEqual(service["security_opt"], ["no-new-privileges:true"], name)
        for name, service in self.some(OURS | {"nginx", "redis"}):
            self.assertIs(service["read_only"], True, name)

    def test_only_nginx_is_reachable_and_the_servers_reach_nothing(self):
        self.assertEqual([name for name, service in self.services.items() if "ports" in service], ["nginx"])
        self.assertIs(self.config["networks"]["inside"]["internal"], True)
        for name, service in self.some({"kafka", "mongo", "redis", "worker-1", "migrate"}):
            self.assertEqual(list(service["networks"]), ["inside"], name)

    def test_metrics_and_readiness_are_not_led_outside(self):
        # Published is nginx's port alone; it refuses them, and gateways do not have them where it asks.
        self.assertEqual([port.partition(":")[2] for port in self.published()], ["8080"])
        for name in ("compose.yaml", ".env.docker"):
            self.assertNotRegex((ROOT / name).read_text(), r"(?m)^ *SOCKEYE_METRICS_PUBLIC")

    def published(self):
        for _, service in self.some():
            for port in service.get("ports", []):
                yield port if isinstance(port, str) else f"{port['published']}:{port['target']}"

    def test_a_stop_is_given_the_time_it_takes(self):
        for name, service in self.some(OURS):
            self.assertGreater(int(service["stop_grace_period"].removesuffix("s")), STOP_S, name)

    def test_nothing_starts_before_what_it_needs(self):
        for name, service in self.some({"gateway-1", "gateway-2", "worker-1"}):
            conditions = {other: needed["condition"] for other, needed in service["depends_on"].items()}
            self.assertEqual(conditions.pop("migrate"), "service_completed_successfully", name)
            self.assertEqual(conditions, dict.fromkeys(("kafka", "mongo", "redis"), "service_healthy"), name)
        for name, service in self.some({"kafka", "mongo", "redis", "nginx"}):
            self.assertIn("test", service["healthcheck"], name)

    def test_every_gateway_has_every_picture_and_a_data_directory_of_its_own(self):
        for name, service in self.some({"gateway-1", "gateway-2"}):
            self.assertIn("/data/media", str(service["volumes"]), name)
            self.assertTrue(service["tmpfs"][0].startswith("/data:uid=65532"), name)

    def test_nodes_have_their_own_names(self):
        names = [self.services[name]["hostname"] for name in OURS - {"migrate"}]
        self.assertEqual(len(names), len(set(names)))

    def test_nginx_knows_every_gateway(self):
        text = (ROOT / "deploy/nginx.conf").read_text()
        known = set(re.findall(r"^\s*server (gateway-\d+):5000 ", text, re.MULTILINE))
        self.assertEqual(known, {name for name in self.services if name.startswith("gateway-")})

    def test_images_of_others_are_pinned(self):
        for name, service in self.some(set(self.services) - OURS):
            self.assertRegex(service["image"], r":\d+\.\d+", name)

    def test_no_secret_is_in_the_file(self):
        self.assertNotIn("JWT_SECRET:", (ROOT / "compose.yaml").read_text())

    @unittest.skipUnless(COMPOSE, "docker compose is missing")
    def test_the_settings_are_env_docker_then_the_local_file_then_the_clusters(self):
        with tempfile.TemporaryDirectory() as directory:
            # A copy, so that a developer's own local file is neither read nor touched.
            for name in ("compose.yaml", ".env.docker"):
                (Path(directory) / name).write_text((ROOT / name).read_text())
            local = Path(directory) / ".env.docker.local"
            local.write_text("JWT_SECRET=from-the-local-file\nMONGODB_URI=overridden\n")
            command = [*COMPOSE, "--project-directory", directory, "--file", f"{directory}/compose.yaml", "config"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        environment = yaml.safe_load(done.stdout)["services"]["gateway-1"]["environment"]
        self.assertEqual(environment["JWT_SECRET"], "from-the-local-file")
        self.assertEqual(environment["NODE_ENV"], "production")
        self.assertEqual(environment["MONGODB_URI"], "mongodb://mongo:27017/chat?replicaSet=sockeye")


if __name__ == "__main__":
    unittest.main()
