"""Which images are built on and run: named once, by version, and by digest where one is given."""

import json
import re
import unittest
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
# A name, a tag and, where it is pinned, the digest of what that tag was.
IMAGE = re.compile(r"^[a-z0-9./-]+:(?!latest$)[\w.-]+(@sha256:[0-9a-f]{64})?$")
BASES = dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", DOCKERFILE, re.MULTILINE))


def of_others():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return [*BASES.values(), *(service["image"] for service in services.values() if "build" not in service)]


class Images(unittest.TestCase):
    def test_every_stage_is_built_on_an_image_that_can_be_pinned(self):
        stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
        self.assertEqual(sorted(stages), sorted(f"${{{name}}}" for name in BASES))
        # An ARG after the first FROM would be no base's.
        head = DOCKERFILE[: DOCKERFILE.index("\nFROM ")]
        self.assertEqual(head.count("_IMAGE="), len(BASES) + 1, "and the example in the comment")

    def test_images_have_a_version_and_a_digest_is_one(self):
        for image in of_others():
            self.assertRegex(image, IMAGE)

    def test_the_toolchain_is_the_one_of_developers(self):
        channel = re.search(r'^channel = "([\d.]+)"', (ROOT / "rust-toolchain.toml").read_text(), re.MULTILINE).group(1)
        self.assertIn(f"rust:{channel}-", BASES["RUST_IMAGE"])

    def test_a_bot_pins_them(self):
        settings = json.loads((ROOT / "renovate.json").read_text())
        self.assertIn("docker:pinDigests", settings["extends"])


if __name__ == "__main__":
    unittest.main()
