"""Meta's error codes as one table: what may be done about each, and how people are told (facts, section 6.2)."""

from collections.abc import Iterable
from typing import Literal

import msgspec

Retry = Literal["permanent", "transient", "throttled", "uncertain"]
Scope = Literal["message", "channel", "account"]


class Rule(msgspec.Struct, frozen=True):
    """What a refusal means: for this message alone, for its channel, or for every channel of its account (WABA).

    `wait` is the least pause in seconds. `people`: nothing helps before somebody has done what `action` says, and
    the messages wait for that without losing a try.
    """

    retry: Retry = "permanent"
    scope: Scope = "message"
    wait: int = 0
    people: bool = False
    action: str | None = None


class Words(msgspec.Struct, frozen=True, rename="camel"):
    """One language's words: what happened, for the attendant, and what to do about it."""

    sentence: str
    what_to_do: str


class Meaning(msgspec.Struct, frozen=True):
    """A code's rule and its words."""

    rule: Rule
    pt: Words
    en: Words


PERMANENT = Rule()
TRANSIENT = Rule("transient")
THROTTLED = Rule("throttled", "channel", 5, action="slow_down")
UNCERTAIN = Rule("uncertain")
TOKEN = Rule("throttled", "channel", people=True, action="update_token")
PAIR = 131056  # Meta: pair rate limit, one message in 6 seconds to one person, retry after 4^tries
OPTED_OUT = 131050
PERMISSIONS = range(200, 300)  # Meta: missing permissions, told by any code of these

# What to do, by the word of `action`: in Portuguese and in English.
_TO_DO = {
    "update_token": (
        "Gere um novo token de acesso na Meta e grave-o no canal; as mensagens em espera seguem sozinhas.",
        "Make a new access token at Meta and save it in the channel; what waits is then sent by itself.",
    ),
    "check_account": (
        "Um administrador deve abrir a conta na Meta, ver o motivo e pedir a revisão; depois, retome o canal.",
        "An admin must open the account at Meta, read the reason and ask for a review; then resume the channel.",
    ),
    "check_payment": (
        "Um administrador deve acertar a forma de pagamento na Meta; depois, retome o canal.",
        "An admin must put the payment method right at Meta; then resume the channel.",
    ),
    "check_quality": (
        "Escreva menos a quem não espera mensagens e veja a qualidade na Meta; depois, retome o canal.",
        "Write less to people who expect no message and look at the quality at Meta; then resume the channel.",
    ),
    "check_name": (
        "Um administrador deve corrigir o nome de exibição na Meta; quando for aprovado, retome o canal.",
        "An admin must correct the display name at Meta; once it is approved, resume the channel.",
    ),
    "register_number": (
        "Um administrador deve registrar o número na Meta (com o PIN); depois, retome o canal.",
        "An admin must register the number at Meta (with its PIN); then resume the channel.",
    ),
    "slow_down": ("Nada: o sistema espera e envia sozinho.", "Nothing: the system waits and sends by itself."),
    "check_number": (
        "Confira o número com o cliente, ou fale com ele por outro meio.",
        "Check the number with the customer, or reach them another way.",
    ),
    "send_template": (
        "Envie um modelo aprovado, ou espere o cliente escrever.",
        "Send an approved template, or wait until the customer writes.",
    ),
    "wait_24_hours": (
        "Espere pelo menos 24 horas antes de outra mensagem de marketing.",
        "Wait at least 24 hours before another marketing message.",
    ),
    "opted_out": (
        "Não envie marketing a esta pessoa; responder quando ela escreve continua possível.",
        "Send this person no marketing; answering when they write stays possible.",
    ),
    "change_message": ("Corrija a mensagem e envie de novo.", "Correct the message and send it again."),
    "change_template": (
        "Um administrador deve corrigir o modelo, ou escolha outro.",
        "An admin must correct the template, or choose another one.",
    ),
    "none": ("Nada: o sistema tenta de novo sozinho.", "Nothing: the system tries again by itself."),
}

TABLE: dict[int, Meaning] = {}


