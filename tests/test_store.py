"""The store keeps bytes whole under their key: in a folder, and in a bucket of a real S3 server."""

import io
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from crm.core.errors import NotFound, Unavailable
from crm.core.store import Store

LARGE = os.urandom(1024 * 1024) * 11  # more than two parts of an upload


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """An S3 server of our own, with a bucket, named by the variables that every S3 client reads."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    login = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    with pytest.MonkeyPatch.context() as env:
        for name, value in {**login, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
            env.setenv(name, value)
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="hotel-media")
        yield "s3://hotel-media/of/crm"
    server.stop()


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(f"file://{tmp_path}/media" if request.param == "folder" else request.getfixturevalue("bucket"))


async def all_of(store: Store, key: str, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in await store.read(key, start, end)])


@pytest.mark.parametrize("content", [b"Bom dia", LARGE], ids=["small", "large"])
async def test_what_is_put_is_read_again_whole_and_in_part(content: bytes, store: Store) -> None:
    await store.put("hotel/a", io.BytesIO(content))
    assert await store.size("hotel/a") == len(content)
    assert await all_of(store, "hotel/a", 0, len(content)) == content
    assert await all_of(store, "hotel/a", 3, len(content) - 1) == content[3:-1]


async def test_what_nobody_put_is_not_there(store: Store) -> None:
    await store.put("hotel/b", b"x")
    assert (await store.has("hotel/b"), await store.has("hotel/c")) == (True, False)
    with pytest.raises(NotFound):
        await store.read("hotel/c", 0, 1)


async def test_what_is_deleted_is_not_there_and_deleting_it_again_does_no_harm(store: Store) -> None:
    await store.put("hotel/d", b"x")
    for _ in range(2):
        with suppress(NotFound):
            await store.delete("hotel/d")
        assert not await store.has("hotel/d")


async def test_a_bucket_holds_what_was_put_below_its_prefix(bucket: str) -> None:
    await Store(bucket).put("hotel/seen", io.BytesIO(b"Bom dia"))
    found: Any = boto3.client("s3", region_name="us-east-1").get_object(
        Bucket="hotel-media", Key="of/crm/hotel/seen"
    )
    assert found["Body"].read() == b"Bom dia"


async def test_a_bucket_that_is_not_there_is_an_outage(bucket: str) -> None:
    with pytest.raises((Unavailable, NotFound)):
        await Store("s3://nobodys-bucket").put("a", b"x")


def test_a_folder_that_cannot_be_made_stops_the_start_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="MEDIA_URL"):
        Store(f"file://{tmp_path}/file/media")
