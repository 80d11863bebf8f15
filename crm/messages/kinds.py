"""What a person may send: every type with its fields and Meta's limits, in characters (Meta: sending)."""

from typing import Annotated, Any, Literal, get_args
from uuid import UUID

import msgspec
from msgspec import Meta

from crm import contacts
from crm.core.errors import FieldError
from crm.core.fields import Moment
from crm.messages import interactive
from crm.messages.interactive import Part

Type = Literal[
    "text", "image", "video", "audio", "voice", "document", "sticker",
    "location", "contacts", "reaction", "interactive", "template",
]  # fmt: skip
Content = Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"\S")]  # Meta: text body 1–4096
Caption = Annotated[str, Meta(min_length=1, max_length=1024)]
ClientId = Annotated[str, Meta(min_length=1, max_length=200)]
Line = Annotated[str, Meta(min_length=1, max_length=1000)]
Word = Annotated[str, Meta(min_length=1, max_length=100)]

_UPLOADED = ("use o id de um arquivo enviado a /api/media", "use the id of a file sent to /api/media")
_MB = 1024 * 1024
_OFFICE = "application/vnd.openxmlformats-officedocument."


class Files(msgspec.Struct, frozen=True):
    """Which files a type takes: their MIME types, and the most bytes (of an animated one)."""

    mime_types: tuple[str, ...]
    most: int
    most_animated: int = 0


_DOCUMENTS = (
    "text/plain", "application/pdf", "application/msword", "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint", f"{_OFFICE}wordprocessingml.document", f"{_OFFICE}spreadsheetml.sheet",
    f"{_OFFICE}presentationml.presentation",
)  # fmt: skip
FILES = {
    "image": Files(("image/jpeg", "image/png"), 5 * _MB),
    "video": Files(("video/mp4", "video/3gpp"), 16 * _MB),
    "audio": Files(("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"), 16 * _MB),
    "voice": Files(("audio/ogg",), 16 * _MB),
    "document": Files(_DOCUMENTS, 100 * _MB),
    "sticker": Files(("image/webp",), 100 * 1024, 500 * 1024),
}
_FIELD = {"text": "content", **dict.fromkeys(FILES, "mediaId")}  # what each type needs; the others their namesake
_ALSO = {"text": {"previewUrl"}, "image": {"caption"}, "video": {"caption"}, "document": {"caption"}}
_EVERY = {"type", "clientMessageId", "to", "channelId"}
_LATER = {"replyTo", "sendAt"}  # not of a reaction: it answers at once, and quotes nothing
_TELLING: tuple[Type, ...] = ("template", "interactive", "location", "contacts", "reaction")  # each tells its type
_OF_SOME = ("content", "mediaId", "caption", "previewUrl", "template", "interactive", "location", "contacts")


class Location(Part, frozen=True):
    """A place on the map, in degrees."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    name: Line | None = None
    address: Line | None = None


class PersonName(Part, frozen=True):
    """A name of an address card."""

    formatted_name: Line
    first_name: Line | None = None
    last_name: Line | None = None
    middle_name: Line | None = None
    suffix: Line | None = None
    prefix: Line | None = None


class Phone(Part, frozen=True):
    """A phone of an address card."""

    phone: Word
    type: Word | None = None
    wa_id: Word | None = None


class EmailAddress(Part, frozen=True):
    """An e-mail of an address card."""

    email: Line
    type: Word | None = None


class WebAddress(Part, frozen=True):
    """A page of an address card."""

    url: Line
    type: Word | None = None


class PostalAddress(Part, frozen=True):
    """An address of an address card."""

    street: Line | None = None
    city: Line | None = None
    state: Line | None = None
    zip: Word | None = None
    country: Line | None = None
    country_code: Word | None = None
    type: Word | None = None


class Company(Part, frozen=True):
    """Where somebody works."""

    company: Line | None = None
    department: Line | None = None
    title: Line | None = None


class Card(Part, frozen=True):
    """An address card in Meta's shape."""

    name: PersonName
    phones: Annotated[list[Phone], Meta(max_length=50)] = msgspec.field(default_factory=list)
    emails: Annotated[list[EmailAddress], Meta(max_length=50)] = msgspec.field(default_factory=list)
    urls: Annotated[list[WebAddress], Meta(max_length=50)] = msgspec.field(default_factory=list)
    addresses: Annotated[list[PostalAddress], Meta(max_length=50)] = msgspec.field(default_factory=list)
    org: Company | None = None
    birthday: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$(?!\n)")] | None = None


