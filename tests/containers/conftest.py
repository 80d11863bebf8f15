"""The images and one installation for all tests here: built, installed and taken away again."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.engine import MISSING, Engine
from tests.containers.site import VERSION, Site


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """With the stand-ins and our two images."""
    if MISSING:
        pytest.skip(
            f"NO CONTAINERS: missing {', '.join(MISSING)}; nothing of the Containerfile and the stack was run"
        )
    kept = os.environ.get("CRM_ENGINE")  # a folder whose images stay for the next time: a minute less
    # In a folder with a long name podman 4.3 starts nothing again that was killed.
    folder = Path(kept or tempfile.mkdtemp(prefix="crm-engine-"))
    engine = Engine(folder)
    try:
        engine.bases()
        bases = {"PYTHON_IMAGE": "localhost/standin:slim", "POSTGRES_IMAGE": "localhost/standin:postgres"}
        engine.build("crm", f"localhost/crm:{VERSION}", VERSION=VERSION, **bases)
        engine.build("backup", f"localhost/crm-backup:{VERSION}", **bases)
        with engine.serving():
            yield engine
    finally:
        if not kept:
            engine.run("podman", "rmi", "-af", check=False)
            engine.run("umount", folder / "graph/overlay", check=False)
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def site(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Installed, running, with its super admin."""
    site = Site(engine, tmp_path_factory.mktemp("site"))
    try:
        site.install()
        yield site
    finally:
        site.remove()
