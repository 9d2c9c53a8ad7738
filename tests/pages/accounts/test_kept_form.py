"""A form that is sent after the session ended, and a login by the provider between."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from playwright.sync_api import expect

from tests import factories
from tests.browser_launch import chromium, log_in, required_chromium
from tests.pages.accounts.test_single_sign_on import Provider, process, provider

__all__ = ["process", "provider"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(120),
]


def test_a_form_survives_the_login_by_the_provider(
    live_server: Any, provider: Provider
) -> None:
    factories.team("Physics", ada="member")
    ada = factories.user("ada")
    SocialAccount.objects.create(user=ada, provider="sso", uid="u20")
    provider.knows("u20", preferred_username="ada")
    url = live_server.url
    with chromium(required_chromium()) as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        log_in(page, url, user="ada", password="correct horse battery")
        page.goto(f"{url}/sweeps/new/")
        page.fill("[name=command]", "python kept.py")
        page.context.clear_cookies(name="sessionid")
        page.get_by_role("button", name="Start sweep").click()
        expect(page.get_by_text("Log in, and your form is sent.")).to_be_visible()
        page.get_by_role("link", name="Log in with Lab login").click()
        page.fill("[name=sub]", "u20")
        page.get_by_role("button", name="Authorize").first.click()
        page.wait_for_url("**/sweeps/new/**")
        expect(page.locator("[name=command]")).to_have_value("python kept.py")
        expect(page.locator(".field-error").first).to_be_visible()
