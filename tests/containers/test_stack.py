"""The whole installation in containers: installed by ops/install, reached through nginx, hurt and recovered."""

import asyncio
import json
import os
import signal
import stat

import httpx
import pytest

from tests.containers.site import DOMAIN, VERSION, Site
from tests.sockets import at_socket
from tests.system import calling, eventually

SERVICES = ["nginx", "certbot", "backend", "worker", "postgres", "redis", "backup"]


def status_of(site: Site, service: str) -> dict[str, str]:
    """/proc/1/status of a container."""
    told = site.compose("exec", "-T", service, "cat", "/proc/1/status")
    return dict(line.split(":\t", 1) for line in told.splitlines() if ":\t" in line)


def states(site: Site) -> dict[str, tuple[str, str]]:
    """Each service's state and health."""
    lines = site.compose("ps", "--all", "--format", "json").splitlines()
    return {item["Service"]: (item["State"], item["Health"]) for item in map(json.loads, lines)}


async def test_https_answers_through_nginx(site: Site) -> None:
    async with site.client() as client:
        answer = await client.get("/health")
        assert (answer.status_code, (await client.get("/health/ready")).status_code) == (200, 200)
        assert answer.headers["strict-transport-security"].startswith("max-age=63072000")
        assert (await client.get("/metrics")).status_code == 404
    async with calling() as plain:
        moved = await plain.get(f"http://127.0.0.1:{site.http}/x", headers={"Host": DOMAIN})
    assert (moved.status_code, moved.headers["location"]) == (301, f"https://{DOMAIN}/x")


def test_every_service_is_well(site: Site) -> None:
    assert {**states(site)} == dict.fromkeys(SERVICES, ("running", "healthy"))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_right_and_a_read_only_root(site: Site, service: str) -> None:
    status = status_of(site, service)
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert "0" not in status["Uid"].split()
    done = site.engine.run("ops/compose", "exec", "-T", service, "touch", "/x", cwd=site.folder, check=False)
    assert "Read-only file system" in done.stdout + done.stderr


async def test_a_webhook_is_stored_and_shown_and_heard_at_a_socket(site: Site) -> None:
    token = await site.hotel()
    options = {"host": "127.0.0.1", "port": site.https, "ssl": site.trust}
    async with at_socket(f"https://{DOMAIN}", token, **options) as ear, site.client(token) as alice:
        await ear.hear("ready")
        posted = await alice.post("/webhooks/whatsapp", **site.webhook("554899990001", "wamid.first", "Olá"))
        assert posted.status_code == 200
        heard = await ear.hear("message:new", 20)
        assert heard["data"]["message"]["content"] == "Olá"
        shown = (await alice.get("/api/conversations")).json()["data"]
        assert [item["contact"]["waId"] for item in shown] == ["554899990001"]
        forged = site.webhook("554899990002", "wamid.forged", "Olá")
        forged["headers"]["X-Hub-Signature-256"] = "sha256=" + "0" * 64
        assert (await alice.post("/webhooks/whatsapp", **forged)).status_code == 401


async def test_nothing_but_nginx_is_reached_from_outside(site: Site) -> None:
    """No other container has a port on the host; Postgres and Redis have no way out either."""
    bindings = {name: json.loads(site.inspected(name, "{{json .HostConfig.PortBindings}}")) for name in SERVICES}
    ports = {name: [port for port, bound in (found or {}).items() if bound] for name, found in bindings.items()}
    assert {name: ports[name] for name in ports if ports[name]} == {"nginx": ["8080/tcp", "8443/tcp"]}, bindings
    for service in ("postgres", "redis"):
        routes = site.compose("exec", "-T", service, "cat", "/proc/net/route").splitlines()[1:]
        assert routes
        assert all(route.split()[1] != "00000000" for route in routes), "a default route"


def test_certbot_reaches_neither_database_nor_api(site: Site) -> None:
    code = "import socket; socket.create_connection(('{}', {}), 3)"
    for host, port in (("postgres", 5432), ("redis", 6379)):
        done = site.engine.run(
            "ops/compose", "exec", "-T", "certbot", "python3", "-c", code.format(host, port),
            cwd=site.folder, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert "gaierror" in done.stderr + done.stdout


@pytest.mark.parametrize("service", ["backend", "worker"])
async def test_one_that_is_killed_is_back(site: Site, service: str) -> None:
    old = site.inspected(service, "{{.State.Pid}}")
    os.kill(int(old), signal.SIGKILL)

    async def back() -> bool:
        pid = await asyncio.to_thread(site.inspected, service, "{{.State.Pid}}")
        return pid not in ("0", old) and (await asyncio.to_thread(states, site))[service] == ("running", "healthy")

    await eventually(back, 60)

    async def answers() -> bool:
        async with site.client() as client:
            try:
                return (await client.get("/health/ready")).status_code == 200
            except httpx.TransportError:
                return False

    await eventually(answers, 30)


def test_a_backup_is_made_listed_and_proved(site: Site) -> None:
    """ops/backup runs in the container; the private key is where ops/install put it."""
    made = site.compose("exec", "-T", "backup", "python3", "-m", "ops.backups", "now")
    assert "MB" in made or made
    state = site.compose("exec", "-T", "backend", "cat", "/backups/state.json")
    assert json.loads(state)["lastGood"]
    assert not json.loads(state).get("lastError")


def test_a_second_installation_changes_nothing(site: Site) -> None:
    def all_of() -> dict[str, str]:
        paths = [site.folder / ".env.production", site.folder / "backup.key", *(site.folder / "secrets").iterdir()]
        return {path.name: path.read_text() for path in paths}

    before, ids = all_of(), {name: site.container(name) for name in SERVICES}
    told = site.install()
    assert (all_of(), {name: site.container(name) for name in SERVICES}) == (before, ids)
    assert "password:" not in told
    assert stat.S_IMODE((site.folder / ".env.production").stat().st_mode) == 0o600


async def test_another_version_comes_and_goes_by_the_operators_commands(site: Site) -> None:
    """The same image under another tag: what is tried here is ops/deploy on real containers."""
    for name in ("crm", "crm-backup"):
        site.engine.run("podman", "tag", f"localhost/{name}:{VERSION}", f"localhost/{name}:next")
    told = site.engine.run("ops/deploy", "next", "--without-backup", cwd=site.folder).stdout
    assert "next runs" in told
    upstream = site.folder / "state" / "colour" / "upstream.conf"
    assert upstream.read_text() == "server backend-green:3001 max_fails=0;\n"
    running = states(site)
    assert running["backend-green"] == running["worker"] == ("running", "healthy")
    assert "backend" not in running
    async with site.client() as client:
        assert (await client.get("/health/ready")).status_code == 200
    site.engine.run("ops/rollback", cwd=site.folder)
    assert upstream.read_text() == "server backend:3001 max_fails=0;\n"
    assert (site.folder / "state" / "version").read_text() == f"{VERSION}\n"
    async with site.client() as client:
        assert (await client.get("/health/ready")).status_code == 200


def test_the_doctor_looks_at_everything(site: Site) -> None:
    done = site.engine.run(
        "ops/compose", "exec", "-T", "backend", "python3", "-m", "crm", "doctor", cwd=site.folder, check=False
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    for line in ("postgres", "redis", "backup", "certificate"):
        assert line in done.stdout.lower()
