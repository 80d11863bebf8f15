"""A file's type is told by its bytes, its name is made harmless, and a picture is opened only within limits."""

import io
import random
import struct
import subprocess
import sys
import zipfile
import zlib

import av
import pytest
from PIL import Image

from crm.core import meta_media
from crm.media import names, sniffing
from crm.media.look import look


def picture(kind: str = "PNG", size: tuple[int, int] = (640, 480), **options: object) -> bytes:
    """A picture of one colour."""
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, kind, **options)
    return out.getvalue()


def film() -> bytes:
    """One second of mp4."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for _ in range(10):
            frame = av.VideoFrame.from_image(Image.new("RGB", (128, 96), "teal"))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def office() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("[Content_Types].xml", "<Types/>")
        packed.writestr("word/document.xml", "<w/>")
    return out.getvalue()


def bomb() -> bytes:
    """A PNG of 30 KB that says it has 900 million pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 30_000_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def sideways(kind: str) -> bytes:
    """A picture of 640 x 480 taken with the camera on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture(kind, exif=exif.tobytes())


def sound(container: str, codec: str) -> bytes:
    """A tenth of a second of silence."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as opened:
        stream = opened.add_stream(codec, rate=48000, layout="mono")
        for place in range(5):
            frame = av.AudioFrame(format=stream.format.name, layout="mono", samples=1024)
            frame.rate, frame.pts = 48000, place * 1024
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            opened.mux(stream.encode(frame))
        opened.mux(stream.encode(None))
    return out.getvalue()


def broken(whole: bytes, chance: random.Random) -> bytes:
    """A file that was cut off, whose bits flipped, or that somebody wrote into."""
    content, place = bytearray(whole), chance.randrange(len(whole))
    match chance.randrange(3):
        case 0:
            del content[place:]
        case 1:
            for _ in range(chance.randrange(1, 8)):
                content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        case _:
            content[place : place + chance.randrange(40)] = chance.randbytes(chance.randrange(40))
    return bytes(content)


OPUS = b"OggS" + bytes(24) + b"OpusHead\x01\x01" + bytes(100)


