"""`ops/test`: pytest; the whole suite with coverage, which must reach the threshold. A part is not judged by it.

Slipcover rewrites the code that is measured; a tracer (coverage.py, before Python 3.12) slows every call there is.
"""

import os
import shutil
import subprocess
import sys

# Minutes of their own, or programs of Debian's: `ops/test tests/faults`, and in .ci/run beside the suite. What
# CRM_TESTS_WITH names is tried with it.
APART = ["tests/browser", "tests/containers", "tests/drills", "tests/faults"]
FOUND = ".coverage.json"
COVERAGE = [sys.executable, "-m", "slipcover"]
LEAST = 90  # per cent
MEMORY, ROOM = "/dev/shm", 4 * 1024**3  # noqa: S108 (mkdtemp names it) # of the servers, if so many bytes are free


def main() -> int:
    arguments = sys.argv[1:]
    if arguments:
        return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM:
        os.environ["CRM_TESTS_IN"] = MEMORY  # a run writes 10 GB: on the disk it takes a tenth longer
    # In four parts, each with a system of its own: on two cores two wait while two work.
    parts = ["-n", "4", "--dist", "loadfile", "--no-loadscope-reorder"]
    apart = [part for part in APART if part != os.environ.get("CRM_TESTS_WITH")]
    suite = ["-m", "pytest", *parts, *(f"--ignore={part}" for part in apart)]
    measured = [*COVERAGE, "--branch", "--source", "crm", "--json", "--out", FOUND, *suite]
    if tests := subprocess.run(measured, check=False).returncode:
        return tests
    report = ["--merge", FOUND, "--out", FOUND, "--json", "--skip-covered", "--fail-under", str(LEAST)]
    return subprocess.run([*COVERAGE, *report], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
