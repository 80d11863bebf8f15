"""What a template says once it is filled, and whether the parameters given fit it (Meta: templates, sending).

Pure: it knows templates as Meta writes them and parameters as `POST …/messages` takes them. It stands below
messages, which sends them, and below templates, which keeps them.
"""

import re
from datetime import UTC, datetime
from typing import Any

Node = dict[str, Any]
Fault = tuple[str, str, str]  # a JSON pointer into the components given, a sentence in pt-BR and in English

VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
BODY_LENGTH, HEADER_LENGTH = 1024, 60  # characters (Meta: templates)
CARD_LENGTH, OFFER_BODY_LENGTH, OFFER_CODE_LENGTH, _CODE_LENGTH = 160, 600, 15, 20
MEDIA = {"IMAGE", "VIDEO", "DOCUMENT", "GIF"}
_PARTS = ("header", "body", "carousel", "limited_time_offer")
_BROKEN = re.compile(r"[\n\r\t]| {4}")  # Meta: 132012, 132018
_BUTTONS = {"URL": "url", "QUICK_REPLY": "quick_reply", "COPY_CODE": "copy_code", "FLOW": "flow", "OTP": "url"}


def variables(text: str) -> list[str]:
    """The names (or numbers) of a text's variables, in order, each once."""
    return list(dict.fromkeys(VARIABLE.findall(text)))


def component(components: list[Node], kind: str) -> Node:
    """A template's component of this type, {} when it has none. Meta writes types in either case."""
    return next((part for part in _nodes(components) if _upper(part.get("type")) == kind), {})


def filled(components: list[Node], given: list[Node] | None) -> str:
    """What the customer will read: header, offer, body, footer and cards, parameters in place of the variables."""
    parts = []
    for kind in ("HEADER", "LIMITED_TIME_OFFER", "BODY", "FOOTER"):
        part = component(components, kind)
        text = _offer(part).get("text") if kind == "LIMITED_TIME_OFFER" else part.get("text")
        if isinstance(text, str) and text:
            parts.append(_filled(text, _parameters(component(_nodes(given), kind))))
    cards = _cards(component(_nodes(given), "CAROUSEL"))
    for place, card in enumerate(_cards(component(components, "CAROUSEL"))):
        parts.append(filled(card, cards[place] if place < len(cards) else None))
    return "\n\n".join(part for part in parts if part)


def check_parameters(
    components: list[Node],
    parameter_format: str,
    given: list[Node] | None,
    at: datetime | None = None,
    card: bool = False,
) -> list[Fault]:
    """Everything about the parameters that Meta would refuse (132000, 132005, 132012); [] when they fit.

    `at` is when it is to be sent, None for now: an offer must end after it. A `card` is
    filled by itself, and its text is shorter.

    `components` and `parameter_format` are the template's, `given` is what a send brings. Pointers lead into
    `given` (`/0/parameters/1/text`); what is missing altogether is told of the whole (`""`).
    """
    faults: list[Fault] = []
    parts = _nodes(given)
    if given is not None and len(parts) != len(given):
        return [("", "cada componente deve ser um objeto", "each component must be an object")]
    named = _upper(parameter_format) == "NAMED"
    longest = CARD_LENGTH if card else _body_length(components)
    seen: set[str] = set()
    for place, part in enumerate(parts):
        key, here = _key(part), f"/{place}"
        if key in seen:
            faults.append((here, "componente repetido", "this component is given twice"))
        elif not _takes(components, key):
            faults.append(
                (f"{here}/type", "o modelo não tem este componente", "the template has no such component")
            )
        else:
            faults += _check_one(components, key, here, part, named, longest)
            if key == "carousel":
                faults += _check_cards(_cards(component(components, "CAROUSEL")), parameter_format, here, part)
            elif key == "limited_time_offer":
                faults += _check_offer(f"{here}/parameters", part, at or datetime.now(UTC))
        seen.add(key)
    return faults + [
        ("", f"faltam os parâmetros de {key}", f"the parameters of {key} are missing")
        for key in _needed(components)
        if key not in seen
    ]


def _nodes(value: Any) -> list[Node]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _upper(value: Any) -> str:
    return value.upper() if isinstance(value, str) else ""


def _parameters(part: Node) -> list[Node]:
    return _nodes(part.get("parameters"))


def _filled(text: str, parameters: list[Node]) -> str:
    """Named parameters by their name, others by their place."""
    values = {str(one.get("parameter_name") or place): _said(one) for place, one in enumerate(parameters, 1)}
    return VARIABLE.sub(lambda match: values.get(match[1], match[0]), text)


