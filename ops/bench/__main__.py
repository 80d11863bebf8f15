"""`python -m crm bench`: measures this version, or this one and another by turns, and prints a table."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from ops.bench import bare, people, process, reads, report, river, seed
from ops.bench.report import Finding
from ops.bench.run import Run, Scenario
from ops.bench.system import HERE, System, checkout, remove, schema
from ops.dev.home import Home
from ops.dev.servers import ServerError

SCENARIOS: dict[str, Scenario] = {
    "bare": bare.answer,
    "start": process.start,
    "memory": process.memory,
    "list": reads.first_page,
    "page200": reads.page_200,
    "page1000": reads.page_1000,
    "history": reads.history,
    "login": people.logins,
    "sockets": river.fan_out,
    "steady": river.steady,
    "alone": river.alone,
    "webhooks": river.burst,
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m crm bench", description=__doc__)
    parser.add_argument("--scenario", nargs="+", action="extend", choices=SCENARIOS, metavar="NAME",
                        help=f"only these, of: {', '.join(SCENARIOS)}")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each load goes on")
    parser.add_argument("--rounds", type=int, default=1, help="how often; the table then shows medians")
    parser.add_argument("--home", type=Path, default=HERE / ".dev" / "bench", help="kept, with its seed")
    parser.add_argument("--small", action="store_true", help="a hundredth of the data")
    parser.add_argument("--against", metavar="REV", help="measure this revision by turns with the present code")
    return parser.parse_args()


def main() -> int:
    options = _options()
    size = seed.SMALL if options.small else seed.FULL
    home = Home(
        options.home.with_name("bench-small") if options.small and _is_default(options) else options.home, {}
    )
    try:
        with _versions(options.against) as versions:
            home.start()
            seed.prepare(home, size)
            findings = [
                found
                for number in range(options.rounds)
                for name, code in turn(versions, number)
                for found in uvloop.run(_round(System(home, code), name, number, size, options))
            ]
            print(f"\n{asyncio.run(report.machine(home))}; {options.rounds} × {options.seconds:g} s\n")
            print(report.table(findings))
    except (seed.Refused, ServerError) as reason:
        sys.exit(str(reason))
    finally:
        home.stop()
    return int(any(found.faults for found in findings))


def turn(versions: list[tuple[str, Path]], number: int) -> list[tuple[str, Path]]:
    """Who goes when in this round: each second round the other way, for the place in it tells, too."""
    return versions[::-1] if number % 2 else versions


def _is_default(options: argparse.Namespace) -> bool:
    return bool(options.home == HERE / ".dev" / "bench")


async def _round(
    system: System, version: str, number: int, size: seed.Size, options: argparse.Namespace
) -> list[Finding]:
    """One version, all scenarios, on processes of its own."""
    findings = []
    with system:
        run = Run(system, options.seconds, size.tenants, size.people)
        for name in _order(options.scenario or list(SCENARIOS)):
            for found in await SCENARIOS[name](run):
                found.version = version
                findings.append(found)
                print(f"round {number + 1} {found.row()}", flush=True)
    return findings


def _order(names: list[str]) -> list[str]:
    """What is asked for; the bare answer, if it is, before each of the others: the machine's speed wanders."""
    others = [name for name in names if name != "bare"]
    return [one for name in others for one in ("bare", name)] if others and "bare" in names else names


@contextmanager
def _versions(revision: str | None) -> Iterator[list[tuple[str, Path]]]:
    """The folders of code to measure: this one, and a checkout of the other. Raises Refused."""
    if revision is None:
        yield [("", HERE)]
        return
    with tempfile.TemporaryDirectory(prefix="crm-bench-") as folder:
        other = Path(folder) / "code"
        checkout(revision, other)
        try:
            if schema(other) != schema(HERE):
                raise seed.Refused(f"{revision} has other migrations: two schemas cannot share one database")
            yield [("here", HERE), (revision, other)]
        finally:
            remove(other)


if __name__ == "__main__":
    sys.exit(main())
