"""Templates at Meta: list, create, delete, and what a refusal tells the person who asked (Meta: templates)."""

import re
from typing import Any
from uuid import UUID

from crm import channels
from crm.core.errors import Conflict, FieldError, Problem, RateLimited, Unavailable, ValidationFailed
from crm.core.meta import MetaError
from crm.core.payload import dict_of
from crm.core.rails import Rails
from crm.template_texts import variables
from crm.templates.parts import word
from crm.templates.shapes import AccountRow, Create

Node = dict[str, Any]

BAD_CURSOR, BAD_PARAMETER, EXISTS, BLOCKED, NOT_FOUND, NO_ACCESS = 131059, 100, 2388024, 2388023, 2593002, 33
_FIELDS = (
    "id,name,language,status,category,components,parameter_format,quality_score,rejected_reason,previous_category"
)
_PAGE, _PAGES, _RESTARTS = 100, 200, 2  # Meta keeps at most 6,000 templates an account
_PARTS = {2388047: "HEADER", 2388072: "BODY", 2388073: "FOOTER"}  # Meta: create and edit subcodes


class Account:
    """One account (WABA) of a hotel, with the token that may ask for it."""

    def __init__(self, rails: Rails, tenant: UUID, row: AccountRow) -> None:
        self._rails, self._tenant, self._sealed = rails, tenant, row.access_token
        self.id, self.started = row.waba_id, row.started

    async def listed(self, name: str | None = None) -> list[Node]:
        """Every template of the account, or the languages of one name, as rows. Raises MetaError.

        A cursor that has expired (131059) starts the list again; so does a field this version does not know.
        """
        fields: dict[str, str | int] = {"fields": _FIELDS}
        for _ in range(_RESTARTS):
            try:
                return await self._pages({**fields, **({"name": name} if name else {})}, name)
            except MetaError as error:
                if error.code == BAD_PARAMETER and error.subcode != NO_ACCESS:
                    fields = {}
                elif error.code != BAD_CURSOR:
                    raise
        return await self._pages({**fields, **({"name": name} if name else {})}, name)

    async def _pages(self, query: dict[str, str | int], name: str | None) -> list[Node]:
        """By cursor while `next` is there; one that is listed twice, as the list moved meanwhile, counts once."""
        found: dict[tuple[str, str], Node] = {}
        for _ in range(_PAGES):
            answer = await self.ask("GET", f"{self.id}/message_templates", limit=_PAGE, **query)
            for node in answer.get("data") or []:
                row = as_row(node)
                if row and name in (None, row["name"]):  # Meta's filter also finds names that contain it
                    found[row["name"], row["language"]] = row
            paging = dict_of(answer.get("paging"))
            after = dict_of(paging.get("cursors")).get("after")
            if not paging.get("next") or not after:
                break
            query = {**query, "after": str(after)}
        return list(found.values())

    async def create(self, new: Create) -> Node:
        """Ask Meta for a template; its answer `{id, status, category}`. Raises MetaError."""
        body = {
            "name": new.name,
            "language": new.language,
            "category": new.category,
            "parameter_format": new.parameter_format.lower(),
            "components": new.components,
        }
        return await self.ask("POST", f"{self.id}/message_templates", body)

    async def delete(self, name: str, graph_id: str | None) -> None:
        """Delete one language, or (without an id) all of a name; gone already is done. Raises MetaError."""
        query = {"name": name, **({"hsm_id": graph_id} if graph_id else {})}
        try:
            await self.ask("DELETE", f"{self.id}/message_templates", **query)
        except MetaError as error:
            if error.subcode != NOT_FOUND and error.status != 404:
                raise

    async def app(self) -> str:
        """The id of the token's app, which keeps example files. Raises MetaError."""
        told = dict_of((await self.ask("GET", "debug_token", input_token=self.token())).get("data"))
        return str(told.get("app_id") or "")

    async def ask(self, method: str, path: str, body: Any = None, **query: str | int) -> Node:
        """A call of Graph's with the account's token. Raises MetaError."""
        return await self._rails.graph.ask(method, path, self.token(), body, **query)

    def token(self) -> str:
        """The token itself. Raises MetaError."""
        return channels.opened(self._rails.box, self._tenant, self._sealed, wabaId=self.id)


def as_row(node: Any) -> Node:
    """A template of Meta's as it is kept; {} when it names neither itself nor its language."""
    node = dict_of(node)
    name, language = node.get("name"), node.get("language")
    if not (isinstance(name, str) and isinstance(language, str) and name and language):
        return {}
    components = [part for part in node.get("components") or [] if isinstance(part, dict)]
    reason = word(node.get("rejected_reason"))
    return {
        "graph_id": None if node.get("id") is None else str(node["id"]),
        "name": name,
        "language": language.replace("-", "_"),
        "category": word(node.get("category")),
        "status": word(node.get("status")),
        "parameter_format": _format(node, components),
        "components": components,
        "quality": word(dict_of(node.get("quality_score")).get("score")) or None,
        "reason": None if reason in ("", "NONE") else reason,
    }


def _format(node: Node, components: list[Node]) -> str:
    """As Meta says it, else by what the variables are."""
    told = word(node.get("parameter_format"))
    if told in ("POSITIONAL", "NAMED"):
        return told
    names = [name for part in components for name in variables(str(part.get("text") or ""))]
    return "NAMED" if any(not name.isdecimal() for name in names) else "POSITIONAL"


def problem(error: MetaError, components: list[Any] | None = None) -> Problem:
    """What a person is told of Meta's refusal: a 4xx that says what helps, or 503 when Meta was not to be had."""
    if error.rule.people:
        return Conflict(
            f"A Meta recusou o acesso a esta conta: {error.title}",
            f"Meta refused access to this account: {error.title}",
            action=error.rule.action,
            metaCode=error.code,
        )
    if error.rule.retry == "throttled":
        return RateLimited(int(max(error.after, error.rule.wait, 1)))
    if error.rule.retry in ("transient", "uncertain"):
        return Unavailable(5)
    if error.subcode == EXISTS:
        return Conflict(
            "A Meta já tem um modelo com este nome neste idioma: sincronize para vê-lo.",
            "Meta has a template of this name in this language already: sync to see it.",
        )
    if error.subcode == BLOCKED:
        return Conflict(
            "Este nome foi excluído há menos de 30 dias: a Meta ainda não o aceita. Use outro nome.",
            "This name was deleted less than 30 days ago: Meta does not take it yet. Use another name.",
        )
    said = re.sub(r"^\(#\d+\) ", "", error.title)
    told = f"{said}: {error.detail}" if error.detail else said
    where = _where(error.subcode, components or [])
    return ValidationFailed(errors=[FieldError(where, f"a Meta recusou: {told}", f"Meta refused: {told}")])


def _where(subcode: int, components: list[Any]) -> str:
    """The part that one of Meta's subcodes is about, as far as it tells."""
    kinds = [word(dict_of(part).get("type")) for part in components]
    kind = _PARTS.get(subcode)
    if kind in kinds:
        return f"/components/{kinds.index(kind)}"
    return "/components" if 2388000 <= subcode < 2389000 else ""