def _said(parameter: Node) -> str:
    """What a parameter shows; Meta formats currencies and dates itself, and falls back to the value given."""
    kind = parameter.get("type")
    value = parameter.get(kind) if isinstance(kind, str) else None
    return str(value.get("fallback_value", "")) if isinstance(value, dict) else str(value or "")


def _buttons(components: list[Node]) -> list[Node]:
    return _nodes(component(components, "BUTTONS").get("buttons"))


def _key(part: Node) -> str:
    """A component's name: header, body, or button and its place."""
    kind = str(part.get("type", "")).lower()
    return f"button {part.get('index')}" if kind == "button" else kind


def _takes(components: list[Node], key: str) -> bool:
    """Whether the template has the component; headers and bodies without variables take none at all."""
    if key.startswith("button "):
        return key in {f"button {place}" for place in range(len(_buttons(components)))}
    return key in _PARTS and bool(component(components, key.upper()))


def _needed(components: list[Node]) -> list[str]:
    """The components without whose parameters the template cannot be sent."""
    header, body = component(components, "HEADER"), component(components, "BODY")
    needed = ["header"] if _format(header) not in ("", "TEXT") or variables(_text(header)) else []
    needed += ["body"] if variables(_text(body)) else []
    needed += ["carousel"] if component(components, "CAROUSEL") else []
    needed += ["limited_time_offer"] if _ends(components) else []
    return needed + [f"button {place}" for place, one in enumerate(_buttons(components)) if _must(one)]


def _must(button: Node) -> bool:
    kind = _upper(button.get("type"))
    return kind in ("COPY_CODE", "OTP") or (kind == "URL" and bool(variables(str(button.get("url", "")))))


def _cards(part: Node) -> list[list[Node]]:
    """The components of each card of a carousel."""
    return [_nodes(card.get("components")) for card in _nodes(part.get("cards"))]


def _offer(part: Node) -> Node:
    offer = part.get("limited_time_offer")
    return offer if isinstance(offer, dict) else {}


def _ends(components: list[Node]) -> bool:
    """Whether it is an offer that counts down."""
    return _offer(component(components, "LIMITED_TIME_OFFER")).get("has_expiration") is True


def _format(header: Node) -> str:
    return _upper(header.get("format")) or ("TEXT" if header.get("text") else "")


def _text(part: Node) -> str:
    return str(part.get("text") or "")


def _check_one(components: list[Node], key: str, here: str, part: Node, named: bool, longest: int) -> list[Fault]:
    if key.startswith("button "):
        offers = bool(component(components, "LIMITED_TIME_OFFER"))
        code = OFFER_CODE_LENGTH if offers else _CODE_LENGTH
        return _check_button(_buttons(components)[int(key.removeprefix("button "))], here, part, code)
    if key not in ("header", "body"):
        return []
    whole = component(components, key.upper())
    if key == "header" and _format(whole) != "TEXT":
        return _check_media(_format(whole), f"{here}/parameters", part)
    limit = HEADER_LENGTH if key == "header" else longest
    return _check_texts(_text(whole), f"{here}/parameters", part, named, limit)


def _body_length(components: list[Node]) -> int:
    """How long a filled body may be: in an offer it is shorter."""
    return OFFER_BODY_LENGTH if component(components, "LIMITED_TIME_OFFER") else BODY_LENGTH


def _check_cards(cards: list[list[Node]], parameter_format: str, here: str, part: Node) -> list[Fault]:
    """Every card of the template once, in order, each filled as a template of its own."""
    given = part.get("cards")
    if not isinstance(given, list) or len(given) != len(cards):
        return [_count(f"{here}/cards", len(cards), len(given) if isinstance(given, list) else 0)]
    faults: list[Fault] = []
    for place, (card, one) in enumerate(zip(cards, given, strict=True)):
        there = f"{here}/cards/{place}"
        if one.get("card_index") != place or isinstance(one.get("card_index"), bool):
            faults.append((f"{there}/card_index", f"deve ser {place}", f"must be {place}"))
        inside = check_parameters(card, parameter_format, one.get("components"), card=True)
        faults += [(f"{there}/components{at}", pt, en) for at, pt, en in inside]
    return faults


