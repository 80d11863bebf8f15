"""The restore drill: a backup is made, proved, lost everything for, and brought back; and all that may go wrong."""

import asyncio
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pyrage
import pytest
from moto.server import ThreadedMotoServer

from ops.backups.__main__ import seconds_until
from ops.backups.place import Place, kept, named
from tests.own import own_system
from tests.system import Guest, Hotel, System, calling, eventually, unique_phone
from tests.test_media_look import picture

ROOT = Path(__file__).parents[2]


@dataclass
class Host:
    """A running system with two hotels, and the folder of its backups."""

    system: System
    folder: Path
    environ: dict[str, str]

    def backup(self, *words: str, **changes: str) -> "subprocess.CompletedProcess[str]":
        """`python -m ops.backups`, as an operator runs it."""
        command = [sys.executable, "-m", "ops.backups", *words]
        env = {**os.environ, **self.environ, **changes}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)

    async def good(self, *words: str, **changes: str) -> str:
        """What it prints when it ends well; the system runs on meanwhile."""
        ended = await asyncio.to_thread(self.backup, *words, **changes)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    async def run(self, query: str, *args: object) -> list[asyncpg.Record]:
        """A statement as the superuser."""
        owner = await asyncpg.connect(self.environ["BACKUP_ADMIN_URL"].removesuffix("postgres") + "crm")
        rows = await owner.fetch(query, *args)
        await owner.close()
        return rows

    @property
    def place(self) -> Place:
        return Place(self.folder / "backups")

    @property
    def key(self) -> str:
        return str(self.folder / "private.key")

    @property
    def files(self) -> list[Path]:
        return [path for path in Path(self.system.settings.media_url[7:]).rglob("*") if path.is_file()]

    def media(self) -> dict[str, str]:
        """The hash of every media file, by its name, which is its hash."""
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in self.files}


@pytest.fixture(scope="module")
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Host]:
    folder = tmp_path_factory.mktemp("host")
    identity = pyrage.x25519.Identity.generate()
    (folder / "private.key").write_text(f"# made by a test\n{identity}\n")
    async with own_system(folder / "home") as system:
        home = system.home
        at = f"127.0.0.1:{home.postgres.port}"
        environ = {
            "BACKUP_DIR": str(folder / "backups"),
            "MEDIA_URL": system.settings.media_url,
            "BACKUP_DATABASE_URL": f"postgresql://crm_backup:{home.secrets['backupPassword']}@{at}/crm",
            "BACKUP_ADMIN_URL": f"postgresql://postgres:{home.secrets['superuserPassword']}@{at}/postgres",
            "DATABASE_URL": home.database_url("app"),
            "BACKUP_AGE_RECIPIENT": str(identity.to_public()),
        }
        yield Host(system, folder, environ)


@pytest.fixture(scope="module")
async def hotel(host: Host) -> Hotel:
    return await host.system.hotel("Copia")


@pytest.fixture(scope="module")
async def guest(host: Host, hotel: Hotel) -> Guest:
    """Somebody who wrote, beside a guest of another hotel; a file of the hotel's lies in the store."""
    await Guest(await host.system.hotel("Outra"), unique_phone()).writes("De outro hotel")
    answer = await hotel.attendant.post("/api/media", files={"file": ("quarto.png", picture(), "image/png")})
    assert answer.status_code == 201, answer.text
    guest = Guest(hotel, unique_phone(), "Dora Lembrada")
    await guest.writes("Chego às nove")
    return guest


async def test_what_was_lost_comes_back_and_who_was_erased_does_not(host: Host, hotel: Hotel, guest: Guest) -> None:
    erased = Guest(hotel, unique_phone(), "Sara Esquecida")
    await erased.writes("Quero ser esquecida")
    contact = (await erased.conversation())["contact"]["id"]
    await host.good("now")
    media = host.media()
    assert (await hotel.admin.post(f"/api/contacts/{contact}/erase")).status_code == 200
    assert "is good" in await host.good("verify", "--key", host.key)
    refused = host.backup("restore", "--key", host.key)
    assert (refused.returncode, "--yes" in refused.stderr) == (1, True)
    await host.run("TRUNCATE messages CASCADE")
    for path in host.files:
        path.unlink()
    told = await host.good("restore", "--key", host.key, "--yes")
    assert "\n1 people who were erased since are erased again" in told
    assert media
    assert host.media() == media
    assert [one["content"] for one in await eventually(guest.history)] == ["Chego às nove"]
    assert await host.run("SELECT FROM messages WHERE content ~ 'esquecida'") == []
    await guest.writes("E ainda se escreve")  # the processes have found the restored database by themselves


async def test_the_restored_database_lets_in_who_was_let_in_and_nobody_else(host: Host) -> None:
    app = await asyncpg.connect(host.environ["DATABASE_URL"])
    assert await app.fetchval("SELECT count(*) FROM messages") == 0  # no tenant, no row
    await app.close()
    [row] = await host.run("SELECT has_database_privilege('public', current_database(), 'CONNECT')")
    assert row[0] is False


