"""Reads Meta's envelope: what a POST holds, and what each part of it says to a hotel."""

from crm.envelope.elements import Element, Parts, elements, lane, letter, posted
from crm.envelope.reading import advance, change, inbound
from crm.envelope.sounds import sounds

__all__ = ["Element", "Parts", "advance", "change", "elements", "inbound", "lane", "letter", "posted", "sounds"]
