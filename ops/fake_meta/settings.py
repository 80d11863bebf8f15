"""What can be set about the fake Meta, and the defaults that every number inherits."""

import os
from typing import Literal

import msgspec

Window = Literal["off", "known", "strict"]
"""Who is judged by the 24 h rule: nobody; customers who ever wrote; also those who never did."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Delays are short on purpose: Meta retries for 7 days, a test has seconds (Meta: §1.4)."""

    app_secret: str = "fake-app-secret"
    verify_token: str = "fake-verify-token"
    window: Window = "known"
    status_delays_ms: tuple[int, ...] = (50, 150, 400)
    retry_delays: tuple[float, ...] = (0.2, 0.5, 1, 2, 5, 10, 30)
    webhook_timeout: float = 10.0
    media_url_seconds: int = 300


def from_environment() -> Settings:
    """The two secrets that the CRM and its Meta app share, when they are set (Meta: §1.2, §1.3)."""
    usual = Settings()
    return Settings(
        app_secret=os.environ.get("WHATSAPP_APP_SECRET") or usual.app_secret,
        verify_token=os.environ.get("WHATSAPP_WEBHOOK_VERIFY_TOKEN") or usual.verify_token,
    )
