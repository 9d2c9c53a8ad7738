"""One walk through the whole product, in a real browser, on a real installation."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Response, expect

from tests.browser.hands import Hands
from tests.browser_launch import chromium, complaints, log_in, required_chromium
from tests.processes.running_site import (
    PASSWORD,
    SCRIPTS,
    RunningSite,
    running_site,
    wait_for,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

SPACE = """RandomParameterSampling( {
        "height": choice(0.9, 0.5, 0.2),
        "keep_probability": uniform(0.05, 0.1)
    }
)"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    path = required_chromium()
    home = tmp_path_factory.mktemp("walk") / "home"
    # Nothing is lost here, however slow the machine is.
    lease = {"SWEEPSITE_LEASE_SECONDS": "60"}
    with (
        running_site(home, settings=lease, fresh=True) as site,
        chromium(path) as browser,
    ):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.site = site  # type: ignore[attr-defined]
        yield page


@pytest.fixture
def site(page: Page) -> RunningSite:
    site: RunningSite = page.site  # type: ignore[attr-defined]
    return site


def test_from_the_login_to_the_star(page: Page, site: RunningSite) -> None:
    found = complaints(page)
    log_in(page, site.url, user="admin", password=PASSWORD)
    expect(page.get_by_text("Nothing has run here yet")).to_be_visible()
    fill_the_form(page)
    page.get_by_role("button", name="Start sweep").click()
    page.wait_for_url("**/sweeps/*/")
    expect(page.get_by_role("heading", name="walk-1")).to_be_visible()
    watch_it_finish(page, site)
    value = max(trial["value"] for trial in site.trials(1))
    look_at_the_best(page, f"{value:.4f}")
    see_how_to_repeat_it(page)
    assert found == []


def fill_the_form(page: Page) -> None:
    page.get_by_role("link", name="New sweep").first.click()
    files = [SCRIPTS / name for name in ("train_curve.py", "witness.py")]
    page.set_input_files("input[name=files]", files)
    expect(page.get_by_text("train_curve.py").first).to_be_visible()
    page.fill(
        "[name=command]",
        "python train_curve.py --pause 0.1 --reports 8"
        " --height ${{search_space.height}}",
    )
    page.fill("[name=primary_metric]", "accuracy")
    page.locator("summary", has_text="How the metric arrives").click()
    page.fill("[name=collector_sample]", "epoch 3: accuracy=0.91")
    expect(page.get_by_text("accuracy = 0.91, step 3")).to_be_visible()
    page.locator("summary", has_text="Paste a space").click()
    page.fill("[name=paste]", SPACE)
    page.locator("[name=do][value=paste]").click()
    expect(page.locator("[name$='-name']").first).to_have_value("height")
    page.fill("[name=max_total_trials]", "6")
    page.fill("[name=max_concurrent_trials]", "2")
    page.fill("[name=experiment_name]", "walk")
    page.fill("[name=display_name]", "a first walk")


def watch_it_finish(page: Page, site: RunningSite) -> None:
    """Without a reload: the page follows the sweep by itself."""
    badge = page.locator("h1 ~ .badge-state, h1 .badge-state").first
    expect(badge).to_contain_text("running", timeout=20_000)
    site.wait_for_end(1)
    expect(badge).to_contain_text("completed", timeout=30_000)
    expect(page.get_by_text(re.compile("all 6 were tried")).first).to_be_visible()


def look_at_the_best(page: Page, value: str) -> None:
    best = page.locator("tr.is-best")
    expect(best).to_contain_text("best")
    expect(best.locator(".glyph-best").first).to_be_visible()
    expect(best).to_contain_text(value)
    best.get_by_role("link").first.click()
    page.wait_for_url("**/trials/*/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Trial")
    expect(page.get_by_text(f"step 8 accuracy {value}")).to_be_visible()


def see_how_to_repeat_it(page: Page) -> None:
    """A card that is loaded when it is opened, and the uploaded code."""
    card = page.locator("#reproduce")
    card.locator("summary").first.click()
    shell = card.get_by_role("tabpanel").first
    expect(shell).to_contain_text("python train_curve.py --pause 0.1")
    expect(card.get_by_text(re.compile(r"^\d+ packages$"))).to_be_visible()
    card.get_by_role("tab", name="Values").click()
    expect(card.get_by_text(re.compile(r"^height: 0\.\d+"))).to_be_visible()
    card.get_by_role("link", name="View the code").click()
    expect(page.locator(".source li").first).to_be_visible()


