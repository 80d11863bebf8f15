"""What was heard of each channel, and when."""

from datetime import UTC, datetime
from uuid import UUID

from crm.envelope.elements import Parts
from crm.messages import Advance, Inbound


def sounds(parts: Parts, inbound: list[Inbound], reports: list[Advance]) -> dict[tuple[UUID, str], datetime]:
    """Of each channel its newest word of a customer and status by Meta's time, this POST by ours."""
    now = datetime.now(UTC)
    sounds = {(channel, "webhook"): now for _, channel in parts}
    reporting = [channel for element, channel in parts if element.kind == "status"]
    heard = [(item.channel_id, "inbound", item.at) for item in inbound if item.opens]
    heard += [(channel, "status", report.at) for channel, report in zip(reporting, reports, strict=True)]
    for channel, name, at in heard:
        sounds[channel, name] = max(at, sounds.get((channel, name), at))
    return sounds
