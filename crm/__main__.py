"""The command line: python -m crm COMMAND. Each command reads its settings from the environment."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import click

if TYPE_CHECKING:  # what runs every few seconds in every container, `health`, starts without any of these
    from crm.core.config import Settings
    from crm.core.crypto import Box

_ROOT = Path(__file__).parents[1]
Answer = TypeVar("Answer")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """The backend of a CRM for WhatsApp."""


@cli.command()
def api() -> None:
    """Serve REST, WebSocket and webhooks on HOST:PORT."""
    from crm.app import build
    from crm.server import Server

    settings = _settings()
    server = Server(build(settings), host=settings.host, port=settings.port, **SERVER)
    server.run()
    if not server.started:
        sys.exit(3)


# Frames are checked at 64 KiB by us (4413); the server closes with 1009 above 2 MiB, which bounds memory.
# Deflate would double both.
SERVER: dict[str, Any] = {
    "loop": "uvloop",
    "http": "httptools",
    "ws": "websockets-sansio",
    "ws_per_message_deflate": False,
    "ws_max_size": 2 * 1024 * 1024,
    "ws_ping_interval": 20,
    "ws_ping_timeout": 20,
    "lifespan": "on",
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "date_header": True,
    "proxy_headers": False,
    "timeout_graceful_shutdown": 20,
    "timeout_keep_alive": 75,  # longer than nginx keeps an idle connection (60 s): else a request meets its closing
}


# When cores are short the API comes first: Meta is acknowledged now, what is stored can be worked a little later.
YIELDING = 5


@cli.command()
def worker() -> None:
    """Run the jobs: raw webhooks into messages, queued messages out to Meta."""
    import uvloop

    from crm import worker as work

    settings = _settings()

    os.nice(YIELDING)

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await work.run(settings, stop)

    uvloop.run(main())


@cli.command()
@click.argument("process", type=click.Choice(["api", "worker"]), default="api")
@click.option("--ready", is_flag=True, help="Ask the API for Postgres, Redis and migrations too.")
def health(process: str, ready: bool) -> None:
    """Ask the process of this machine whether it works; ends with 0, or with 1 and what is wrong."""
    from crm import health as asking

    try:
        click.echo(asking.ready() if ready else asking.ask(process))
    except asking.Unwell as unwell:
        raise click.ClickException(str(unwell)) from unwell


@cli.command()
@click.option("--api", "api_url", default="", help="Where an API answers; without it the one beside this command.")
def doctor(api_url: str) -> None:
    """Look at everything: a line each, ok or what to do. Ends with 0, 1 (something to do) or 2 (not all seen)."""
    from crm import doctor

    lines = asyncio.run(doctor.consult(api_url))
    click.echo(doctor.screen(lines))
    sys.exit(doctor.verdict(lines))


@cli.command("migrate")
@click.option("--plan", is_flag=True, help="Only say what would be applied.")
@click.option(
    "--before", is_flag=True, help="Only what the version before bears: its *_post_* wait until it is gone."
)
@click.option("--fits", is_flag=True, help="Only say whether this version can run on the database as it is.")
def migrate_(plan: bool, before: bool, fits: bool) -> None:
    """Bring the database to this version, as DATABASE_OWNER_URL."""
    from crm.core import migrate

    if fits:
        _migrating(migrate.fits)
        return click.echo("this version fits the database")
    done = _migrating(partial(migrate.plan if plan else migrate.apply, before=before))
    verb = "would apply" if plan else "applied"
    click.echo("\n".join(f"{verb} {name}" for name in done) or "the database is up to date")


@cli.command()
@click.option("--steps", default=1, show_default=True, type=click.IntRange(1, 100))
@click.confirmation_option("--yes", prompt="Undoing migrations loses data. Go on?")
def rollback(steps: int) -> None:
    """Undo the newest migrations, as DATABASE_OWNER_URL."""
    from crm.core import migrate

    done = _migrating(partial(migrate.roll_back, steps=steps))
    click.echo("\n".join(f"undid {name}" for name in done) or "nothing to undo")


@cli.command("create-admin")
@click.option("--email", required=True)
@click.option("--name", required=True)
def create_admin(email: str, name: str) -> None:
    """Add a super admin; the password comes in CRM_ADMIN_PASSWORD or the file of CRM_ADMIN_PASSWORD_FILE.

    One that exists is left alone.
    """
    from crm.core import config, crypto, db, sql
    from crm.core.fields import normal_email

    password = config.read("CRM_ADMIN_PASSWORD")
    if len(password) < 8:
        raise click.ClickException("CRM_ADMIN_PASSWORD: needs at least 8 characters")
    settings = _settings()

    async def main() -> int:
        database = await db.Database.open(settings, 10, 2)
        hashed = crypto.password_hash(password, settings.bcrypt_rounds)
        async with database.tenant(db.PLATFORM) as tx:
            query = sql.load("operations").add_super_admin
            added = await tx.count(query, email=normal_email(email), name=name, hash=hashed)
        await database.close()
        return added

    click.echo("super admin created" if asyncio.run(main()) else "this super admin exists; nothing changed")


@cli.command("rotate-keys")
def rotate_keys() -> None:
    """Reseal every channel's secrets with the newest of ENCRYPTION_KEYS."""
    settings = _settings()
    count, total = asyncio.run(_reseal(settings))  # all of them or none
    click.echo(f"resealed {count} of {total} channels; the others had the newest key already")


