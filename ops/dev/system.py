"""Everything that `ops/up` starts, in the order in which it starts and stops."""

import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress

import httpx

from ops.dev import demo, processes, screen
from ops.dev.home import Home
from ops.dev.watch import Program, Signals, Watch, Watched, died

META = "https://graph.facebook.com"
READY_SECONDS = 60  # a slow machine needs a few; a Redis or a Postgres that is not there never answers


class StartError(Exception):
    """The system cannot be started; the text says why and what to do."""


class System:
    """One copy: the servers of its home, an API for each of `urls`, a worker, and the fake Meta of the demo."""

    def __init__(self, home: Home, signals: Signals, urls: list[str], with_demo: bool) -> None:
        self.home, self.signals, self.urls, self.with_demo = home, signals, urls, with_demo
        self.with_fake = with_demo and "WHATSAPP_GRAPH_URL" not in home.given
        fake_url = f"http://127.0.0.1:{home.port('fake_meta')}"
        self.graph_url = fake_url if self.with_fake else home.given.get("WHATSAPP_GRAPH_URL", META)
        self.programs: list[Program] = []
        self.number_lost = False

    @property
    def servers(self) -> list[Watched]:
        return [server for server in (self.home.postgres, self.home.redis) if server]

    def start(self) -> None:
        self.home.start(self.signals.pause)
        if self.with_fake:
            self._launch("fake_meta", "ops.fake_meta", "--port", _port(self.graph_url))
        self._finish(self._launch("migrate", "crm", "migrate"))
        for number, url in enumerate(self.urls, 1):
            self._launch("api" if number == 1 else f"api{number}", "crm", "api", env={"PORT": _port(url)})
        self._launch("worker", "crm", "worker")
        self._make_admin()
        for page in self._pages():
            self._wait_for(page)
        self._make_demo()
        self.write_facts()

    def watch(self) -> None:
        """Returns never; ends by Stopped."""
        watch = Watch([*self.servers, *self.programs], self._changed)
        while True:
            self.signals.pause(0.1)
            watch.look()
            if self.number_lost and _answers(f"{self.graph_url}/phone"):
                with suppress(demo.DemoError):  # it died again: the next round sees to it
                    self._register_number()

    def stop(self) -> None:
        """Our own programs first, so that they can still write what they hold; then the servers."""
        (self.home.path / "dev.json").unlink(missing_ok=True)
        processes.stop([program.process for program in self.programs if program.process])
        self.home.stop()

    def write_facts(self) -> None:
        self.home.save("dev.json", screen.facts(self))

    def _launch(self, name: str, module: str, *arguments: str, env: Mapping[str, str] | None = None) -> Program:
        own = {"WHATSAPP_GRAPH_URL": self.graph_url, "HOST": "127.0.0.1"}
        complete = {**os.environ, **self.home.environ(), **own, **(env or {})}
        program = Program(name, [sys.executable, "-m", module, *arguments], complete, self.home.logs)
        self.programs.append(program)
        program.launch()
        return program

    def _finish(self, program: Program) -> None:
        """Wait for a program that is meant to end."""
        while program.process and program.process.poll() is None:
            self.signals.pause(0.01)
        self.programs.remove(program)
        if program.process and program.process.returncode:
            raise StartError(died(program.name, program.process.returncode, program.log))

    def _make_admin(self) -> None:
        if self._first_time("admin"):
            words = ("create-admin", "--email", demo.ROOT_EMAIL, "--name", "Root")
            password = {"CRM_ADMIN_PASSWORD": self.home.admin_password}
            self._finish(self._launch("create-admin", "crm", *words, env=password))
            self._done("admin")

    def _make_demo(self) -> None:
        if self.with_demo and self._first_time("demo"):
            demo.seed(self.urls[0], self.home.admin_password)
            self._done("demo")
        if self.with_fake:
            self._register_number()

    def _register_number(self) -> None:
        demo.register(self.graph_url, self.urls[0])
        self.number_lost = False

    def _first_time(self, step: str) -> bool:
        """Per database, so that another DATABASE_URL gets its own admin and its own demo hotel."""
        return bool(self.home.state.get(step) != self._database)

    def _done(self, step: str) -> None:
        self.home.remember(**{step: self._database})

    @property
    def _database(self) -> str:
        return "own" if self.home.postgres else self.home.database_url("owner")

    def _pages(self) -> list[str]:
        """What must answer before the system is ready."""
        fake = [f"{self.graph_url}/phone"] if self.with_fake else []
        return [f"{url}/health/ready" for url in self.urls] + fake

    def _wait_for(self, page: str) -> None:
        ends = time.monotonic() + READY_SECONDS
        while not _answers(page):
            self._check_alive()
            if time.monotonic() > ends:
                raise StartError(f"{page} is not ready after {READY_SECONDS} s. It says: {_said(page)}")
            self.signals.pause(0.02)

    def _check_alive(self) -> None:
        """A program that dies while all starts will not do better next time: its settings are wrong."""
        for program in self.programs:
            if program.process and program.process.poll() is not None:
                raise StartError(died(program.name, program.process.returncode, program.log))

    def _changed(self, one: Watched) -> None:
        """A process died or was started again."""
        self.write_facts()
        self.number_lost |= one.name == "fake_meta"


def _port(url: str) -> str:
    return url.rpartition(":")[2]


def _get(page: str) -> httpx.Response:
    """A page of ours, on plain http; `verify` only saves 20 ms of loading certificates."""
    return httpx.get(page, trust_env=False, timeout=2, verify=False)  # noqa: S501


def _said(page: str) -> str:
    try:
        return _get(page).text
    except httpx.TransportError as error:
        return str(error)


def _answers(page: str) -> bool:
    try:
        return _get(page).is_success
    except httpx.TransportError:
        return False