FOLLOW = """async (count) => {
  const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
  const name = loaded.find((each) => each.includes("js/pages/log."));
  const { wireLog } = await import(name);
  window.wired ??= wireLog(document.querySelector("[data-log]"));
  const line = '<div class="log-line">a line</div>';
  const status = '<div data-log-status data-match="0"></div>';
  const box = `<div class="log" data-log-box data-log-end>${line.repeat(count)}</div>`;
  window.wired.update(status + box);
}"""
TOP = "document.querySelector('[data-log-box]').scrollTop"


def test_words_are_found_in_the_log_and_lines_follow_at_its_end_only(
    page: Page, site: RunningSite
) -> None:
    found = complaints(page)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{site.url}/trials/1/")
    page.fill("[data-log-find]", "step 3")
    expect(page.locator("[data-log-box] mark")).to_have_text("step 3")
    page.fill("[data-log-find]", "accuracy")
    expect(page.locator("[data-log-status]")).to_contain_text("8 of 8 lines found")
    page.press("[data-log-find]", "Enter")
    expect(page.locator("[data-log-status]")).to_contain_text("1 of 8 lines found")
    page.wait_for_url("**/trials/1/?find=accuracy&match=1")
    page.goto(f"{site.url}/trials/1/")
    page.evaluate(FOLLOW, 100)
    assert page.evaluate(TOP) % 18 == 0, "the first line in sight is whole"
    assert page.evaluate(TOP) > 0
    page.evaluate(f"{TOP} = 180")
    page.evaluate(FOLLOW, 200)
    expect(page.locator(".log-line")).to_have_count(100)
    assert page.evaluate(TOP) == 180
    page.locator("[data-log-new]").click()
    expect(page.locator(".log-line")).to_have_count(200)
    assert page.evaluate(TOP) > 180
    assert found == []


def test_wrong_entries_stay_and_are_explained(page: Page, site: RunningSite) -> None:
    page.goto(f"{site.url}/sweeps/new/")
    page.fill("[name=command]", "python train.py")
    page.fill("[name=max_total_trials]", "many")
    page.get_by_role("button", name="Start sweep").click()
    expect(page.locator("[name=max_total_trials]")).to_have_value("many")
    expect(page.locator("[name=command]")).to_have_value("python train.py")
    expect(page.locator(".field-error").first).to_be_visible()


SAVED = re.compile(r"^Draft saved \d+ s ago, also kept if you close the page$")


def test_nothing_that_was_entered_is_lost(page: Page, site: RunningSite) -> None:
    """A reload, Back, two tabs, a killed server, a session that ends before Start."""
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{site.url}/sweeps/new/?experiment=1")
    mark, command = (
        page.locator(".live [data-saved-text]"),
        page.locator("[name=command]"),
    )
    command.fill("python first.py")
    expect(mark).to_have_text(SAVED, timeout=30_000)
    page.reload()
    expect(command).to_have_value("python first.py")
    expect(page.get_by_text("Your entries are back")).to_be_visible()
    # Left at once, before the next save is due.
    command.fill("python back.py")
    page.goto(site.url)
    page.go_back()
    expect(command).to_have_value("python back.py")
    choose_between_two_tabs(page)
    kill_the_server(page, site)
    page.context.clear_cookies(name="sessionid")
    page.fill("[name=max_total_trials]", "1")
    expect(mark).to_contain_text("You are logged out", timeout=30_000)
    page.fill("[name=primary_metric]", "accuracy")
    page.locator("summary", has_text="Paste a space").click()
    page.fill("[name=paste]", SPACE)
    page.locator("[name=do][value=paste]").click()
    log_in_again(page)
    expect(page.locator("[name$='-name']").first).to_have_value("height")
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Start sweep").click()
    log_in_again(page)
    page.wait_for_url("**/sweeps/*/")
    expect(page.get_by_text(re.compile("started with one"))).to_be_visible()
    page.goto(f"{site.url}/sweeps/new/?experiment=1")
    expect(command).to_have_value("python train.py")


def log_in_again(page: Page) -> None:
    expect(page.get_by_text("Log in, and your form is sent.")).to_be_visible()
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")


