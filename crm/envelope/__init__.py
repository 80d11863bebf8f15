"""Reads Meta's envelope: what a POST holds, and what each part of it says to a hotel."""

from crm.envelope.elements import Element, elements, lane, letter, posted
from crm.envelope.reading import advance, change, inbound

__all__ = ["Element", "advance", "change", "elements", "inbound", "lane", "letter", "posted"]
