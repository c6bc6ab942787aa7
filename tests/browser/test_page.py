"""The page by itself, in a real browser, over a server that says what the test wants it to say and when."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.canned import DONE, canned

pytestmark = [pytest.mark.browser]
PRESS = """(element, key) => element.dispatchEvent(
    new KeyboardEvent("keydown", { bubbles: true, cancelable: true, ...key }))"""


@pytest.fixture(scope="module")
def one_server():
    with canned() as server:
        yield server


@pytest.fixture(scope="module")
def address(one_server):
    return one_server.url


@pytest.fixture
def server(one_server):
    one_server.greet()
    return one_server


def lake_forest_desert(server):
    """The newest first."""
    return [server.node(key, f"a {key}") for key in ("lake", "forest", "desert")]


def drawn(page):
    """Once the page has drawn what it knows."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)))")


def test_the_history_goes_by_the_keyboard_and_keeps_the_focus(visit, server):
    nodes = lake_forest_desert(server)
    server.greet(*nodes)
    server.answers["node"] = lambda asked: {**nodes[1], "name": asked["name"]}
    studio = visit()
    page = studio.page
    more = studio.cards.locator("[data-action=more]")

    page.locator("#film-more").focus()
    page.keyboard.press("Tab")
    first = studio.cards.first.locator(".open")
    expect(first).to_be_focused()
    assert first.evaluate("open => getComputedStyle(open).outlineStyle") == "solid"
    assert first.bounding_box()["height"] == first.locator("img").bounding_box()["height"] == 56
    page.keyboard.press("ArrowDown")
    expect(studio.cards.nth(1).locator(".open")).to_be_focused()
    page.keyboard.press("Enter")
    title = page.locator("#current-title")
    expect(title).to_have_text("Current: a forest")
    page.keyboard.press("Alt+ArrowDown")
    expect(title).to_have_text("Current: a desert")
    studio.cards.first.locator(".open").click()
    page.keyboard.press("ArrowDown")
    expect(title).to_have_text("Current: a forest")

    more.nth(1).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    name = studio.cards.locator("input")
    expect(name).to_be_focused()
    page.keyboard.type("the one")
    for key in ({"key": "Enter", "isComposing": True}, {"key": "Escape", "keyCode": 229}):
        name.evaluate(PRESS, key)
    expect(name).to_have_value("the one")
    page.keyboard.press("Enter")
    expect(studio.cards.filter(has_text="the one")).to_have_count(1)
    expect(more.nth(1)).to_be_focused()

    def delete(*left):
        server.answers["delete"] = server.library(*left, deleted=1)
        for key in ("Enter", "ArrowUp", "Enter"):
            page.keyboard.press(key)
        expect(studio.cards).to_have_count(len(left))

    delete(nodes[0], nodes[2])
    expect(more.nth(1)).to_be_focused()
    delete(nodes[0])
    expect(more.nth(0)).to_be_focused()
    delete()
    expect(page.locator("#undo")).to_be_focused()


def test_a_picture_that_was_made_ahead_is_one_card_and_one_that_was_there_comes_to_the_front(visit, server):
    nodes = lake_forest_desert(server)
    server.greet(*nodes[1:])
    studio = visit()
    studio.off("live", "idle")
    for node, number in ((nodes[0], 3), (nodes[1], 3)):
        studio.prompt.fill(node["prompt"])
        studio.prompt.press("Enter")
        server.asked("run").tell(server.made(node, stored=True), DONE)
        expect(studio.page.locator("#current-title")).to_have_text(f"Current: {node['prompt']}")
        expect(studio.cards).to_have_count(number)
        expect(studio.cards.first).to_have_attribute("data-key", node["key"])