def test_an_archive_that_is_cut_off_is_not_good(host: Host) -> None:
    name = host.place.names()[-1]
    dump = host.place.folder / name / "database.dump.age"
    whole = dump.read_bytes()
    dump.write_bytes(whole[: len(whole) // 2])
    ended = host.backup("verify", "--key", host.key)
    dump.write_bytes(whole)
    assert (ended.returncode, "database.dump.age" in ended.stderr) == (1, True)


def test_another_key_opens_nothing(host: Host) -> None:
    other = host.folder / "other.key"
    other.write_text(str(pyrage.x25519.Identity.generate()))
    ended = host.backup("verify", "--key", str(other))
    assert (ended.returncode, "another key" in ended.stderr) == (1, True)


def test_nothing_lies_open(host: Host) -> None:
    """Neither a guest's name nor a message's words, nor a picture's bytes."""
    shown = host.files[0].read_bytes()[:64]
    for path in (host.folder / "backups").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"Lembrada" not in content, path
            assert shown not in content, path


def test_what_fails_takes_nothing_away_and_says_why(host: Host) -> None:
    old = named(datetime.now(UTC) - timedelta(days=400))
    names = host.place.names()
    (host.place.folder / old).mkdir()
    manifest = host.place.folder / names[-1] / "manifest.json"
    (host.place.folder / old / "manifest.json").write_bytes(manifest.read_bytes())
    (host.place.folder / old / "media.txt").write_text("")
    ended = host.backup("now", BACKUP_DATABASE_URL=host.environ["DATABASE_URL"])  # row security: it may not dump
    assert ended.returncode == 1
    assert host.place.names() == [old, *names]
    state = host.place.state()
    assert state.last_error
    assert state.last_tried
    assert state.last_good
    assert state.last_tried > state.last_good
    assert not list(host.place.folder.glob("*.part"))


def test_a_dump_that_is_killed_leaves_no_half_a_backup(host: Host) -> None:
    names = host.place.names()
    command = [sys.executable, "-m", "ops.backups", "now"]
    running = subprocess.Popen(command, env={**os.environ, **host.environ})
    while not list(host.place.folder.glob("*.part/database.dump.age")):
        time.sleep(0.01)
    running.kill()
    running.wait()
    assert host.place.names() == names


async def test_the_next_good_one_takes_away_what_is_too_old_and_goes_to_the_mirror(host: Host) -> None:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    address, port = server.get_host_and_port()
    aws = {"AWS_ENDPOINT": f"http://{address}:{port}", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
           "AWS_REGION": "us-east-1", "BACKUP_MIRROR_URL": "s3://backups/hotel"}  # fmt: skip
    async with calling() as client:
        await client.put(f"http://{address}:{port}/backups")
    old = host.place.names()
    await host.good("now", **aws)
    *others, newest = host.place.names()
    assert (others, newest in old) == ([old[0]], False)  # the newest of the day, and the one of another week
    assert host.place.state().last_error is None
    for path in (host.place.folder / newest).iterdir():
        path.unlink()
    assert "at the mirror only" in await host.good("list", **aws)
    told = await host.good("restore", newest, "--key", host.key, "--yes", **aws)
    server.stop()
    assert f"{newest} fetched" in told


def test_backups_are_kept_by_the_day_and_by_the_week() -> None:
    noon = datetime(2026, 11, 28, 12, tzinfo=UTC)
    nights = [named(noon - timedelta(days=days)) for days in range(60)]
    stay = sorted(kept([*nights, named(noon + timedelta(hours=1)), "lock", "media"]), reverse=True)
    days = [f"{noon - timedelta(days=back):%Y-%m-%d}" for back in range(1, 7)]
    assert stay == [
        "2026-11-28T130000Z",  # of one day the newest
        *(f"{day}T120000Z" for day in days),
        "2026-11-15T120000Z",  # the Sundays of the weeks before
        "2026-11-08T120000Z",
    ]


def test_the_night_begins_at_its_hour() -> None:
    at = datetime(2026, 11, 28, 2, 59, 30, tzinfo=UTC)
    assert [seconds_until((3, 0), at), seconds_until((2, 59), at)] == [30, 86_400 - 30]


def nights(host: Host, folder: Path, last: int, **changes: str) -> list[int]:
    """The seconds that ops/backups/nightly asks a `sleep` for that does not sleep; the last one ends it."""
    programs = {
        "sleep": f'#!/bin/sh\ncd {folder}\necho "$1" >>waited\n[ "$(wc -l <waited)" -lt {last} ] || kill $PPID',
        "python3": f'#!/bin/sh\nexec {sys.executable} "$@"',
    }
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    env = {**os.environ, **host.environ, **changes, "PATH": f"{folder}:{os.environ['PATH']}"}
    subprocess.run([ROOT / "ops/backups/nightly"], cwd=ROOT, env=env, timeout=120, check=False)
    return [int(line) for line in (folder / "waited").read_text().split()]


def test_each_night_a_backup_is_made(host: Host, tmp_path: Path) -> None:
    before = set(host.place.names())
    first, second = nights(host, tmp_path, 2)
    assert 0 < second <= first <= 86_400
    assert set(host.place.names()) - before


def test_one_that_failed_is_tried_again_and_then_the_next_night_is_waited_for(host: Host, tmp_path: Path) -> None:
    before = host.place.names()
    waited = nights(host, tmp_path, 6, BACKUP_DATABASE_URL="postgresql://crm_backup:x@127.0.0.1:1/crm")
    assert waited[1:5] == [900] * 4
    assert 0 < waited[5] <= waited[0]
    assert host.place.names() == before
