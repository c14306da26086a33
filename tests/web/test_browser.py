"""The portal in a real browser: by mouse, by keyboard, on a phone, in the dark, without script."""

import re
from collections.abc import Callable, Iterator

import pytest
from tests.web.shown import HOSTILE, Shown

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import Browser, BrowserContext, Page, expect

from opensma.book.views import account_view
from opensma.report.explain import why_traded
from opensma.report.words import day_words


@pytest.fixture
def quiet(page: Page) -> Iterator[Page]:
    """The page; whatever it writes to the console fails the test (the policy reports there)."""
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    yield page
    assert not said


@pytest.fixture
def context_of(browser: Browser) -> Iterator[object]:
    """Makes contexts with other settings; all are closed in the end."""
    made: list[BrowserContext] = []

    def make(**settings: object) -> Page:
        made.append(browser.new_context(locale="en-US", **settings))  # type: ignore[arg-type]
        return made[-1].new_page()

    yield make
    for context in made:
        context.close()


def every_page(portal: Shown) -> list[str]:
    account = portal.busiest
    trade = account_view(portal.book, portal.market, account).decision.trades[0].trade_id
    paths = ["/", "/exceptions", f"/accounts/{account}", f"/accounts/{account}/taxes"]
    paths += [f"/accounts/{account}/what-if?raise=1000", f"/accounts/{account}/performance"]
    return [*paths, f"/trades/{trade}", "/nope"]


def test_from_the_program_over_search_to_an_account_its_lots_and_a_trade(
    portal: Shown, quiet: Page
) -> None:
    row = next(r for r in portal.view.rows if r.account.account_id == portal.busiest)
    quiet.goto(portal.address)
    before = quiet.evaluate("performance.timeOrigin")
    quiet.get_by_label("Search").type(row.account.account_id)
    expect(quiet.locator("#accounts tbody tr")).to_have_count(1)
    expect(quiet.get_by_role("status")).to_contain_text("1 to 1 of 1 that match")
    expect(quiet.get_by_label("Search")).to_be_focused()
    assert quiet.evaluate("performance.timeOrigin") == before  # nothing was loaded anew
    assert f"q={row.account.account_id}" in quiet.url

    quiet.get_by_role("link", name=row.account.account_id).click()
    expect(quiet.get_by_role("heading", level=1)).to_contain_text(row.owner)
    view = account_view(portal.book, portal.market, row.account.account_id)
    position = view.holdings.positions[0]
    toggle = quiet.locator(f"#p{position.security_key} .toggle")
    expect(toggle).to_have_attribute("aria-expanded", "false")
    toggle.click()
    expect(toggle).to_have_attribute("aria-expanded", "true")
    expect(quiet.locator("tr.lot")).to_have_count(position.lots)
    toggle.click()
    expect(quiet.locator("tr.lot")).to_have_count(0)

    quiet.locator(".trades tbody a").first.click()
    expect(quiet.get_by_role("heading", level=2)).to_contain_text(
        ["Decided", "Lot", "Order, fill and allocation", "Booked"]
    )


def test_sorting_keeps_the_page_and_the_focus(portal: Shown, quiet: Page) -> None:
    quiet.goto(portal.address)
    head = quiet.get_by_role("columnheader", name="Value, $", exact=True)
    head.get_by_role("link").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    expect(head.get_by_role("link")).to_be_focused()
    head.get_by_role("link").click()
    expect(head).to_have_attribute("aria-sort", "ascending")


def test_the_keyboard_alone_reaches_everything(portal: Shown, quiet: Page) -> None:
    quiet.goto(portal.address)
    quiet.keyboard.press("Tab")
    expect(quiet.get_by_text("Skip to content")).to_be_focused()
    quiet.keyboard.press("Enter")
    expect(quiet.locator("main")).to_be_focused()
    quiet.get_by_label("Search").focus()
    quiet.keyboard.type(portal.busiest)
    quiet.keyboard.press("Enter")
    expect(quiet.locator("#accounts tbody tr")).to_have_count(1)
    quiet.wait_for_load_state("networkidle")  # the list is put in place anew as one types
    for _ in range(40):
        quiet.keyboard.press("Tab")
        if quiet.evaluate("document.activeElement.textContent") == portal.busiest:
            break
    outline = quiet.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"  # focus can be seen
    quiet.keyboard.press("Enter")
    expect(quiet.get_by_role("heading", level=1)).to_contain_text(portal.busiest)
    toggle = quiet.locator(".toggle").first
    toggle.focus()
    quiet.keyboard.press("Enter")
    expect(toggle).to_have_attribute("aria-expanded", "true")
    expect(toggle).to_be_focused()


