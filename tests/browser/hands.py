"""A person at the page: every press of the pointer and every typed field is counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page


@dataclass
class Hands:
    """`clicks` and `fields` so far."""

    page: Page
    clicks: int = 0
    fields: int = 0

    def click(self, target: Locator) -> None:
        self.clicks += 1
        target.click()

    def click_button(self, name: str) -> None:
        self.click(self.page.get_by_role("button", name=name, exact=True))

    def choose_files(self, button: Locator, *paths: Path) -> None:
        """A click on the button, and one on Open in the system's window."""
        with self.page.expect_file_chooser() as chooser:
            self.click(button)
        self.clicks += 1
        chooser.value.set_files(paths)

    def pick(self, select: Locator, value: str) -> None:
        """A click opens the list, another one picks."""
        self.clicks += 2
        select.select_option(value)

    def type(self, text: str) -> None:
        """Into the field that has the focus."""
        self.fields += 1
        self.page.keyboard.type(text)