def _say(codes: int | Iterable[int], rule: Rule, pt: str, en: str, to_do: str | None = None) -> None:
    """A line of the table; `to_do` names what to do where the rule's action does not."""
    do_pt, do_en = _TO_DO[to_do or rule.action or "none"]
    meaning = Meaning(rule, Words(pt, do_pt), Words(en, do_en))
    TABLE.update(dict.fromkeys([codes] if isinstance(codes, int) else codes, meaning))


def _stop(action: str) -> Rule:
    """The channel waits for people."""
    return Rule("throttled", "channel", people=True, action=action)


# fmt: off
# Transient.
_say((2, 131000, 131016, 133004, 2494100), TRANSIENT,
     "O WhatsApp está com uma falha passageira.", "WhatsApp has a passing fault.")
_say(131057, Rule("transient", wait=60),
     "O número está em manutenção no WhatsApp.", "The number is under maintenance at WhatsApp.")
# Throttled.
_say(PAIR, Rule("throttled", "message", 6, action="slow_down"),
     "Muitas mensagens seguidas para esta pessoa.", "Too many messages in a row to this person.")
_say(130429, THROTTLED, "O número enviou mensagens depressa demais.", "The number sent messages too fast.")
_say(133016, Rule("throttled", "channel", 3600, action="slow_down"),
     "O número foi registrado vezes demais em 72 horas.", "The number was registered too often in 72 hours.")
_say((4, 80007), Rule("throttled", "account", 60, action="slow_down"),
     "A conta chamou o WhatsApp vezes demais.", "The account has called WhatsApp too often.")
_say(131048, _stop("check_quality"),
     "O WhatsApp limitou este número por excesso de mensagens denunciadas ou bloqueadas.",
     "WhatsApp limits this number because many of its messages were reported or blocked.")
_say(131064, _stop("check_quality"),
     "O WhatsApp limitou este número pela classificação dos seus modelos.",
     "WhatsApp limits this number because of how its templates are classified.")
# Credentials.
_say((0, 190), TOKEN, "O token de acesso do canal não vale mais.", "The channel's access token is no longer valid.")
_say((3, 10, 131005, *PERMISSIONS), TOKEN,
     "O token de acesso não tem permissão para isto.", "The access token has no permission for this.")
_say(33, TOKEN, "O token não alcança este número ou esta conta, ou eles não existem.",
     "The token does not reach this number or account, or they do not exist.")
# The account's state.
_say(368, _stop("check_account"),
     "A conta foi bloqueada por violar as políticas do WhatsApp.",
     "The account is blocked for violating WhatsApp's policies.")
_say(131031, _stop("check_account"), "A conta do WhatsApp está bloqueada.", "The WhatsApp account is locked.")
_say(134011, _stop("check_account"),
     "Falta aceitar os termos do WhatsApp para esta conta.", "WhatsApp's terms are not accepted for this account.")
_say(131042, _stop("check_payment"),
     "Há um problema com o pagamento da conta na Meta.", "There is a problem with the account's payment at Meta.")
_say((131045, 133006, 133010), _stop("register_number"),
     "O número não está registrado no WhatsApp.", "The number is not registered at WhatsApp.")
_say(131037, _stop("check_name"),
     "O nome de exibição do número não foi aprovado.", "The number's display name is not approved.")
# Meta files it under the account, yet it is about the recipient's country: one guest must not stop a hotel.
_say(130497, Rule(action="check_number"),
     "A conta não pode enviar mensagens ao país desta pessoa.",
     "The account may not message this person's country.")
# The window, and the recipient.
_say(131047, Rule(action="send_template"),
     "Passaram mais de 24 horas desde que o cliente escreveu.", "More than 24 hours since the customer wrote.")
_say(131026, Rule(action="check_number"),
     "Não foi possível entregar: o número não está no WhatsApp, usa uma versão antiga ou não aceita mensagens.",
     "It cannot be delivered: the number is not on WhatsApp, has an old version, or takes no messages.")
_say(131021, Rule(action="check_number"),
     "O destinatário é o próprio número do hotel.", "The recipient is the hotel's own number.")
_say(131030, Rule(action="check_number"),
     "O número de teste só escreve a quem está na sua lista.", "A test number only writes to those on its list.")