def test_keys_of_an_input_method_are_its_own_and_alt_with_a_digit_is_the_keys_place(visit, server):
    studio = visit()
    studio.off("live", "idle")
    studio.prompt.fill("umi")
    studio.prompt.evaluate(PRESS, {"key": "Enter", "keyCode": 229})
    studio.page.wait_for_timeout(100)
    assert not server.is_asked("run")
    studio.prompt.press("Enter")
    server.asked("run").tell(server.stepped())
    expect(studio.page.locator("#stop")).to_be_enabled()
    studio.prompt.evaluate(PRESS, {"key": "Escape", "keyCode": 229})
    drawn(studio.page)
    expect(studio.page.locator("#stop")).to_be_enabled()
    studio.prompt.fill("")
    # As Firefox tells Option and 1 on a Mac.
    option = {"key": "¡", "code": "Digit1", "altKey": True, "modifierAltGraph": True}
    studio.prompt.evaluate(PRESS, option)
    expect(studio.prompt).to_have_value("a mountain landscape")


def test_what_runs_beside_leaves_the_stage_alone_and_nothing_behind(visit, server):
    server.greet(server.node("lake", "a lake", state="good"), model={"may_work_ahead": True})
    server.answers["clear"] = server.library(deleted=1)
    studio = visit()
    page = studio.page
    studio.off("live", "idle")
    page.click("#against [data-value=scratch]")
    server.asked("complete").tell({"type": "ahead", "k": 5, "steps": 28, "nfe": 5})
    expect(page.locator("#ahead-told")).to_have_text("5 of 28")
    page.click("#stop")
    expect(page.locator("#ahead-told")).to_have_text("")
    page.click("#against [data-value=previous]")

    studio.prompt.fill("a lake")
    page.click("#tab-explore")
    page.click("#four-seeds")
    cell = {"index": 0, "of": 4, "done": 1, "left_seconds": 3.0, "computed": 7, "saved": 21, "seconds": 1.0}
    made = server.made(server.node("forest", "a forest", parent="lake"))
    sheet = server.asked("sheet")
    sheet.tell(server.stepped(), {**made, "type": "cell", **cell})
    expect(studio.cards).to_have_count(2)
    page.click("#tab-studio")
    drawn(page)
    expect(page.locator("#current-title")).to_have_text("Current: a lake")
    assert page.locator("#current-image").get_attribute("src").startswith("blob:")
    sheet.tell(DONE)
    expect(page.locator("#stop")).to_be_disabled()
    expect(page.locator("#strip")).to_have_attribute("aria-label", re.compile("computed"))
    studio.menu("#film-more", "Forget all")
    expect(page.locator("#strip")).to_have_attribute("aria-label", "No picture yet")


def test_drafts_whose_end_was_not_heard_of_leave_the_history(visit, server):
    server.greet(server.node("lake", "a lake"))
    studio = visit()
    studio.off("idle")

    def draft(key):
        return server.node(key, f"a lake {key}", draft=True, state="preview", parent="lake")

    studio.prompt.fill("a lake one")
    server.asked("run").tell(server.made(draft("one")), DONE)
    expect(studio.cards).to_have_count(2)
    studio.prompt.fill("a lake two")
    server.asked("run")
    # Given up before it was taken, as over a slow network: it is made, and takes the place of the first, all the same.
    studio.prompt.fill("a lake three")
    server.asked("run").tell(server.made(draft("three")), {"type": "forgotten", "keys": ["two"], "held": 1})
    expect(studio.page.locator("#current-title")).to_have_text("Current: a lake three")
    expect(studio.cards).to_have_count(2)
    expect(studio.cards.filter(has_text="one")).to_have_count(0)


def test_a_chip_takes_whole_words_and_leaves_longer_ones(visit):
    page = visit().page
    vocabulary = {"weather": {"fog": ["in the fog", "foggy"], "snow": ["snowy", "in the snow"]}}
    cases = [
        ("a lake in the foggy forest", "in the fog", "a lake in the foggy forest in the fog", "a lake in the forest"),
        ("a foggy forest", "in the snow", "a foggy forest in the snow", "a snowy forest"),
        ("a forest in the fog", "in the snow", "a forest in the snow", "a forest in the snow"),
        ("a forest In the Fog", "in the fog", "a forest", "a forest"),
        ("a city at nightfall", "at night", "a city at nightfall at night", "a city at nightfall at night"),
        ("a city at nightfall", "at dawn", "a city at nightfall at dawn", "a city at nightfall at dawn"),
        ("a city at night", "at dawn", "a city at dawn", "a city at dawn"),
    ]
    for known, place in ((None, 2), (vocabulary, 3)):
        made = page.evaluate(
            """async ([vocabulary, cases]) => {
              const [{ withPhrase }, { state }] = [await import("/studio/chips.js"), await import("/studio/store.js")];
              state.vocabulary = vocabulary;
              return cases.map(([prompt, chip]) => withPhrase(prompt, chip));
            }""",
            [known, cases],
        )
        assert made == [case[place] for case in cases]


