"""Contacts as files: in any encoding and separator, wrong lines named, twice the same as once, out as they came."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from crm.core.errors import Unavailable
from crm.core.tx import Tx
from crm.spreadsheets import cells, working, writing
from crm.spreadsheets.shapes import ImportRow, LineRow
from tests.people import Sql
from tests.system import Hotel, eventually, unique_phone
from tests.visitors import pointers


def phone() -> str:
    """A Brazilian mobile as people type it, without its country."""
    digits = unique_phone()[2:]
    return f"({digits[:2]}) 9{digits[2:6]}-{digits[6:]}"


async def give(client: httpx.AsyncClient, data: str | bytes, **headers: str) -> httpx.Response:
    """Import a file."""
    raw = data if isinstance(data, bytes) else data.encode()
    return await client.post("/api/contacts/import", files={"file": ("hóspedes.csv", raw)}, headers=headers)


async def stored(as_owner: Sql, hotel: Hotel, typed: str) -> list[dict[str, Any]]:
    """The contacts of a hotel with this phone, as stored."""
    digits = "".join(filter(str.isdigit, typed))
    query = "SELECT name, phone, email, tags FROM contacts WHERE tenant_id = $1 AND phone = $2"
    return [dict(row) for row in await as_owner(query, hotel.id, f"+55{digits}")]


def counts(answer: httpx.Response) -> tuple[int, ...]:
    """(lines, created, updated, unchanged, failed)."""
    told = answer.json()
    return tuple(told[name] for name in ("lines", "created", "updated", "unchanged", "failed"))


async def done(client: httpx.AsyncClient, wanted: str) -> httpx.Response:
    """The import at its end."""

    async def ended() -> httpx.Response | None:
        answer = await client.get(f"/api/contacts/imports/{wanted}")
        return answer if answer.json()["status"] == "DONE" else None

    found: httpx.Response = await eventually(ended, 30)
    return found


async def test_a_file_may_come_alone_as_text_csv(bruno: httpx.AsyncClient, hotel_a: Hotel, as_owner: Sql) -> None:
    typed, kind = phone(), {"Content-Type": "text/csv; charset=utf-8"}
    data = f"name,phone\nZoé,{typed}\nRuim,x\n".encode()
    answer = await bruno.post("/api/contacts/import", content=data, headers=kind)
    assert (answer.status_code, counts(answer), answer.json()["filename"]) == (201, (2, 1, 0, 0, 1), None)
    assert [row["name"] for row in await stored(as_owner, hotel_a, typed)] == ["Zoé"]
    assert pointers(await bruno.post("/api/contacts/import", content=b"", headers=kind)) == {"/file"}
    other = await bruno.post("/api/contacts/import", content=data, headers={"Content-Type": "text/plain"})
    assert other.status_code == 415


@pytest.mark.parametrize(
    ("encoding", "separator"),
    [("utf-8", ","), ("utf-8-sig", ";"), ("latin-1", ";"), ("cp1252", "\t"), ("utf-16", ",")],
)
async def test_a_file_is_read_in_the_encoding_and_separator_it_has(
    encoding: str, separator: str, hotel_a: Hotel, bruno: httpx.AsyncClient, as_owner: Sql
) -> None:
    typed = phone()
    lines = [
        ["Nome", "Telefone", "E-mail", "Etiquetas"],
        ["João Conceição", typed, "Joao@Ex.com", '"vip, família"'],
    ]
    answer = await give(bruno, "\r\n".join(separator.join(line) for line in lines).encode(encoding))
    assert (answer.status_code, answer.json()["status"], counts(answer)) == (201, "DONE", (1, 1, 0, 0, 0))
    [found] = await stored(as_owner, hotel_a, typed)
    assert (found["name"], found["email"], found["tags"]) == ("João Conceição", "joao@ex.com", ["vip", "família"])


async def test_the_same_file_twice_changes_nothing_and_what_is_new_is_added(
    hotel_a: Hotel, bruno: httpx.AsyncClient, as_owner: Sql
) -> None:
    typed, other = phone(), phone()
    data = f"name,phone,tags\nAna,{typed},a\nBia,{other},\n"
    assert [counts(await give(bruno, data)) for _ in range(2)] == [(2, 2, 0, 0, 0), (2, 0, 0, 2, 0)]
    more = f'phone,name,tags,email\n+55 {typed},,"b,a",ana@ex.com\n'
    assert counts(await give(bruno, more)) == (1, 0, 1, 0, 0)
    [found] = await stored(as_owner, hotel_a, typed)
    assert (found["name"], found["tags"], found["email"]) == ("Ana", ["a", "b"], "ana@ex.com")


async def test_of_two_lines_on_one_person_the_first_counts_and_the_other_is_named(
    hotel_a: Hotel, bruno: httpx.AsyncClient, as_owner: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one batch and in two; without its ninth digit a mobile is the same person."""
    typed = phone()
    lines = [f"Ana,{typed},a", f"Bia,{typed.replace(') 9', ') ')},", f"Ana,{typed},", f",{typed},b"]
    data = "nome,celular,tags\n" + "\n".join(lines)
    for batch, expected in ((250, (4, 1, 0, 1, 2)), (2, (4, 0, 0, 2, 2))):
        monkeypatch.setattr(working, "BATCH", batch)
        answer = await give(bruno, data)
        assert counts(answer) == expected
        told = [(one["line"], one["column"], "linha 2," in one["message"]) for one in answer.json()["errors"]]
        assert told == [(3, "celular", True), (5, "celular", True)]
        [found] = await stored(as_owner, hotel_a, typed)
        assert (found["name"], found["tags"]) == ("Ana", ["a"])