@pytest.mark.parametrize("width", [390, 320, 768, 1280])
def test_no_page_scrolls_sideways(portal: Shown, context_of: object, width: int) -> None:
    page = context_of(viewport={"width": width, "height": 844})  # type: ignore[operator]
    for path in every_page(portal):
        page.goto(portal.address + path)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{path} is {wide} wide"


def test_on_a_phone_every_figure_has_its_label(portal: Shown, context_of: object) -> None:
    page = context_of(viewport={"width": 390, "height": 844})  # type: ignore[operator]
    page.goto(portal.address)
    first = page.locator("#accounts tbody tr").first
    label = first.locator("td[data-label='Value, $']")
    shown = label.evaluate("cell => getComputedStyle(cell, '::before').content")
    assert shown == '"Value, $"'
    expect(label).to_be_visible()


def test_everything_works_without_script(portal: Shown, context_of: object) -> None:
    page = context_of(java_script_enabled=False)  # type: ignore[operator]
    page.goto(portal.address)
    page.get_by_label("Search").fill(portal.busiest)
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#accounts tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Value, $", exact=True).click()
    assert "sort=value" in page.url
    page.get_by_role("link", name=portal.busiest).click()
    page.locator(".toggle").first.click()
    assert page.locator("tr.lot").count() > 0
    page.get_by_role("link", name="Open all lots").click()
    assert page.locator("tr.opened").count() > 10
    page.get_by_text("The same figures as a table").click()
    expect(page.get_by_role("cell", name=re.compile(r"^\d[\d,]+\.\d\d$")).first).to_be_visible()
    page.locator(".trades tbody a").first.click()
    expect(page.get_by_role("heading", name="Booked")).to_be_visible()


def test_a_hostile_name_is_only_text(portal: Shown, quiet: Page) -> None:
    account = portal.view.rows[-1].account.account_id
    quiet.goto(f"{portal.address}/accounts/{account}")
    expect(quiet.get_by_role("heading", level=1)).to_contain_text(HOSTILE)
    quiet.goto(f"{portal.address}/?q={account}")
    expect(quiet.locator("#accounts tbody")).to_contain_text(HOSTILE)


def test_the_chart_is_seen_and_follows_the_scheme(portal: Shown, context_of: object) -> None:
    for scheme in ("light", "dark"):
        for width, size in ((1280, "wide"), (390, "narrow")):
            page = context_of(  # type: ignore[operator]
                color_scheme=scheme, viewport={"width": width, "height": 900}
            )
            page.goto(f"{portal.address}/accounts/{portal.busiest}")
            image = page.locator(".chart")
            drawn = image.evaluate("async i => { await i.decode(); return i.currentSrc; }")
            assert drawn.endswith(f"{size}-{scheme}.svg")
            assert image.evaluate("i => i.naturalWidth") > 300
            assert "is worth $" in (image.get_attribute("alt") or "")


# --- what screen readers and weak eyes need (WCAG 2.2 AA) -----------------------------------------

NAMELESS = """() => [...document.querySelectorAll('a[href], button, input, select, img')]
  .filter(e => e.type !== 'hidden' && e.checkVisibility())
  .filter(e => !(e.getAttribute('aria-label') || e.alt || e.labels?.[0]?.textContent.trim()
    || (e.matches('a, button') && e.textContent.trim())))
  .map(e => e.outerHTML.slice(0, 120))"""
SKIPPED_LEVELS = """() => [...document.querySelectorAll('h1,h2,h3,h4')]
  .map(h => +h.tagName[1]).filter((n, i, all) => i ? n > all[i - 1] + 1 : n !== 1)"""
BARE_TABLES = """() => [...document.querySelectorAll('table')].filter(t =>
  !t.caption?.textContent.trim() || [...t.querySelectorAll('th')].some(h => !h.scope)
  || !t.tHead).map(t => t.outerHTML.slice(0, 120))"""
DOUBLE_IDS = """() => { const all = [...document.querySelectorAll('[id]')].map(e => e.id);
  return all.filter((id, i) => all.indexOf(id) !== i); }"""
DEAD_REFERENCES = """() => [...document.querySelectorAll('[aria-labelledby]')]
  .filter(e => !document.getElementById(e.getAttribute('aria-labelledby')))
  .map(e => e.outerHTML.slice(0, 120))"""