_say(131062, Rule(action="check_number"),
     "Este modelo precisa do telefone da pessoa, que o WhatsApp não informou.",
     "This template needs the person's phone number, which WhatsApp has not told.")
_say(131049, Rule(action="wait_24_hours"),
     "O WhatsApp não entregou: esta pessoa já recebeu marketing demais.",
     "WhatsApp did not deliver it: this person gets enough marketing already.")
_say(OPTED_OUT, Rule(action="opted_out"),
     "Esta pessoa não quer receber marketing do hotel.", "This person wants no marketing from the hotel.")
_say((130472, 131063), PERMANENT,
     "O WhatsApp não entrega marketing a esta pessoa.", "WhatsApp delivers no marketing to this person.",
     "wait_24_hours")
# The request is wrong.
_say(1, PERMANENT, "O WhatsApp não entendeu o pedido, ou está com uma falha.",
     "WhatsApp did not understand the request, or has a fault.", "change_message")
_say((100, 131008, 131009, 135000), PERMANENT,
     "O WhatsApp recusou um valor da mensagem.", "WhatsApp refused a value of the message.", "change_message")
_say(131051, PERMANENT, "O WhatsApp não aceita este tipo de mensagem.",
     "WhatsApp does not take this type of message.", "change_message")
_say((131052, 131053), PERMANENT, "O WhatsApp não conseguiu ler o arquivo.",
     "WhatsApp could not read the file.", "change_message")
_say(137000, PERMANENT, "A identidade da pessoa no WhatsApp mudou.",
     "The person's identity at WhatsApp has changed.", "check_number")
# Templates: sending one.
_say(132000, PERMANENT, "O número de variáveis não é o do modelo.",
     "The number of variables is not the template's.", "change_message")
_say(132001, PERMANENT, "O modelo não existe neste idioma, ou não foi aprovado.",
     "The template does not exist in this language, or is not approved.", "change_template")
_say(132005, PERMANENT, "O texto do modelo ficou longo demais com as variáveis.",
     "With its variables the template's text is too long.", "change_message")
_say(132007, PERMANENT, "O conteúdo do modelo viola as políticas do WhatsApp.",
     "The template's content violates WhatsApp's policies.", "change_template")
_say((132008, 132012, 132018), PERMANENT, "Uma variável do modelo não tem o formato certo.",
     "A variable of the template has the wrong format.", "change_message")
_say(132015, PERMANENT, "O modelo está pausado por baixa qualidade.",
     "The template is paused for low quality.", "change_template")
_say(132016, PERMANENT, "O modelo foi desativado por baixa qualidade.",
     "The template is disabled for low quality.", "change_template")
_say((132068, 132069), PERMANENT, "O formulário (Flow) do modelo não pode ser enviado agora.",
     "The template's flow cannot be sent now.", "change_template")
_say(131059, PERMANENT, "O WhatsApp não reconhece a página pedida da lista de modelos.",
     "WhatsApp does not know the page asked for of the template list.", "none")
# Templates: creating or editing one; Meta answers 100 with these as error_subcode.
_say(2388040, PERMANENT, "Um campo do modelo é longo demais.", "A field of the template is too long.",
     "change_template")
_say(2388047, PERMANENT, "O cabeçalho do modelo está errado.", "The template's header is wrong.", "change_template")
_say(2388072, PERMANENT, "O corpo do modelo está errado.", "The template's body is wrong.", "change_template")
_say(2388073, PERMANENT, "O rodapé do modelo está errado.", "The template's footer is wrong.", "change_template")
_say(2388293, PERMANENT, "O modelo tem variáveis demais para o seu texto.",
     "The template has too many variables for its text.", "change_template")
_say(2388299, PERMANENT, "O texto do modelo não pode começar nem terminar com uma variável.",
     "The template's text may neither begin nor end with a variable.", "change_template")
_say(2388019, PERMANENT, "A conta chegou ao limite de modelos.", "The account has reached its limit of templates.",
     "change_template")
_say(2388023, PERMANENT, "O modelo neste idioma está sendo apagado: o nome só volta a valer depois de 30 dias.",
     "The template in this language is being deleted: its name is free again after 30 days.", "change_template")
# fmt: on