async def test_each_wrong_cell_is_named_by_its_line_and_column_and_the_others_are_taken(
    bruno: httpx.AsyncClient,
) -> None:
    lines = [
        "Nome;Celular;E-mail",
        f"Ana;{phone()};x",
        ";12;",
        "",
        '"A\nB";;a@b.c',
        f"C;{phone()};",
        f"D;{phone()};;x",
    ]
    answer = await give(bruno, "\n".join(lines))
    assert counts(answer) == (5, 1, 0, 0, 4)
    told = [(error["line"], error["column"]) for error in answer.json()["errors"]]
    assert told == [(2, "E-mail"), (3, "Celular"), (5, "Celular"), (8, "")]
    again = await bruno.get(f"/api/contacts/imports/{answer.json()['id']}", headers={"Accept-Language": "en"})
    assert again.json()["errors"][0]["message"] == "bad e-mail address"
    table = await bruno.get(f"/api/contacts/imports/{answer.json()['id']}/errors.csv")
    assert list(csv.reader(io.StringIO(table.text)))[:2] == [
        ["linha", "coluna", "mensagem"], ["2", "E-mail", "e-mail inválido"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "data", [" \n", "nome,e-mail\nAna,a@b.c", "phone,celular\n1,2", 'phone\n"1\n2', "x" * 70_000]
)
async def test_a_file_that_is_no_table_of_people_is_refused_whole(data: str, bruno: httpx.AsyncClient) -> None:
    answer = await give(bruno, data)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/file")


async def test_a_column_that_nobody_knows_is_left_out_and_named(bruno: httpx.AsyncClient) -> None:
    answer = await give(bruno, f"phone,Quarto\n{phone()},12")
    assert (answer.status_code, answer.json()["skippedColumns"]) == (201, ["Quarto"])


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("48 99911-2233", "+5548999112233"), ("+351 912 345 678", "+351912345678"),
        ("00351912345678", "+351912345678"), ("+5215512345678", "+525512345678"),
        ("5548999112233", "+5548999112233"), ("'+5548999112233", "+5548999112233"),
        ("99911-2233", None), ("5,54899E+12", None), ("abc", None),
    ],
)  # fmt: skip
def test_a_phone_without_a_country_is_brazilian_and_one_without_an_area_is_none(
    typed: str, kept: str | None
) -> None:
    line = cells.said(LineRow(2, [typed]), cells.Table(["phone"], ["Telefone"]))
    assert (line.phone if isinstance(line, cells.Said) else None) == kept