async def _reseal(settings: "Settings") -> tuple[int, int]:
    from crm.channels import SealedRow
    from crm.core import crypto, db, sql

    box, queries = crypto.Box(settings.keys), sql.load("channels")
    database = await db.Database.open(settings, 30, 2)
    count = 0
    async with database.system() as tx:
        rows = await tx.many(queries.sealed, SealedRow)
        for row in rows:
            token = _fresh(box, row.access_token, row.tenant_id, "channels.access_token")
            secret = _fresh(box, row.app_secret, row.tenant_id, "channels.app_secret")
            if (token, secret) != (row.access_token, row.app_secret):
                count += await tx.count(
                    queries.reseal,
                    tenant=row.tenant_id,
                    id=row.id,
                    access_token=token,
                    app_secret=secret,
                    old_access_token=row.access_token,
                    old_app_secret=row.app_secret,
                )
    await database.close()
    return count, len(rows)


def _fresh(box: "Box", sealed: bytes | None, tenant: UUID, column: str) -> bytes | None:
    from crm.core import crypto

    if sealed is None or box.fresh(sealed):
        return sealed
    try:
        return box.seal(box.open(sealed, tenant, column), tenant, column)
    except crypto.SealBroken as broken:
        raise click.ClickException(
            f"a {column} of tenant {tenant} opens with none of ENCRYPTION_KEYS: put the key that it was sealed "
            "with behind the newest one. Nothing was resealed."
        ) from broken


def _tool(name: str, module: str) -> None:
    """A command of the checkout that production images leave out; in this process' place, so signals reach it."""

    @cli.command(name, context_settings={"ignore_unknown_options": True}, add_help_option=False)
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def run(arguments: tuple[str, ...]) -> None:
        os.chdir(_ROOT)
        os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606

    run.help = f"Runs {module} of the checkout."


_tool("dev", "ops.dev.up")
_tool("bench", "ops.bench")
_tool("torture", "ops.torture")


def _settings() -> "Settings":
    from crm.core import config, faults, log

    settings = config.load()
    log.setup(settings.log_level)
    faults.watch(settings)
    return settings


def _migrating(work: Callable[[str], Answer]) -> Answer:
    """Run it on DATABASE_OWNER_URL; what refuses is told in a sentence."""
    import psycopg

    from crm.core import config
    from crm.core.migrate import Refused

    url = config.read("DATABASE_OWNER_URL")
    if not url:
        raise click.ClickException("missing environment variables: DATABASE_OWNER_URL")
    try:
        return work(url)
    except (Refused, psycopg.OperationalError) as refused:
        raise click.ClickException(str(refused)) from refused


if __name__ == "__main__":
    cli()
