"""What the go-live check can say without asking Meta: webhooks that came, and whether the channel rests."""

from crm.channels.findings import Finding
from crm.channels.visit import Visit
from crm.core.meta_errors import meaning


async def signature(visit: Visit) -> Finding:
    """A webhook of this channel has been verified with its secret (or the platform's) since that was written."""
    seen, written = visit.facts.get("webhook"), visit.facts.get("secret")
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


async def sending(visit: Visit) -> Finding:
    """The channel does not rest: what Meta once refused is put right by people, who then resume it."""
    if not visit.row.resting:
        return Finding(True, ("O canal pode enviar.", "The channel may send."))
    code = (visit.row.pause or {}).get("code")
    known = meaning(code) if isinstance(code, int) else None
    why = (known.pt.sentence, known.en.sentence) if known else ("", "")
    return Finding(
        False,
        (f"O canal está em pausa. {why[0]}".strip(), f"The channel rests. {why[1]}".strip()),
        (
            "Quando a causa estiver resolvida, retome-o: POST /api/channels/{id}/resume.",
            "When its cause is put right, resume it: POST /api/channels/{id}/resume.",
        ),
    )