@pytest.mark.parametrize(
    "tags", [["a"], ["a,b"], ["a|b"], ["a|b", "c;d"], ["a", "b"], ["|"], ["a\\", "b"], [r"\|", r"c:\\d"], []]
)
def test_tags_read_as_the_same_tags_again(tags: list[str]) -> None:
    table = cells.Table(["phone", "tags"], ["phone", "tags"])
    line = cells.said(LineRow(2, ["+5548999112233", cells.tags_cell(tags)]), table)
    assert isinstance(line, cells.Said)
    assert line.tags == tags


async def test_the_attributes_of_the_hotel_are_columns_too_and_held_to_their_types(
    hotel_b: Hotel, carla: httpx.AsyncClient
) -> None:
    kinds = {"vip": "boolean", "born": "date", "visits": "number", "room": "list"}
    fields = [{"key": key, "label": f"Campo {key}", "type": kind} for key, kind in kinds.items()]
    fields[3]["options"] = ["Luxo"]
    assert (await hotel_b.admin.put("/api/contact-attributes", json={"data": fields})).status_code == 200
    good, bad = phone(), phone()
    data = f"phone;Campo VIP;born;VISITS;campo room\n{good};Sim;31/12/1980;1.234,5;luxo\n{bad};?;1/1;x;y\n"
    answer = await give(carla, data)
    assert (counts(answer), len(answer.json()["errors"])) == ((2, 1, 0, 0, 1), 4)
    [largest, larger] = [await give(carla, f"phone;visits\n{good};{2**53 + more}\n") for more in (0, 2)]
    assert (counts(largest)[2], counts(larger)[4]) == (1, 1)
    assert counts(await give(carla, f"phone;visits\n{good};1.234,5\n"))[2] == 1
    table = (await hotel_b.admin.get("/api/contacts/export.csv")).text
    assert "true,1980-12-31,1234.5,Luxo" in table
    assert counts(await give(carla, table))[1:3] == (0, 0)


async def test_a_long_file_is_worked_by_the_worker_batch_by_batch(
    hotel_b: Hotel, carla: httpx.AsyncClient, as_owner: Sql
) -> None:
    phones = [phone() for _ in range(1_001)]
    first = await give(carla, "phone\n" + "\n".join([*phones, "1"]))
    assert (first.status_code, first.json()["status"], first.json()["lines"]) == (202, "RUNNING", 1_002)
    assert counts(await done(carla, first.json()["id"])) == (1_002, 1_001, 0, 0, 1)
    assert len(await stored(as_owner, hotel_b, phones[-1])) == 1
    told = (
        "SELECT data FROM feed_events WHERE tenant_id = $1 AND event = 'import:progress' ORDER BY seq DESC LIMIT 1"
    )
    assert '"created":1001' in (await as_owner(told, hotel_b.id))[0]["data"]