class Reaction(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """An emoji on a message of the conversation; an empty one takes ours away."""

    message_id: UUID
    emoji: Annotated[str, Meta(pattern=r"^[^A-Za-zÀ-ɏ\s]*$(?!\n)", max_length=32)]


class Language(Part, frozen=True):
    """Meta's way of writing a template's language."""

    code: Annotated[str, Meta(pattern=r"^[A-Za-z_-]{2,16}$(?!\n)")]
    policy: Literal["deterministic"] | None = None


class CardComponent(Part, frozen=True):
    """What fills a part of a card, in Meta's shape."""

    type: Literal["header", "body", "button"]
    sub_type: Word | None = None
    index: int | str | None = None
    parameters: Annotated[list[dict[str, Any]], Meta(max_length=100)] = msgspec.field(default_factory=list)


class CarouselCard(Part, frozen=True):
    """What fills a card of a carousel."""

    card_index: Annotated[int, Meta(ge=0, le=9)]
    components: Annotated[list[CardComponent], Meta(min_length=1, max_length=4)]


class Component(Part, frozen=True):
    """What fills a part of a template, in Meta's shape; a file by our own id."""

    type: Literal["header", "body", "button", "carousel", "limited_time_offer", "order_status"]
    sub_type: Word | None = None
    index: int | str | None = None
    parameters: Annotated[list[dict[str, Any]], Meta(max_length=100)] = msgspec.field(default_factory=list)
    cards: Annotated[list[CarouselCard], Meta(max_length=10)] = msgspec.field(default_factory=list)


class TemplateUse(Part, frozen=True):
    """Which template, and what fills it."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,512}$(?!\n)")]
    language: Annotated[str, Meta(pattern=r"^[A-Za-z_-]{2,16}$(?!\n)")] | Language
    components: Annotated[list[Component], Meta(max_length=20)] | None = None

    @property
    def code(self) -> str:
        """The language as Graph writes it: webhooks and people write `pt-BR` too."""
        language = self.language if isinstance(self.language, str) else self.language.code
        return language.replace("-", "_")


class Send(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A message to send in a conversation; which fields belong to it depends on its type.

    A type left out is told by the field that stands alone, a template, an interactive message, a location,
    contacts, a reaction, or a file, which goes as what it is; all else is a text.
    """

    type: Type | None = None
    content: Content | None = None
    preview_url: bool = True
    media_id: UUID | None = None
    caption: Caption | None = None
    template: TemplateUse | None = None
    interactive: dict[str, Any] | None = None
    location: Location | None = None
    contacts: Annotated[list[Card], Meta(min_length=1, max_length=257)] | None = None
    reaction: Reaction | None = None
    reply_to: UUID | None = None
    client_message_id: ClientId | None = None
    send_at: Moment | None = None

    @property
    def kind(self) -> Type:
        """Its type, given or told; a file whose type is not given is a document until it was looked at."""
        told: dict[str, Any] = {name: getattr(self, name) for name in _TELLING}
        return self.type or _told({**told, "content": self.content, "mediaId": self.media_id})

    @classmethod
    def misfits(cls, given: dict[str, Any]) -> list[FieldError]:
        """What the type needs and is not there, and what does not go with it (for crm.core.body)."""
        kind = _told(given) if given.get("type") is None else given["type"]
        if kind not in get_args(Type):
            return []
        needed = _FIELD.get(kind, kind)
        allowed = _EVERY | {needed} | _ALSO.get(kind, set()) | (_LATER if kind != "reaction" else set())
        there = {name for name in (*_OF_SOME, "reaction", *_LATER) if given.get(name) is not None}
        errors = [
            FieldError(f"/{name}", f"não cabe em uma mensagem `{kind}`", f"does not go with a `{kind}`")
            for name in sorted(there - allowed)
        ]
        if needed not in there:
            errors.append(FieldError(f"/{needed}", f"falta o campo `{needed}`", f"`{needed}` is missing"))
        elif kind == "interactive":
            errors += interactive.misfits(given["interactive"], "/interactive")
        elif kind == "template":
            errors += _template_misfits(given["template"])
        return errors


def _told(given: dict[str, Any]) -> Type:
    """The type that the fields of a message without one tell: that of the only one, or a text."""
    kinds: dict[str, Type] = {**{name: name for name in _TELLING}, "mediaId": "document", "content": "text"}
    found = [kind for name, kind in kinds.items() if given.get(name) is not None]
    return found[0] if len(found) == 1 else "text"


class SendTo(Send, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A message to send to a phone number."""

    # Letters are refused before anything is normalised: a BSUID's digits would pass for a phone.
    to: Annotated[str, Meta(pattern=r"^\+?[0-9 ().-]{5,40}$")]
    channel_id: UUID | None = None

    @classmethod
    def misfits(cls, given: dict[str, Any]) -> list[FieldError]:
        """As of any message, and a phone that is none."""
        return super().misfits(given) + contacts.phone_misfits(given, "to")


def _template_misfits(given: Any) -> list[FieldError]:
    """A template's file is one of ours; one at most, in a carousel one a card; the whole is bounded."""
    errors = interactive.too_large(given, "/template")
    for place, components in _filled(given):
        files = _files(components, f"{place}/components")
        errors += [FieldError(f"{pointer}/id", *_UPLOADED) for pointer, file in files if not _is_ours(file)]
        if len(files) > 1:
            errors.append(FieldError(f"{place}/components", "um arquivo no máximo", "one file at most"))
    return errors


def _filled(given: Any) -> list[tuple[str, Any]]:
    """The components of a template, and of each card in it, each with their place."""
    components = given.get("components") if isinstance(given, dict) else None
    found = [("/template", components)]
    for place, component in enumerate(components if isinstance(components, list) else []):
        cards = component.get("cards") if isinstance(component, dict) else None
        for number, card in enumerate(cards if isinstance(cards, list) else []):
            inside = card.get("components") if isinstance(card, dict) else None
            found.append((f"/template/components/{place}/cards/{number}", inside))
    return found


def _files(components: Any, pointer: str) -> list[tuple[str, Any]]:
    """The files among the parameters of components, each with its place."""
    found = []
    for place, component in enumerate(components if isinstance(components, list) else []):
        parameters = component.get("parameters") if isinstance(component, dict) else None
        for number, parameter in enumerate(parameters if isinstance(parameters, list) else []):
            kind = parameter.get("type") if isinstance(parameter, dict) else None
            if kind in ("image", "video", "document"):
                found.append((f"{pointer}/{place}/parameters/{number}/{kind}", parameter.get(kind)))
    return found


def _is_ours(file: Any) -> bool:
    """Whether it names a file by an id of ours, and not by a link."""
    try:
        return isinstance(file, dict) and "link" not in file and bool(UUID(file.get("id")))
    except (TypeError, ValueError, AttributeError):
        return False