def test_nothing_lies_out_of_reach_between_a_phone_and_a_laptop(visit, server):
    server.greet(*lake_forest_desert(server))
    page = visit(768, 720).page
    reached = """(part) => {
      part.scrollIntoView();
      const { left, right, top, bottom } = part.getBoundingClientRect();
      const there = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
      // Which nobody else can scroll sideways.
      return part.contains(there) && document.getElementById("main").scrollLeft === 0;
    }"""
    for width in (768, 820, 900, 1024):
        page.set_viewport_size({"width": width, "height": 720})
        for part in ("#more", "#ahead-label input", "#live", "#modes [data-value=side]"):
            assert page.locator(part).evaluate(reached), (part, width)
    assert page.locator("#word-diff").is_visible()


def test_on_a_phone_the_prompt_is_there_at_once_and_stays_free(visit, server):
    studio = visit(360, 740, has_touch=True, is_mobile=True)
    page = studio.page
    greets = server.answers.pop("hello")
    page.clock.install()
    page.reload()
    expect(studio.status).to_have_text("Refused.")
    top = """(part) => {
      const { left, right, top, bottom } = part.getBoundingClientRect();
      return part.contains(document.elementFromPoint((left + right) / 2, (top + bottom) / 2));
    }"""
    assert studio.prompt.evaluate(top)
    assert studio.status.evaluate(top)
    server.answers["hello"] = greets
    page.clock.run_for(2500)
    expect(studio.status).to_have_text("Ready.")
    expect(studio.status).to_have_attribute("data-kind", "done")

    page.click("#tab-explore")
    page.click("#four-seeds")
    expect(page.locator("#toast")).to_have_text("Write a prompt first.")
    for part in (studio.prompt, page.locator("#go")):
        assert part.evaluate(top)
    toast, aim = (page.locator(part).bounding_box() for part in ("#toast", ".aim"))
    assert toast["y"] + toast["height"] <= aim["y"]
    assert page.locator("#toast").evaluate("toast => getComputedStyle(toast).pointerEvents") == "none"
    page.click("#tab-studio")
    assert "pinch-zoom" in page.locator("#stage").evaluate("stage => getComputedStyle(stage).touchAction")


def test_a_duplicated_tab_begins_a_session_of_its_own_and_a_reload_keeps_its(visit, server):
    page = visit().page
    own = "sessionStorage.getItem('trajflow-session')"
    assert page.evaluate(own) == "1"
    # A page opened by another gets a copy of what that one keeps, as a duplicated tab does.
    with page.expect_popup() as opened:
        page.evaluate("window.open(location.href)")
    other = opened.value
    other.wait_for_selector("html[data-ready]")
    assert other.evaluate(own) == "2"
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate(own) == "1"

    # A page that was left, and only waits for the way back, answers nobody; brought back it asks again.
    shown = "window.dispatchEvent(new PageTransitionEvent('%s', { persisted: true }))"
    page.evaluate(shown % "pagehide")
    other.evaluate("sessionStorage.setItem('trajflow-session', '1')")
    other.reload()
    other.wait_for_selector("html[data-ready]")
    assert other.evaluate(own) == "1"
    with page.expect_navigation():
        page.evaluate(shown % "pageshow")
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate(own) == "3"


