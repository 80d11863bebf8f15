"""Docker's part in the drill of a deploy: starts and stops real processes where compose would start containers.

`python engine.py -f compose.prod.yml --env-file .env.production up -d backend`, where ops/deploy stands:
versions/VERSION holds each version's code, engine.json what the processes are told and where nginx is.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path.cwd()
TOLD: dict[str, Any] = json.loads((ROOT / "engine.json").read_text())
RUNNING = ROOT / "running.json"


def version() -> str:
    """What is started now, as compose reads it: the shell first, then the file."""
    lines = (ROOT / ".env.production").read_text().splitlines()
    written = next((line.partition("=")[2] for line in lines if line.startswith("VERSION=")), "")
    return os.environ.get("VERSION") or written


def running() -> dict[str, int]:
    return json.loads(RUNNING.read_text()) if RUNNING.exists() else {}


def environ(name: str) -> dict[str, str]:
    own = {"PORT": str(TOLD["ports"].get(name, 0))}
    return {"PATH": os.environ["PATH"], **TOLD["environ"], **own}


def python(words: list[str], name: str, **options: Any) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, *words], cwd=ROOT / "versions" / version(), env=environ(name), **options
    )


def up(names: list[str]) -> int:
    for name in names:
        if name not in TOLD["ports"] and name != "worker":
            continue  # the backup
        stop([name])
        with (ROOT / f"{name}.log").open("ab") as log:
            command = ["-m", "crm", "worker" if name == "worker" else "api"]
            process = python(command, name, stdout=log, stderr=log, start_new_session=True)
        RUNNING.write_text(json.dumps({**running(), name: process.pid}))
        if name in TOLD["ports"] and not alive(process, TOLD["ports"][name]):
            return 1
    return 0


def alive(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """As `--wait` asks the health check."""
    for _ in range(200):
        if process.poll() is not None:
            return False
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def stop(names: list[str]) -> int:
    for name in names:
        pid = running().get(name)
        if pid is None:
            continue
        try:
            os.kill(pid, signal.SIGTERM)
            while Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z":
                time.sleep(0.02)
        except (ProcessLookupError, FileNotFoundError):
            pass
        RUNNING.write_text(json.dumps({one: known for one, known in running().items() if one != name}))
    return 0


def execute(name: str, words: list[str]) -> int:
    if name != "nginx":
        return python(words[1:], name).wait()
    text = (ROOT / "state" / "colour" / "upstream.conf").read_text()
    for one, port in TOLD["ports"].items():  # what Docker's name service does
        text = text.replace(f"server {one}:3001", f"server 127.0.0.1:{port}")
    Path(TOLD["colour"]).write_text(text)
    return subprocess.call([TOLD["nginx"], "-e", "stderr", "-c", TOLD["conf"], *words[1:]])


def main(words: list[str]) -> int:
    while words[0].startswith("-"):  # -f FILE, --env-file FILE, --profile NAME
        words = words[2:]
    verb, *rest = words
    names = [word for word in rest if not word.startswith("-")]
    if verb == "up":
        return up(names)
    if verb in ("stop", "rm") and "a-container" not in names:
        return stop(names)
    if verb == "exec" and names[0] != "backup":
        return execute(names[0], rest[rest.index(names[0]) + 1 :])
    if verb == "run":  # in the background: Docker is asked afterwards how it ended
        ended = python(
            rest[rest.index("python3") + 1 :], "migrate", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        said, _ = ended.communicate()
        (ROOT / "ended").write_text(json.dumps([ended.returncode, said.decode()]))
        print("a-container")
    return docker(verb)


def docker(verb: str) -> int:
    """Docker's own words; every image is there."""
    if verb in ("wait", "logs"):
        print(json.loads((ROOT / "ended").read_text())[verb == "logs"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