SMALL_TARGETS = """() => [...document.querySelectorAll('button, select, input, summary, .pager a,'
  + ' .picks a, .toggle, nav a')].filter(e => e.type !== 'hidden' && e.checkVisibility())
  .filter(e => !e.closest('.crumb')).filter(e => e.getBoundingClientRect().height < 24)
  .map(e => e.outerHTML.slice(0, 120))"""
FAINT = """() => {
  const parse = text => { const n = text.match(/[\\d.]+/g).map(Number);
    return { rgb: n.slice(0, 3), alpha: n.length > 3 ? n[3] : 1 }; };
  const light = rgb => { const c = rgb.map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * c[0] + .7152 * c[1] + .0722 * c[2]; };
  const behind = e => { for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor); if (c.alpha === 1) return c.rgb; }
    return [255, 255, 255]; };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.closest('.sr, svg')) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color).rgb), light(behind(e))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${e.outerHTML.slice(0, 100)}`);
  }
  return found; }"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_names_levels_tables_targets_and_contrast(
    portal: Shown, context_of: object, scheme: str, width: int
) -> None:
    page = context_of(  # type: ignore[operator]
        color_scheme=scheme, viewport={"width": width, "height": 900}
    )
    titles = set()
    for path in every_page(portal):
        page.goto(portal.address + path + ("?lots=all" if "accounts/" in path else ""))
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        titles.add(page.title())
        for check in (
            NAMELESS, SKIPPED_LEVELS, BARE_TABLES, DOUBLE_IDS, DEAD_REFERENCES, SMALL_TARGETS, FAINT
        ):  # fmt: skip
            assert page.evaluate(check) == [], path
        assert page.evaluate("document.documentElement.lang") == "en"
        assert page.locator("main").count() == page.locator("h1").count() == 1
    assert len(titles) == len(every_page(portal))


def test_up_and_down_differ_by_sign_not_by_colour_alone(portal: Shown, quiet: Page) -> None:
    quiet.goto(portal.address)
    texts = quiet.locator("#accounts .up, #accounts .down").all_inner_texts()
    assert texts
    assert all(text[0] in "+\u2212" for text in texts)


def test_print_shows_the_figures_without_the_controls(portal: Shown, quiet: Page) -> None:
    quiet.goto(portal.address)
    quiet.emulate_media(media="print")
    expect(quiet.locator(".filters")).to_be_hidden()
    expect(quiet.locator("#accounts table")).to_be_visible()


def test_a_change_is_tried_by_keyboard_and_without_script(
    portal: Shown, context_of: Callable[..., Page]
) -> None:
    still = context_of(java_script_enabled=False)
    still.goto(f"{portal.address}/accounts/{portal.busiest}")
    still.get_by_role("link", name="What if", exact=True).click()
    still.get_by_label("Raise cash, $").fill("1,000")
    still.get_by_label("Raise cash, $").press("Enter")
    expect(still.get_by_role("status")).to_contain_text("Raising $1,000.00 would mean")
    expect(still.get_by_label("Raise cash, $")).to_have_value("1,000")
    still.get_by_label("Do not hold").fill("NOBODY")
    still.get_by_role("button", name="Try").click()
    expect(still.get_by_role("alert")).to_contain_text("'NOBODY' is no security")
    expect(still.get_by_label("Do not hold")).to_have_attribute("aria-describedby", "refused")


def test_two_clicks_from_the_account_answer_the_four_questions(portal: Shown, quiet: Page) -> None:
    """Why a trade happened, what it saved or cost in tax, until when its wash window runs, what
    each restriction costs: at most two clicks from the account page."""
    account = portal.busiest
    address = f"{portal.address}/accounts/{account}"
    decision = account_view(portal.book, portal.market, account).decision
    quiet.goto(address)
    links = quiet.locator("a[href^='/trades/']").evaluate_all("all => all.map(a => a.pathname)")
    linked = {link.removeprefix("/trades/") for link in links}
    sales = [t for t in decision.trades if t.lot is not None and t.lot.wash_until is not None]
    sale = next(t for t in sales if t.trade_id in linked)
    assert sale.lot is not None
    assert sale.lot.wash_until is not None
    quiet.locator(f"a[href='/trades/{sale.trade_id}']").first.click()
    shown = quiet.locator("main")
    expect(shown).to_contain_text(why_traded(sale, decision)[:30])
    expect(shown).to_contain_text(f"{abs(sale.tax_cents) / 100:,.2f}")
    expect(shown).to_contain_text(day_words(sale.lot.wash_until.toordinal()))
    quiet.goto(address)
    quiet.get_by_role("link", name="What if").first.click()
    expect(quiet.get_by_role("heading", name="What each restriction costs now")).to_be_visible()
