"""`ops/test`: pytest under coverage. The whole suite must reach the threshold; a part is not judged by it."""

import subprocess
import sys

FAULTS = "tests/faults"  # minutes of their own: `ops/test tests/faults`, and in .ci/run after the suite
COVERAGE = [sys.executable, "-m", "coverage"]


def main() -> int:
    arguments = sys.argv[1:]
    subprocess.run([*COVERAGE, "erase"], check=True)
    # The whole suite in two halves, each with a system of its own: half the time on two cores.
    halves = [] if arguments else ["-n", "3", "--dist", "loadfile", f"--ignore={FAULTS}"]
    tests = subprocess.run([*COVERAGE, "run", "-m", "pytest", *halves, *arguments], check=False).returncode
    if tests or arguments:
        return tests
    subprocess.run([*COVERAGE, "combine", "--quiet"], check=True)
    return subprocess.run([*COVERAGE, "report", "--skip-covered"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
