"""Every command in the runbook's boxes, in its order, as it stands there, on a whole installation."""

import pytest

from tests.containers.engine import ROOT
from tests.containers.site import VERSION, Site
from tests.test_runbook import PAGES, commands

LINES = [line for line in commands(ROOT / PAGES[0]) if line != "ops/install"]  # the site was made by it
MAY = {"ops/doctor": (0, 1)}  # 1: there is something to do, such as a certificate of our own


@pytest.fixture(scope="module")
def written(site: Site) -> Site:
    """With the version that the runbook brings."""
    for name in ("crm", "crm-backup"):
        site.engine.run("podman", "tag", f"localhost/{name}:{VERSION}", f"localhost/{name}:next")
    return site


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_runbook_works(written: Site, line: str) -> None:
    known = line.replace("VERSION", "next").replace("FILE", "backup.key")
    done = written.engine.run("bash", "-c", known, cwd=written.folder, check=False)
    assert done.returncode in MAY.get(line, (0,)), f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


async def test_after_all_that_people_sign_in_and_see_what_they_had(written: Site) -> None:
    async with written.client(await written.sign_in("root@hotel.test")) as root:
        assert (await root.get("/api/tenants")).status_code == 200