def choose_between_two_tabs(page: Page) -> None:
    other = page.context.new_page()
    other.goto(page.url)
    # The page says "saved" of what it was opened with, too: only the answer tells.
    with other.expect_response(_is_saved):
        other.fill("[name=command]", "python other.py")
    page.fill("[name=command]", "python mine.py")
    panel = page.locator("[data-conflict]")
    expect(panel).to_contain_text("Command", timeout=30_000)
    expect(panel).to_contain_text("python other.py")
    with page.expect_response(_is_saved):
        panel.get_by_role("button", name="Keep this").click()
    other.fill("[name=command]", "python other.py 2")
    other.get_by_role("link", name="Take that").click()
    expect(other.locator("[name=command]")).to_have_value("python mine.py")
    other.close()


def kill_the_server(page: Page, site: RunningSite) -> None:
    """In mid-edit; it is started again, and the page saves what was typed meanwhile."""
    for pid in site.pids("gunicorn"):
        os.kill(pid, signal.SIGKILL)
    with page.expect_response(_is_saved, timeout=120_000):
        page.fill("[name=command]", "python train_ok.py")
    page.reload()
    expect(page.locator("[name=command]")).to_have_value("python train_ok.py")


def _is_saved(answer: Response) -> bool:
    return answer.request.method == "PATCH" and answer.ok


DROP = """(text) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([text], "fit.py"));
  for (const kind of ["dragover", "drop"]) {
    const init = { dataTransfer, bubbles: true, cancelable: true };
    document.body.dispatchEvent(new DragEvent(kind, init));
  }
}"""
DROPPED = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.01)
parser.add_argument("--batch-size", type=int, default=32)
for epoch in range(3):
    run.log("val_loss", 0.5)