def _check_offer(here: str, part: Node, at: datetime) -> list[Fault]:
    """One parameter: when the offer ends, in milliseconds; after the send."""
    parameters = _parameters(part)
    if len(parameters) != 1:
        return [_count(here, 1, len(parameters))]
    ends = _offer(parameters[0]).get("expiration_time_ms")
    there = f"{here}/0/limited_time_offer/expiration_time_ms"
    if parameters[0].get("type") != "limited_time_offer":
        return [(f"{here}/0/type", "deve ser limited_time_offer", "must be limited_time_offer")]
    if not isinstance(ends, int) or isinstance(ends, bool):
        return [(there, "um número de milissegundos desde 1970", "a number of milliseconds since 1970")]
    if ends <= at.timestamp() * 1000:
        told = "deve vir depois do envio, em milissegundos", "must come after the send, in milliseconds"
        return [(there, *told)]
    return []


def _check_texts(text: str, here: str, part: Node, named: bool, limit: int) -> list[Fault]:
    """Positional: as many as there are variables; named: exactly those; and the result is not too long (132005)."""
    parameters, wanted = _parameters(part), variables(text)
    if len(parameters) != len(wanted):
        return [_count(here, len(wanted), len(parameters))]
    faults = [fault for place, one in enumerate(parameters) for fault in _check_text(f"{here}/{place}", one)]
    if named:
        names = [one.get("parameter_name") for one in parameters]
        faults += [
            (f"{here}/{place}/parameter_name", f"esperava um de: {_list(wanted)}", f"one of: {_list(wanted)}")
            for place, name in enumerate(names)
            if name not in wanted or name in names[:place]
        ]
    if not faults and len(_filled(text, parameters)) > limit:
        faults.append((here, f"preenchido, passa de {limit} caracteres", f"filled, it passes {limit} characters"))
    return faults


def _count(here: str, wanted: int, given: int) -> Fault:
    return here, f"o modelo pede {wanted}, vieram {given}", f"the template takes {wanted}, {given} given"


def _list(names: list[str]) -> str:
    return ", ".join(names)


def _check_text(here: str, parameter: Node) -> list[Fault]:
    """A text that Meta takes for a variable: not empty, no line breaks, tabs or four spaces."""
    kind = parameter.get("type")
    if kind in ("currency", "date_time"):
        return [] if _said(parameter) else [(f"{here}/{kind}", "falta fallback_value", "fallback_value is missing")]
    text = parameter.get("text")
    if kind != "text":
        return [(f"{here}/type", "deve ser text", "must be text")]
    if not isinstance(text, str) or not text.strip():
        return [(f"{here}/text", "deve ser um texto não vazio", "must be a text, and not empty")]
    if _BROKEN.search(text):
        sentence = "sem quebras de linha, tabulações ou quatro espaços"
        return [(f"{here}/text", sentence, "no line breaks, tabs or four spaces in a row")]
    return []


def _check_media(kind: str, here: str, part: Node) -> list[Fault]:
    """The header's file, by Meta's id or a link, or its place on the map."""
    parameters = _parameters(part)
    if len(parameters) != 1:
        return [_count(here, 1, len(parameters))]
    word = "video" if kind == "GIF" else kind.lower()
    accepted = {word, "gif"} if kind == "GIF" else {word}
    given = str(parameters[0].get("type"))
    if given not in accepted:
        return [(f"{here}/0/type", f"deve ser {word}", f"must be {word}")]
    node = parameters[0].get(given)
    if kind == "LOCATION":
        ok = isinstance(node, dict) and all(name in node for name in ("latitude", "longitude"))
        return (
            []
            if ok
            else [(f"{here}/0/{word}", "faltam latitude e longitude", "latitude and longitude are missing")]
        )
    ok = isinstance(node, dict) and bool(node.get("id") or node.get("link"))
    return [] if ok else [(f"{here}/0/{given}", "falta id ou link", "an id or a link is missing")]


def _check_button(button: Node, here: str, part: Node, code_length: int) -> list[Fault]:
    word = _BUTTONS.get(_upper(button.get("type")))
    if word is None:
        return [(here, "este botão não leva parâmetros", "this button takes no parameters")]
    if part.get("sub_type") not in (word, word.upper()):
        return [(f"{here}/sub_type", f"deve ser {word}", f"must be {word}")]
    parameters = _parameters(part)
    if not _must(button):
        fixed = word == "url" and parameters
        return [_count(f"{here}/parameters", 0, len(parameters))] if fixed else []
    if len(parameters) != 1:
        return [_count(f"{here}/parameters", 1, len(parameters))]
    if word == "url":
        return _check_text(f"{here}/parameters/0", parameters[0])
    code = parameters[0].get("coupon_code")
    ok = isinstance(code, str) and 0 < len(code) <= code_length
    told = f"de 1 a {code_length} caracteres", f"1 to {code_length} characters"
    return [] if ok else [(f"{here}/parameters/0/coupon_code", *told)]
