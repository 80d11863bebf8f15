"""What a step of the go-live check found, in both languages; Meta's refusals by our own words for their codes."""

import msgspec

from crm.core.meta import MetaError
from crm.core.meta_errors import meaning

Texts = tuple[str, str]  # in pt-BR and in English


class Finding(msgspec.Struct, frozen=True):
    """What a step found, and what to do where it is not well."""

    ok: bool
    detail: Texts
    fix: Texts | None = None


def refused(error: MetaError) -> Finding:
    """What Meta said no to, in our words where its code is known."""
    known = meaning(error.code, error.subcode)
    if known is None:
        return unanswered(error.title) if error.code is None else _unknown(error)
    said = f" (Meta: {error.code} {error.title})"
    return Finding(
        False, (known.pt.sentence + said, known.en.sentence + said), (known.pt.what_to_do, known.en.what_to_do)
    )


def _unknown(error: MetaError) -> Finding:
    said = f"{error.code} {error.title} {error.detail}".strip()
    fix = ("Mostre este texto ao suporte.", "Show this text to support.")
    return Finding(False, (f"A Meta recusou: {said}", f"Meta refused: {said}"), fix)


def unanswered(why: str = "") -> Finding:
    """Meta has said nothing that can be read."""
    fix = ("Verifique de novo em alguns minutos.", "Check again in a few minutes.")
    says = f" ({why})" if why else ""
    return Finding(False, (f"A Meta não respondeu{says}.", f"Meta did not answer{says}."), fix)
