"""The settings of a bot that somebody starts by hand between stand-ins that run as processes of their own."""

import base64

from bot.sandbox.demo.people import AMINA, MUSA, REMI, REQUESTS, REVIEWS

_KEY = base64.urlsafe_b64encode(b"kyc-bot sandbox, nobody's secret").decode()
"""The same each time, so that a database of yesterday opens."""


def settings_between(
    *,
    slack_port: int,
    smile_id_port: int,
    bot_token: str,
    app_token: str,
    partner_id: str,
    api_key: str,
    port: int,
    database: str,
) -> dict[str, str]:
    """By name; no value holds a blank or anything that a shell would read."""
    return {
        "SLACK_BOT_TOKEN": bot_token,
        "SLACK_APP_TOKEN": app_token,
        "SLACK_API_URL": f"http://127.0.0.1:{slack_port}/api/",
        "SMILE_ID_PARTNER_ID": partner_id,
        "SMILE_ID_API_KEY": api_key,
        "SMILE_ID_API_URL": f"http://127.0.0.1:{smile_id_port}/v1",
        "KYC_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "KYC_PORT": str(port),
        "KYC_DATABASE": database,
        "KYC_ENCRYPTION_KEYS": _KEY,
        "KYC_REQUESTERS": AMINA,
        "KYC_REVIEWERS": REMI,
        "KYC_ADMINS": MUSA,
        "KYC_REVIEW_CHANNEL": REVIEWS,
        "KYC_CHANNELS": REQUESTS,
    }