@pytest.mark.parametrize(
    ("content", "mime_type"),
    [
        (picture("JPEG"), "image/jpeg"),
        (picture("PNG"), "image/png"),
        (picture("WEBP"), "image/webp"),
        (picture("GIF"), "image/gif"),
        (film(), "video/mp4"),
        (b"\0\0\0\x18ftyp3gp4" + bytes(50), "video/3gpp"),
        (b"\0\0\0\x18ftypM4A " + bytes(50), "audio/mp4"),
        (OPUS, "audio/ogg; codecs=opus"),
        (b"#!AMR\n" + bytes(50), "audio/amr"),
        (b"ID3\x04" + bytes(50), "audio/mpeg"),
        (b"\xff\xfb\x90\x00" + bytes(50), "audio/mpeg"),
        (b"\xff\xf1\x50\x80" + bytes(50), "audio/aac"),
        (b"%PDF-1.7\n", "application/pdf"),
        (office(), "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("Olá, bom dia".encode(), "text/plain"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
        (b"\xef\xbb\xbf  <!DOCTYPE html><script>", "text/html"),
        (b"<?xml version='1.0'?><a/>", "text/xml"),
        (b"MZ\x90\0" + bytes(50), "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_bytes_tell_their_type(content: bytes, mime_type: str) -> None:
    assert sniffing.sniff(io.BytesIO(content)).mime_type == mime_type


def test_a_claim_fills_in_only_where_bytes_tell_none_and_nothing_is_shown() -> None:
    unknown = sniffing.UNKNOWN
    assert sniffing.believed("text/html", "image/png") == "text/html"
    assert sniffing.believed(unknown, "application/vnd.oasis.opendocument.text").endswith("opendocument.text")
    for shown in ("image/png", "text/html", "image/svg+xml", "application/xhtml+xml", "video/mp4"):
        assert sniffing.believed(unknown, shown) == unknown


def test_a_picture_gets_its_size_and_a_small_webp() -> None:
    seen = look(io.BytesIO(picture("JPEG", (1600, 1200))))
    small = Image.open(io.BytesIO(seen.thumbnail or b""))
    assert (seen.width, seen.height, small.format, small.size) == (1600, 1200, "WEBP", (320, 240))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_taken_sideways_has_the_size_it_is_looked_at_in(kind: str) -> None:
    seen = look(io.BytesIO(sideways(kind)))
    assert (seen.width, seen.height) == (480, 640)
    assert Image.open(io.BytesIO(seen.thumbnail or b"")).size == (240, 320)


def test_a_film_gets_its_length_and_a_frame() -> None:
    seen = look(io.BytesIO(film()))
    assert (seen.width, seen.height, seen.duration) == (128, 96, 1.0)
    assert Image.open(io.BytesIO(seen.thumbnail or b"")).format == "WEBP"


def test_a_bomb_is_measured_and_not_unpacked() -> None:
    seen = look(io.BytesIO(bomb()))
    assert (seen.width, seen.height, seen.thumbnail) == (30_000, 30_000, None)


@pytest.mark.parametrize("whole", [picture("PNG"), picture("JPEG"), film()], ids=["png", "jpeg", "mp4"])
def test_a_torn_file_is_kept_without_a_picture(whole: bytes) -> None:
    seen = look(io.BytesIO(whole[:60]))
    assert (seen.size, seen.thumbnail) == (60, None)


WHOLE = {
    "jpeg": sideways("JPEG"),
    "png": sideways("PNG"),
    "webp": sideways("WEBP"),
    "gif": picture("GIF"),
    "mp4": film(),
    "m4a": sound("ipod", "aac"),
    "ogg": sound("ogg", "libopus"),
    "mp3": sound("mp3", "libmp3lame"),
    "aac": sound("adts", "aac"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", WHOLE)
def test_whatever_bytes_come_a_look_ends_well(kind: str) -> None:
    chance = random.Random(7)
    for _ in range(150):
        content = broken(WHOLE[kind], chance)
        seen = look(io.BytesIO(content))
        assert seen.size == len(content)
        assert seen.thumbnail is None or seen.thumbnail[8:12] == b"WEBP"


def test_the_decoders_are_loaded_with_the_first_picture_and_not_before() -> None:
    words = "import sys; from crm import app, worker; print([x for x in ('PIL', 'av') if x in sys.modules])"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\a\\contrato.pdf", "contrato.pdf"),
        ("a\r\nSet-Cookie: x=1.pdf", "aSet-Cookie_ x=1.pdf"),
        ("fatura\x00.pdf", "fatura.pdf"),
        ("foto\u202egpj.exe", "fotogpj.exe"),
        ("..", None),
        ("", None),
        (7, None),
        ("a" * 300 + ".pdf", "a" * 146 + ".pdf"),
    ],
)
def test_a_strangers_file_name_is_made_harmless(given: object, kept: str | None) -> None:
    assert names.clean(given) == kept


def test_the_header_of_a_file_name_cannot_be_broken_out_of() -> None:
    header = names.disposition('a"; filename="b\\.pdf', "application/pdf", False)
    assert header.count('"') == 2
    assert names.disposition("Reserva de João.pdf", "application/pdf", False) == (
        "attachment; filename=\"Reserva de Jo_o.pdf\"; filename*=UTF-8''Reserva%20de%20Jo%C3%A3o.pdf"
    )


def test_a_digest_is_read_in_base64_and_in_hex() -> None:
    raw = bytes(range(32))
    assert meta_media.digest("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=") == raw
    assert meta_media.digest(raw.hex()) == raw
    assert [meta_media.digest(bad) for bad in ("", "x", None, raw.hex()[:-2], "é" * 64)] == [None] * 5
