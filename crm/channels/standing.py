"""What the go-live check can say without asking Meta: webhooks that came, and whether the channel rests."""

from datetime import timedelta

from crm.channels.findings import Finding
from crm.channels.health import EAR_SECONDS
from crm.channels.visit import Visit
from crm.core.meta_errors import meaning

_EAR = timedelta(seconds=EAR_SECONDS)  # so much newer than what is written the last verified webhook may be


async def signature(visit: Visit) -> Finding:
    """A webhook of this channel has been verified with its secret (or the platform's) since that was written,
    and none was refused after it.
    """
    seen, written, wrong = (visit.facts.get(name) for name in ("webhook", "secret", "refused"))
    if wrong and not (seen and seen.at + _EAR > wrong.at) and not (written and written.at > wrong.at):
        return _mismatch(wrong.at.isoformat(timespec="seconds"))
    if seen is not None and (written is None or seen.at > written.at):
        at = seen.at.isoformat(timespec="minutes")
        return Finding(True, (f"Um aviso assinado chegou em {at}.", f"A signed webhook arrived at {at}."))
    return Finding(
        False,
        (
            "Nenhum aviso assinado com o segredo do aplicativo chegou ainda.",
            "No webhook signed with the app's secret has arrived yet.",
        ),
        (
            "Escreva ao número do hotel por um celular e verifique de novo; se nada chegar, copie de novo o segredo"
            " do aplicativo (App Secret) da Meta.",
            "Write to the hotel's number from a phone and check again; if nothing arrives, copy the app secret from"
            " Meta again.",
        ),
    )


def _mismatch(at: str) -> Finding:
    return Finding(
        False,
        (
            f"Um aviso deste número foi recusado em {at}: o segredo do aplicativo não confere.",
            f"A webhook for this number was refused at {at}: the app secret does not match.",
        ),
        (
            "Na Meta, abra o aplicativo que recebe os avisos deste número, em Configurações > Básico, e copie a"
            " Chave Secreta (App Secret) para este canal; depois escreva ao número por um celular e verifique"
            " de novo.",
            "At Meta open the app that gets this number's webhooks, Settings > Basic, and copy its App Secret into"
            " this channel; then write to the number from a phone and check again.",
        ),
    )


async def sending(visit: Visit) -> Finding:
    """The channel does not rest: what Meta once refused is put right by people, who then resume it."""
    if not visit.row.resting:
        return Finding(True, ("O canal pode enviar.", "The channel may send."))
    code = (visit.row.pause or {}).get("code")
    # 100 makes a channel rest only where its token does not reach what it asks for (Meta: subcode 33).
    known = meaning(code, 33 if code == 100 else 0) if isinstance(code, int) else None
    why = (known.pt.sentence, known.en.sentence) if known else ("", "")
    return Finding(
        False,
        (f"O canal está em pausa. {why[0]}".strip(), f"The channel rests. {why[1]}".strip()),
        (
            "Quando a causa estiver resolvida, retome-o: POST /api/channels/{id}/resume.",
            "When its cause is put right, resume it: POST /api/channels/{id}/resume.",
        ),
    )
