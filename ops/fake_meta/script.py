"""Scripted misbehaviour: rules that a test posts, taken by the Graph calls that they match."""

from typing import Literal

import msgspec

from . import identities
from .errors import GraphError


class Fault(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A refusal; without a code it is a proxy's HTML page, as seen with 5xx (Meta: §6.2)."""

    status: int = 400
    code: int | None = None
    message: str = "Scripted error"
    type: str = "OAuthException"
    subcode: int | None = None
    details: str | None = None
    is_transient: bool | None = None
    headers: dict[str, str] = {}

    def graph_error(self) -> GraphError:
        """The same refusal in Graph's own dialect."""
        error = GraphError(
            self.code or 0,
            f"(#{self.code}) {self.message}",
            status=self.status,
            details=self.details,
            subcode=self.subcode,
            kind=self.type,
        )
        if self.is_transient is not None:
            error.error["is_transient"] = self.is_transient
        return error


class Failure(msgspec.Struct, forbid_unknown_fields=True):
    """An asynchronous failure, told by a `failed` status (Meta: §0.7)."""

    code: int = 131026
    title: str = "Message undeliverable"
    details: str = "Message Undeliverable."


class Action(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What happens instead of, or on top of, the usual answer."""

    error: Fault | None = None
    delay_ms: int = 0
    hang: bool = False
    cut: Literal["before", "after"] | None = None
    status: bool = True
    statuses: list[str] | None = None
    failure: Failure | None = None
    duplicates: int = 0


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Message sends only, unless `type` is "read" or `path` names the end of another door's path."""

    to: str | None = None
    type: str | None = None
    path: str | None = None


class Rule(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """`times: null` holds until the script is deleted."""

    action: Action
    match: Match = Match()
    times: int | None = 1
    phone_number_id: str | None = None


class Call(msgspec.Struct):
    """A Graph call as rules see it."""

    path: str
    to: str | None = None
    type: str | None = None

    def meets(self, rule: Rule) -> bool:
        """Every condition that the rule states holds."""
        wanted = rule.match
        if rule.phone_number_id and rule.phone_number_id not in self.path.split("/"):
            return False
        if wanted.to and identities.match_key(self.to or "") != identities.match_key(wanted.to):
            return False
        if wanted.path:
            return self.path.endswith(wanted.path) and wanted.type in (None, self.type)
        return self.type == wanted.type if wanted.type else self.type not in (None, "read")


class Rules:
    """The script: first match wins and is used up."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def add(self, rules: list[Rule], phone_number_id: str | None) -> None:
        """Append rules, for one number or for all."""
        for rule in rules:
            rule.phone_number_id = rule.phone_number_id or phone_number_id
        self.rules += rules

    def take(self, call: Call) -> Action:
        """The action of the first rule that matches, else one that changes nothing."""
        rule = next((rule for rule in self.rules if call.meets(rule)), None)
        if rule is None:
            return Action()
        if rule.times is not None:
            rule.times -= 1
            if rule.times <= 0:
                self.rules.remove(rule)
        return rule.action

    def clear(self) -> None:
        """Forget the script."""
        self.rules = []
