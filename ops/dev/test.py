"""`ops/test`: pytest under coverage. The whole suite must reach the threshold; a part is not judged by it."""

import subprocess
import sys

COVERAGE = [sys.executable, "-m", "coverage"]


def main() -> int:
    arguments = sys.argv[1:]
    subprocess.run([*COVERAGE, "erase"], check=True)
    tests = subprocess.run([*COVERAGE, "run", "-m", "pytest", *arguments], check=False).returncode
    if tests or arguments:
        return tests
    subprocess.run([*COVERAGE, "combine", "--quiet"], check=True)
    return subprocess.run([*COVERAGE, "report", "--skip-covered"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