"""


def test_a_dropped_script_s_arguments_are_a_click_away_from_rows(
    page: Page, site: RunningSite
) -> None:
    found = complaints(page)
    page.goto(f"{site.url}/sweeps/new/?experiment=1")
    page.evaluate(DROP, DROPPED)
    expect(page.get_by_text("2 arguments", exact=True)).to_be_visible()
    expect(page.locator("[name=command]")).to_have_value("python fit.py")
    expect(page.get_by_text("No file chosen")).to_have_count(0)
    # Two clicks in a row: the second starts from what the first made.
    page.locator('[value="search:lr"]').click()
    page.locator('[value="search:batch_size"]').click()
    page.locator('[value="metric:val_loss"]').click()
    expect(page.locator("[name=primary_metric]")).to_have_value(
        "val_loss", timeout=20_000
    )
    expect(page.locator("[name=goal][value=minimize]")).to_be_checked()
    names = page.locator("[data-rows] [name$='-name']")
    assert [each.input_value() for each in names.all()] == ["lr", "batch_size"]
    expect(page.locator("[name=command]")).to_have_value(
        "python fit.py --lr ${{search_space.lr}}"
        " --batch-size ${{search_space.batch_size}}"
    )
    expect(page.locator(".space-offer")).to_have_count(0)
    assert page.url == f"{site.url}/sweeps/new/?experiment=1"
    assert found == []


MAX_CLICKS = 12
# At low load it is about two seconds; a busy machine may take longer.
MAX_SECONDS_TO_FIRST_TRIAL = 15


def test_a_script_is_a_running_sweep_after_twelve_clicks(
    page: Page, site: RunningSite
) -> None:
    """Four parameters, a condition and the proposed policy."""
    found = complaints(page)
    site.settle()
    # What an earlier test has entered would be back.
    page.goto(f"{site.url}/sweeps/new/")
    if page.get_by_text("Your entries are back").is_visible():
        page.locator("[form=discard-form][value=discard]").click()
        expect(page.get_by_text("You discarded entries")).to_be_visible()
    page.goto(f"{site.url}/")
    hands = Hands(page)
    hands.click(page.get_by_role("link", name="New sweep").first)
    hands.choose_files(page.locator("[data-choose]"), SCRIPTS / "train_flags.py")
    hands.click_button("Add all")
    hands.click(page.locator('[value="metric:val_loss"]'))
    momentum = page.get_by_role("group", name="Parameter momentum", exact=True)
    hands.click(momentum.locator("summary"))
    hands.click(momentum.get_by_role("button", name="Only when"))
    hands.pick(momentum.locator("[name$='-when']"), "optimizer")
    hands.click(momentum.locator("[name$='-when_values']"))
    hands.type("sgd")
    expect(page.locator("[name=goal][value=minimize]")).to_be_checked()
    began = time.monotonic()
    hands.click_button("Start sweep")
    page.wait_for_url(re.compile(r"/sweeps/\d+/$"))
    number = int(page.url.rstrip("/").rpartition("/")[2])
    wait_for(lambda: has_started(site, number), "the first trial", site.said)
    taken = time.monotonic() - began
    print(f"{hands.clicks} clicks, {hands.fields} fields, first trial {taken:.1f} s")
    assert hands.clicks <= MAX_CLICKS
    assert hands.fields == 1
    assert taken < MAX_SECONDS_TO_FIRST_TRIAL
    document = site.sweep(number)["definition"]
    names = ["optimizer", "lr", "momentum", "batch_size"]
    assert list(document["search_space"]) == names
    assert document["search_space"]["momentum"]["when"] == {"optimizer": ["sgd"]}
    assert document["early_termination"]["type"] != "none"
    site.settle()
    assert found == []


def has_started(site: RunningSite, sweep: int) -> bool:
    return any(trial["state"] != "queued" for trial in site.trials(sweep))


PAGES = ("/", "/experiments/", "/experiments/1/", "/sweeps/1/", "/sweeps/1/trials/")
MORE_PAGES = ("/sweeps/1/settings/", "/sweeps/1/events/", "/trials/1/", "/settings/")
ADMIN_PAGES = ("/pools/", "/pools/default/", "/pools/default/start/", "/health/")
ADMIN_PAGES += ("/cleanup/",)
CARD_PAGES = ("/trials/1/system/", "/trials/1/reproduce/", "/sweeps/1/code/")
LAST_PAGES = ("/compare/?trials=1,2", "/teams/default/", "/sweeps/new/?clone=1")
LAST_PAGES += ("/compare/sweeps/?sweeps=1", "/sweeps/1/report/")


@pytest.mark.parametrize(
    "path", PAGES + MORE_PAGES + CARD_PAGES + ADMIN_PAGES + LAST_PAGES
)
def test_every_page_is_narrow_enough_for_a_phone_and_quiet(
    page: Page, site: RunningSite, path: str
) -> None:
    found = complaints(page)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(site.url + path)
    # Its scripts have run; what they drew has a place after the next frame.
    page.evaluate("() => new Promise(requestAnimationFrame)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert found == []


def test_the_health_pages_tables_show_all_columns_on_a_phone(
    page: Page, site: RunningSite
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site.url}/health/")
    clipped = "[...document.querySelectorAll('.table-scroll')].map(each => "
    clipped += "each.scrollWidth - each.clientWidth)"
    assert set(page.evaluate(clipped)) <= {0}


def test_a_report_link_shows_one_page_without_a_login_and_requests_nothing(
    page: Page, site: RunningSite
) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{site.url}/sweeps/1/report/")
    page.get_by_role("button", name="Create link").click()
    url = page.locator("[data-copy-source]").inner_text()
    browser = page.context.browser
    assert browser is not None
    with browser.new_context() as nobody:
        reader = nobody.new_page()
        found, asked = complaints(reader), list[str]()
        reader.on("request", lambda request: asked.append(request.url))
        reader.goto(url)
        expect(reader.get_by_text("is the best:")).to_be_visible()
        # Its own style is allowed, and nothing else.
        ground = "getComputedStyle(document.querySelector('.facts')).display"
        assert reader.evaluate(ground) == "grid"
        reader.locator("summary").first.click()
        expect(reader.locator("details table").first).to_be_visible()
        assert asked == [url] and found == []


def test_compared_curves_keep_their_axis_in_the_address(
    page: Page, site: RunningSite
) -> None:
    page.goto(f"{site.url}/compare/?trials=1,2")
    across = page.locator("#primary [data-option=x]")
    across.select_option("seconds")
    expect(page).to_have_url(re.compile("primary.x=seconds"))
    page.reload()
    expect(across).to_have_value("seconds")
    page.locator("#primary canvas").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#primary .chart-tip")).to_be_visible()


def test_the_documentation_of_the_api_needs_no_other_server(
    page: Page, site: RunningSite
) -> None:
    found = complaints(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site.url}/api/v1/docs")
    expect(page.get_by_text("/api/v1/uploads").first).to_be_visible()
    assert [url for url in asked if not url.startswith((site.url, "data:"))] == []
    assert found == []