async def test_a_batch_that_dies_has_taken_nothing_and_is_worked_again(
    hotel_b: Hotel, carla: httpx.AsyncClient, as_owner: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second batch dies after it has written contacts, before its commit."""
    taken, dies = working._taken, iter([False, True])

    async def dying(tx: Tx, row: ImportRow, lines: Sequence[LineRow]) -> object:
        worked = await taken(tx, row, lines)
        if next(dies, False):
            raise Unavailable
        return worked

    monkeypatch.setattr(working, "_taken", dying)
    monkeypatch.setattr(working, "BATCH", 2)
    assert (await give(carla, "phone\n" + "\n".join(phone() for _ in range(5)))).status_code == 503
    wake = """UPDATE contact_imports SET due_at = now() WHERE tenant_id = $1 AND lines = 5 RETURNING id, created"""
    [row] = await as_owner(wake, hotel_b.id)
    assert (row["created"], counts(await done(carla, str(row["id"])))) == (2, (5, 5, 0, 0, 0))


async def test_a_batch_that_fails_each_time_is_given_up(
    hotel_b: Hotel, carla: httpx.AsyncClient, as_owner: Sql
) -> None:
    """Nobody's words stay behind with it."""
    new = """WITH i AS (INSERT INTO contact_imports (tenant_id, columns, headings, lines, attempts)
             VALUES ($1, '{phone}', '{phone}', 1, 10) RETURNING tenant_id, id)
             INSERT INTO contact_import_lines (tenant_id, import_id, line, cells)
             SELECT tenant_id, id, 2, '["1"]' FROM i RETURNING import_id AS id"""
    [row] = await as_owner(new, hotel_b.id)

    async def failed() -> bool:
        return bool((await carla.get(f"/api/contacts/imports/{row['id']}")).json()["status"] == "FAILED")

    assert await eventually(failed)
    assert not await as_owner("SELECT FROM contact_import_lines WHERE import_id = $1", row["id"])


async def test_the_imports_are_listed_the_newest_first(carla: httpx.AsyncClient) -> None:
    made = [(await give(carla, f"phone\n{phone()}")).json()["id"] for _ in range(2)]
    listed = (await carla.get("/api/contacts/imports?limit=2")).json()["data"]
    assert [item["id"] for item in listed] == made[::-1]
    assert listed[0]["filename"] == "hóspedes.csv"


async def test_the_file_says_who_is_blocked_and_who_wants_no_marketing(
    hotel_b: Hotel, carla: httpx.AsyncClient
) -> None:
    one = {"phone": f"+55 {phone()}", "name": "Não perturbe"}
    made = (await carla.post("/api/contacts", json=one)).json()
    change = {"blocked": True, "marketingOptOut": True}
    assert (await carla.patch(f"/api/contacts/{made['id']}", json=change)).status_code == 200
    exported = (await hotel_b.admin.get("/api/contacts/export.csv")).text
    [row] = [row for row in _rows(exported) if row["name"] == "Não perturbe"]
    assert [row[name] for name in ("language", "blocked", "marketing_opt_out")] == ["", "true", "true"]
    fields = [{"key": "language", "label": "Blocked", "type": "text"}]
    assert (await hotel_b.admin.put("/api/contact-attributes", json={"data": fields})).status_code == 200
    answer = await hotel_b.admin.get("/api/contacts/export.csv")
    assert answer.text.partition("\r\n")[0] == "name,phone,email,tags,language,marketing_opt_out"
    assert counts(await give(carla, answer.content))[1:3] == (0, 0)


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


async def test_what_goes_out_as_a_file_comes_in_again_and_runs_no_formula(
    alice: httpx.AsyncClient, bruno: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "ROWS", 3)
    typed = phone()
    assert counts(await give(bruno, f"nome,telefone\n=1+1,{typed}"))[1] == 1
    answer = await alice.get("/api/contacts/export.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = _rows(answer.text)
    assert {"'=1+1"} == {row["name"] for row in rows if row["name"].endswith("=1+1")}
    shown = [cell for row in rows for cell in row.values() if cell[:1] in tuple("=+-@")]
    assert [cell for cell in shown if not re.fullmatch(r"\+\d+", cell)] == []  # a phone is no formula
    again = await give(bruno, answer.content)
    assert counts(again)[1:3] == (0, 0)
    excel = await alice.get("/api/contacts/export.csv?excel=true")
    assert excel.text.startswith("\ufeffname;phone;email;tags")
    lines = (await alice.get("/api/tenant/audit?limit=100")).json()["data"]
    assert {"contacts.imported", "contacts.exported"} <= {line["action"] for line in lines}