def test_fields_and_charts_follow_the_theme(visit, server):
    charts = """window.fonts = [];
      window.Plotly = { react: async (part, lines, look) => { window.fonts.push(look.font.color); }, purge() {} };"""
    server.greet(server.node("lake", "a lake", strategy="baseline", measured=None))
    studio = visit()
    page = studio.page
    shown = "[document.documentElement.dataset.theme, getComputedStyle(document.documentElement).colorScheme]"
    # The first time nothing comes of it.
    page.click("#why summary")
    expect(page.locator("#why-body")).to_contain_text("Asked forevery step")
    expect(page.locator("#why-body")).to_contain_text("Measureditself the from-scratch picture")
    page.wait_for_function("document.querySelector('script[src*=plotly]')")
    server.answers["plotly.min.js"] = charts.encode()
    assert page.evaluate(shown) == ["light", "light"]
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("window.fonts?.length > 1")
    assert page.evaluate(shown) == ["dark", "dark"]
    page.click("#theme")
    page.wait_for_function("new Set(window.fonts).size > 1")
    assert page.evaluate(shown) == ["light", "light"]


def test_text_that_comes_with_a_picture_of_itself_is_pasted_as_text(visit, server):
    studio = visit()
    paste = """(part) => {
      const data = new DataTransfer();
      data.setData("text/plain", "a lake");
      data.items.add(new File(["picture"], "image.png", { type: "image/png" }));
      return part.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
    }"""
    assert studio.prompt.evaluate(paste), "the browser pastes it"
    assert not studio.page.locator("#stage").evaluate(paste), "where no text can go the picture is meant"
    server.answers["load"] = server.library(pictures=1, paths=1)
    studio.page.set_input_files("#file", {"name": "s.zip", "mimeType": "application/zip", "buffer": b"{}"})
    expect(studio.status).to_have_text("Opened: 1 picture, 1 with its path.")


def test_previous_leads_back_and_looking_leaves_nothing_behind(visit, server):
    server.greet(*lake_forest_desert(server))
    studio = visit()
    page = studio.page
    title = page.locator("#other-title")
    expect(title).to_have_text("Previous: a forest")
    studio.cards.nth(2).locator("[data-action=compare]").click()
    expect(title).to_have_text("Compared: a desert")
    page.click("#against [data-value=previous]")
    expect(title).to_have_text("Previous: a forest")

    page.click("#modes [data-value=flicker]")
    outline = "badge => badge.style.outline"
    page.wait_for_function("document.getElementById('current-badge').style.outline !== ''")
    page.click("#modes [data-value=side]")
    drawn(page)
    assert studio.badge.evaluate(outline) == ""

    frame = page.locator("#current-frame")
    place = frame.bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    moved = "document.getElementById('stage').style.getPropertyValue('--x')"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("+")

    def move(button="left", act=None):
        before = page.evaluate(moved)
        page.mouse.move(x, y)
        page.mouse.down(button=button)
        page.mouse.move(x, y + 1)
        if act:
            frame.evaluate(act)
        page.mouse.move(x + 20, y)
        page.mouse.move(x + 40, y)
        after = page.evaluate(moved)
        page.mouse.up(button=button)
        return after != before

    assert move()
    assert not move("right")
    frame.evaluate("frame => frame.addEventListener('pointerdown', (event) => { frame.pointer = event.pointerId; })")
    assert not move(act="frame => frame.releasePointerCapture(frame.pointer)"), "the browser took it for a gesture"


def test_on_a_lent_gpu_nothing_is_promised_that_is_not_done(visit, server):
    promise = re.compile("preview|idle")
    for model, is_live in (({"is_shared": True}, True), ({"is_shared": True, "is_lent": True}, False)):
        server.greet(server.node("lake", "a lake", state="good", measured=None), model=model)
        page = visit().page
        assert page.locator("#live").is_visible() == is_live
        assert not page.locator("#idle").is_visible()
        page.click("#why summary")
        said = [page.locator(part).text_content() for part in ("#settings", "#current-empty", "#why-body")]
        assert [bool(promise.search(words)) for words in said] == [is_live, is_live, False]
