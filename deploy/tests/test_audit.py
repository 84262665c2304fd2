"""scripts/audit says what it could not check, and fails for what is wrong. With stand-ins for cargo-deny and npm."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

AUDIT = Path(__file__).parents[2] / "scripts/audit"
TOOLS = ("bash", "dirname", "env", "git", "grep")


class Audit(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.bin = Path(directory.name, "bin")
        self.home = Path(directory.name, "cargo")
        self.bin.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.stand_in("python3", f'exec {sys.executable} "$@"')

    def stand_in(self, name, script):
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / name).chmod(0o755)

    def cargo_deny(self, script):
        self.stand_in("cargo-deny", "")
        self.stand_in("cargo", script)

    def audit(self, *arguments):
        environment = {"PATH": str(self.bin), "CARGO_HOME": str(self.home), "HOME": os.environ.get("HOME", "/")}
        done = subprocess.run(
            [AUDIT, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout

    def test_a_missing_tool_is_said(self):
        code, said = self.audit("--offline")
        self.assertEqual(code, 0, said)
        self.assertRegex(said, "not checked: .*cargo-deny is missing")

    def test_a_missing_database_is_said_and_the_rest_checked(self):
        self.cargo_deny('case "$*" in *advisories*) exit 1 ;; esac')
        code, said = self.audit("--offline")
        self.assertEqual(code, 0, said)
        self.assertIn("good: crates' licences", said)
        self.assertRegex(said, "not checked: crates' advisories")

    def test_a_stored_database_is_used_and_an_advisory_fails(self):
        (self.home / "advisory-dbs/advisory-db-x/crates").mkdir(parents=True)
        self.cargo_deny('case "$*" in *advisories*) echo RUSTSEC-2000-0001; exit 1 ;; esac')
        code, said = self.audit("--offline")
        self.assertEqual(code, 1)
        self.assertIn("RUSTSEC-2000-0001", said)

    def test_a_crate_that_is_not_allowed_fails(self):
        self.cargo_deny('case "$*" in *licenses*) echo "GPL"; exit 1 ;; esac')
        code, said = self.audit("--offline")
        self.assertEqual(code, 1)
        self.assertIn("WRONG: crates' licences", said)

    def test_a_registry_that_does_not_answer_is_said(self):
        self.stand_in("npm", 'echo "npm error audit endpoint returned an error"; exit 1')
        code, said = self.audit()
        self.assertEqual(code, 0, said)
        self.assertEqual(said.count("not checked: npm packages of"), 3)

    def test_a_vulnerable_package_fails(self):
        self.stand_in("npm", 'echo "axios  <1.0  Severity: high"; exit 1')
        code, said = self.audit()
        self.assertEqual(code, 1)
        self.assertIn("Severity: high", said)


if __name__ == "__main__":
    unittest.main()
