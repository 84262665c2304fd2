"""scripts/check-lockfiles finds what it is there to find."""

import importlib.machinery
import importlib.util
import unittest
from pathlib import Path

SCRIPT = str(Path(__file__).parents[2] / "scripts/check-lockfiles")
LOADER = importlib.machinery.SourceFileLoader("check_lockfiles", SCRIPT)
SPEC = importlib.util.spec_from_loader("check_lockfiles", LOADER)
check = importlib.util.module_from_spec(SPEC)
LOADER.exec_module(check)

GOOD = {"version": "1.0.0", "integrity": "sha512-x", "license": "MIT"}
CRATE = '[[package]]\nname = "a"\nversion = "1.0.0"\nsource = "{}"\nchecksum = "{}"\n'


def npm(**fields):
    entry = {name: value for name, value in {**GOOD, **fields}.items() if value is not None}
    return list(check.npm_problems({"lockfileVersion": 3, "packages": {"": {}, "node_modules/a": entry}}))


class Lockfiles(unittest.TestCase):
    def test_what_is_right_is_left_alone(self):
        self.assertEqual(npm(), [])
        self.assertEqual(npm(resolved="https://registry.npmjs.org/a/-/a-1.0.0.tgz"), [])
        self.assertEqual(npm(license="GPL-3.0 OR MIT"), [])
        self.assertEqual(npm(integrity=None, inBundle=True), [])
        good = CRATE.format(check.CRATES, "0" * 64) + '[[package]]\nname = "ours"\nversion = "0.1.0"\n'
        self.assertEqual(list(check.cargo_problems(good)), [])
        self.assertEqual(list(check.pip_problems("# why\na==1.0\nb[c]==2; sys_platform == 'linux'\n")), [])
        self.assertEqual(list(check.settings_problems("save-exact=true\n")), [])

    def test_a_package_without_a_checksum_is_found(self):
        self.assertEqual(len(npm(integrity=None)), 1)
        self.assertEqual(len(npm(integrity="sha1-x")), 1)
        self.assertEqual(len(list(check.cargo_problems(CRATE.format(check.CRATES, "")))), 1)

    def test_a_package_from_elsewhere_is_found(self):
        for place in ("https://npm.internal.example/a.tgz", "git+ssh://git@example.org/a.git", "http://registry.npmjs.org/a"):
            self.assertEqual(len(npm(resolved=place)), 1)
        for source in ("git+https://example.org/a", "registry+https://crates.example.org/index"):
            self.assertEqual(len(list(check.cargo_problems(CRATE.format(source, "0" * 64)))), 1)
        for line in ("a>=1", "a", "a @ https://example.org/a.whl", "--index-url https://example.org"):
            self.assertEqual(len(list(check.pip_problems(line))), 1)
        for line in ("registry=https://npm.example.org/", "//npm.example.org/:_authToken=x", 'replace-with = "mirror"'):
            found = list(check.settings_problems(line))
            self.assertEqual(len(found), 1)
            self.assertNotIn("authToken=x", found[0])

    def test_a_licence_that_we_cannot_use_is_found(self):
        for licence in ("GPL-3.0", "MIT AND GPL-3.0", "UNLICENSED", None):
            self.assertEqual(len(npm(license=licence)), 1)


if __name__ == "__main__":
    unittest.main()
