"""A passkey and an authenticator app in a real browser: added, then asked for."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from playwright.sync_api import Page, expect

from tests import factories
from tests.browser_launch import chromium, complaints, log_in, required_chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(120),
]
PASSWORD = "correct horse battery"
KEY = {
    **{"protocol": "ctap2", "transport": "internal", "hasResidentKey": True},
    **{"hasUserVerification": True, "isUserVerified": True},
    "automaticPresenceSimulation": True,
}


def plug_in_key(page: Page) -> Any:
    """A key that the browser has, as a phone or a laptop has one."""
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    added = devices.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})
    return devices, {"authenticatorId": added["authenticatorId"]}


def test_a_passkey_is_added_and_then_opens_the_second_step(live_server: Any) -> None:
    factories.team(ada="member")
    # Browsers have no passkeys for addresses that are numbers.
    url = live_server.url.replace("127.0.0.1", "localhost")
    with chromium(required_chromium()) as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        found = complaints(page)
        devices, key = plug_in_key(page)
        log_in(page, url, user="ada", password=PASSWORD)
        page.goto(f"{url}/settings/")
        page.get_by_role("link", name="Add a passkey").click()
        page.get_by_label("Name").fill("blue key")
        page.get_by_role("button", name="Add the passkey").click()
        expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
        page.get_by_role("link", name="I have kept them").click()
        expect(page.get_by_text("Passkey “blue key”")).to_be_visible()
        page.goto(f"{url}/")
        page.get_by_role("button", name="Account of ada").click()
        page.get_by_role("button", name="Log out").click()
        page.fill("[name=username]", "ada")
        page.fill("[name=password]", PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Second step")).to_be_visible()
        page.get_by_role("button", name="Use a passkey").click()
        page.wait_for_url(f"{url}/")
        assert Authenticator.objects.get(type="webauthn").last_used_at is not None
        # Another site's key is none here.
        devices.send("WebAuthn.removeVirtualAuthenticator", key)
        plug_in_key(page)
        page.goto(f"{url}/settings/two-factor/")
        page.get_by_role("link", name="Remove blue key").click()
        page.get_by_role("button", name="Remove the passkey").click()
        expect(page.get_by_text("Passkey “blue key”")).to_have_count(0)
        assert found == []
