"""Four templates of a hotel's day, in pt-BR, that Meta may be asked for with one call."""

from typing import Any

from crm.templates.shapes import Draft


def _body(text: str, *examples: str) -> dict[str, Any]:
    return {"type": "BODY", "text": text, "example": {"body_text": [list(examples)]}}


def _header(text: str) -> dict[str, Any]:
    return {"type": "HEADER", "format": "TEXT", "text": text}


def _replies(*texts: str) -> dict[str, Any]:
    return {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": text} for text in texts]}


_FOOTER = {"type": "FOOTER", "text": "Responda esta mensagem para falar com a recepção"}

DRAFTS = (
    Draft(
        "confirmacao_de_reserva",
        "Confirmação de reserva",
        "UTILITY",
        [
            _header("Reserva confirmada"),
            _body(
                "Olá, {{1}}! Sua reserva no {{2}} está confirmada.\n\n"
                "Check-in: {{3}}\nCheck-out: {{4}}\nCódigo da reserva: {{5}}\n\n"
                "Se algum dado estiver errado, responda por aqui.",
                "Dora", "Hotel Aurora", "12/12/2026", "15/12/2026", "AUR-2041",
            ),
            _FOOTER,
        ],
    ),
    Draft(
        "lembrete_de_check_in",
        "Lembrete de check-in",
        "UTILITY",
        [
            _header("Seu check-in está chegando"),
            _body(
                "Olá, {{1}}! Lembramos que seu check-in no {{2}} é em {{3}}, a partir das {{4}}.\n\n"
                "Traga um documento com foto. A que horas você pretende chegar?",
                "Dora", "Hotel Aurora", "12/12/2026", "14h",
            ),
            _replies("À tarde", "À noite", "Preciso de ajuda"),
        ],
    ),
    Draft(
        "boas_vindas",
        "Boas-vindas",
        "UTILITY",
        [
            _body(
                "Olá, {{1}}! Boas-vindas ao {{2}}. Seu quarto é o {{3}}.\n\n"
                "Café da manhã: {{4}}. Para o que precisar durante a estadia, escreva por aqui.",
                "Dora", "Hotel Aurora", "204", "das 6h30 às 10h",
            ),
            _FOOTER,
        ],
    ),
    Draft(
        "pedido_de_avaliacao",
        "Pedido de avaliação",
        "MARKETING",
        [
            _body(
                "Olá, {{1}}! Obrigado por se hospedar no {{2}}. Como foi a sua estadia?\n\n"
                "Sua avaliação nos ajuda a receber você ainda melhor da próxima vez.",
                "Dora", "Hotel Aurora",
            ),
            {"type": "FOOTER", "text": "Responda SAIR para não receber mais"},
            _replies("Ótima", "Boa", "Pode melhorar"),
        ],
    ),
)  # fmt: skip
