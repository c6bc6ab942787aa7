"""The studio's smaller promises in a real browser, one after the other."""

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from trajflow.ui import parameters, png

pytestmark = [pytest.mark.browser, pytest.mark.slow]
RUN_MS = 120_000
OPEN_THE_OLDEST = "[...document.querySelectorAll('.card')].at(-1).querySelector('.open').click()"


def test_words_are_told_apart_and_those_it_knows_are_offered(visit):
    studio = visit()
    page = studio.page
    studio.prompt.fill("a lovely mountain landscape at dusk with a dragon")
    expect(page.locator("#marks u")).to_have_text(["lovely", "dragon"], timeout=RUN_MS)
    expect(page.locator("#not-understood")).to_contain_text("“dragon”: This model has not learned the word.")
    expect(page.locator("#outlook")).to_have_text("Draws nothing: lovely · Not known to this model: dragon")
    marks = page.evaluate("""async () => {
        const prompt = document.querySelector("#prompt");
        prompt.value += "fly";
        prompt.dispatchEvent(new Event("input", { bubbles: true }));
        await Promise.resolve();
        return [...document.querySelectorAll("#marks u")].map((mark) => mark.textContent);
    }""")
    assert marks == ["lovely"], "a longer word is another one"
    studio.prompt.fill("a lovely mountain landscape at dusk with a dragon")
    expect(page.locator("#marks u")).to_have_text(["lovely", "dragon"], timeout=RUN_MS)
    page.click("#vocabulary")
    known = page.get_by_role("dialog", name="Words this model knows")
    expect(known.get_by_role("button", name="sunset")).to_have_attribute("aria-pressed", "true")
    known.get_by_role("button", name="night").click()
    expect(studio.prompt).to_have_value("a lovely mountain landscape at night with a dragon")
    known.get_by_role("button", name="forest").click()
    known.get_by_role("button", name="boat").click()
    expect(studio.prompt).to_have_value("a lovely forest at night with a dragon with a boat")
    known.get_by_role("button", name="boat").click()
    expect(studio.prompt).to_have_value("a lovely forest at night with a dragon")
    page.keyboard.press("Escape")
    expect(known).to_have_count(0)
    expect(page.locator("#vocabulary")).to_be_focused()
    page.locator("#chips button", has_text="at dawn").click()
    expect(studio.prompt).to_have_value("a lovely forest at dawn with a dragon")
    studio.prompt.fill("a forest in the fog")
    expect(page.locator("#marks u")).to_have_count(0)


def test_plain_words_say_how_good_it_gets_and_a_size_it_was_not_trained_for_warns(visit):
    studio = visit()
    page = studio.page
    studio.off("idle")
    studio.make("a mountain landscape")
    page.click("#quality [data-value=evaluations]")
    page.fill("#amount", "5")
    studio.make("a mountain landscape at night")
    expect(studio.status).to_contain_text("5 of 28 steps computed")
    page.click("#quality [data-value=draft]")
    studio.make("a mountain landscape at dawn")
    expect(studio.badge).to_have_text(re.compile(r"^(good|rough), \d\d dB expected$"))
    page.fill("#set-width", "160")
    expect(page.locator("#size-note")).to_contain_text("trained at 32×32")
    page.get_by_role("button", name="All as the model likes it").click()
    expect(page.locator("#size-note")).to_be_empty()
    studio.cards.first.locator(".open").click()
    expect(page.locator("#quality [data-value=draft]")).to_have_attribute("aria-checked", "true")


def test_who_waits_sees_the_place_in_the_queue(visit):
    one, other = visit(), visit()
    one.off("idle")
    other.off("live", "idle")
    other.prompt.fill("a desert")
    said = other.told("#status")
    one.page.click("#tab-explore")
    one.page.fill("#grid-template", "a forest")
    # About a minute's work, between whose pictures others are served.
    one.page.fill("#grid-seeds", ", ".join(map(str, range(1, 91))))
    one.page.click("#grid-go")
    expect(one.page.locator("#sheet-status")).to_have_text(re.compile(r"^\d+ of 90"), timeout=RUN_MS)
    other.prompt.press("Enter")
    expect(other.status).to_have_text(re.compile("^(Good|Exact)"), timeout=RUN_MS)
    assert any("place 1 in the queue" in words for words in said()), said()
    one.page.click("#stop")


def test_a_sheet_over_a_preview_leaves_a_picture_on_the_stage(visit):
    studio = visit()
    page = studio.page
    studio.off("idle")
    studio.make("a mountain landscape")
    studio.previews(lambda: studio.prompt.fill("a mountain landscape at night"))
    page.click("#tab-explore")
    page.click("#four-seeds")
    expect(studio.cards).to_have_count(5, timeout=RUN_MS)
    page.click("#tab-studio")
    expect(page.locator("#current-title")).to_contain_text("a mountain landscape")
    assert page.evaluate("document.querySelector('.card[aria-current=true]') !== null")


def test_going_back_within_the_pause_after_typing_is_not_undone_by_a_preview(visit):
    studio = visit()
    studio.off("idle")
    studio.make("a mountain landscape")
    studio.make("a mountain landscape at night")
    asked = studio.types_and(" in the fog", OPEN_THE_OLDEST)
    studio.page.wait_for_timeout(600)
    assert "studio/run" not in asked()
    expect(studio.page.locator("#current-title")).to_have_text("Current: a mountain landscape")


def test_a_picture_that_was_finished_as_the_next_was_asked_for_is_not_lost(visit):
    """Over a slow network: it is made, and on its way to the page when Enter is pressed again."""
    studio = visit()
    page = studio.page
    studio.off("live", "idle")
    page.evaluate("""() => {
      const ask = window.fetch, released = new Promise((release) => { window.release = release; });
      let isFirst = true;
      window.fetch = async (url, options) => {
        const answer = await ask(url, options);
        if (!isFirst || url !== "studio/run") return answer;
        isFirst = false;
        const late = new TransformStream({ async transform(part, on) { await released; on.enqueue(part); } });
        return new Response(answer.body.pipeThrough(late), answer);
      };
    }""")
    studio.prompt.fill("a mountain landscape")
    studio.prompt.press("Enter")
    page.evaluate("""async () => {
      const body = JSON.stringify({ session: sessionStorage.getItem("trajflow-session") });
      while (!(await (await fetch("studio/hello", { method: "POST", body })).json()).nodes.length)
        await new Promise((done) => setTimeout(done, 100));
    }""")
    studio.make("a mountain landscape at night")
    expect(studio.cards).to_have_count(1)
    page.evaluate("release()")
    expect(studio.cards).to_have_count(2)
    expect(page.locator("#current-title")).to_have_text("Current: a mountain landscape at night")


def test_a_name_that_is_being_typed_is_not_drawn_over(visit):
    studio = visit()
    page = studio.page
    studio.off("live", "idle")
    studio.make("a mountain landscape")
    studio.cards.first.locator("[data-action=more]").click()
    page.get_by_role("menuitem", name="Rename").click()
    page.keyboard.type("the ")
    page.evaluate("""() => {
      const prompt = document.getElementById("prompt");
      prompt.value = "a mountain landscape at night";
      prompt.dispatchEvent(new Event("input"));
      prompt.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
    }""")
    expect(page.locator("#current-title")).to_contain_text("at night", timeout=RUN_MS)
    page.keyboard.type("one")
    page.keyboard.press("Enter")
    expect(studio.cards).to_have_count(2)
    expect(studio.cards.filter(has_text="the one")).to_have_count(1)


def test_what_is_typed_before_the_server_answers_stays(visit):
    studio = visit()
    studio.off("live")
    studio.page.add_init_script(
        "addEventListener('DOMContentLoaded', () => { document.getElementById('prompt').value = 'typed early'; });"
    )
    studio.page.reload()
    studio.page.wait_for_selector("html[data-ready]")
    expect(studio.prompt).to_have_value("typed early")


def test_what_was_written_comes_back_above_the_newest_picture(visit):
    studio = visit()
    studio.off("live", "idle")
    studio.make("a mountain landscape")
    studio.make("a mountain landscape at night")
    studio.prompt.fill("a long thought about a lake")
    studio.cards.last.locator(".open").click()
    expect(studio.prompt).to_have_value("a mountain landscape")
    expect(studio.status).to_contain_text("comes back with Alt+↑")
    for expected in ("a mountain landscape at night", "a long thought about a lake"):
        studio.page.keyboard.press("Alt+ArrowUp")
        expect(studio.prompt).to_have_value(expected)


def test_a_pinned_source_that_was_deleted_holds_nothing_up(visit):
    studio = visit()
    studio.off("live", "idle")
    studio.make("a mountain landscape")
    studio.make("a mountain landscape at night")
    for item in ("Start from this one only", "Delete"):
        studio.cards.last.locator("[data-action=more]").click()
        studio.page.get_by_role("menuitem", name=item).click()
    expect(studio.cards).to_have_count(1)
    studio.make("a mountain landscape at dawn")
    expect(studio.cards).to_have_count(2)


def test_a_connection_that_breaks_is_told_in_words(visit):
    studio = visit()
    studio.off("live", "idle")
    studio.page.evaluate("""() => {
      const ask = window.fetch;
      window.fetch = async (url, options) => {
        const answer = await ask(url, options);
        if (url !== "studio/run") return answer;
        const first = new TransformStream({ transform(part, on) { on.enqueue(part); on.terminate(); } });
        return new Response(answer.body.pipeThrough(first), answer);
      };
    }""")
    studio.page.fill("#set-steps", "100")
    studio.prompt.fill("a mountain landscape")
    studio.prompt.press("Enter")
    expect(studio.status).to_have_text(
        "The connection was lost. What you typed and what was finished is kept; try again."
    )
    expect(studio.page.locator("#stop")).to_be_disabled()


def test_the_only_picture_deleted_and_brought_back_is_on_the_stage(visit):
    studio = visit()
    studio.off("live", "idle")
    studio.make("a mountain landscape")
    studio.cards.first.locator("[data-action=more]").click()
    studio.page.get_by_role("menuitem", name="Delete").click()
    expect(studio.cards).to_have_count(0)
    studio.page.click("#undo")
    expect(studio.page.locator("#current-title")).to_have_text("Current: a mountain landscape")


def test_going_back_during_a_run_stays_there_and_a_rerun_comes_to_the_front(visit):
    studio = visit()
    page = studio.page
    studio.off("live", "idle")
    studio.make("a mountain landscape")
    studio.make("a mountain landscape at night")
    page.fill("#set-steps", "100")
    titles = studio.told("#current-title")
    studio.at_first("#status", "computed, step [3-9]", OPEN_THE_OLDEST)
    studio.prompt.fill("a forest")
    studio.prompt.press("Enter")
    expect(studio.cards).to_have_count(3, timeout=RUN_MS)
    gone_back = titles().index("Current: a mountain landscape")
    assert "Coming" not in titles()[gone_back:], "who has gone back sees that picture, not the one that is coming"
    expect(page.locator("#current-title")).to_have_text("Current: a mountain landscape")
    first = studio.picture()
    studio.prompt.press("Enter")
    expect(studio.status).to_contain_text("from the store, nothing computed", timeout=RUN_MS)
    assert studio.picture() == first, "the exact repeat shows what its card shows"
    expect(page.locator("#spoken")).to_contain_text("from the store, nothing computed")
    expect(page.locator("#current-numbers")).to_contain_text("from the store, nothing computed")
    expect(page.locator("#current-numbers")).to_have_attribute("title", re.compile("28 of 28 steps were computed when"))
    page.reload(wait_until="load")
    expect(page.locator("#current-numbers")).to_contain_text("28 of 28 steps computed")


def test_cards_and_comparisons_tell_the_settings_that_differ(visit):
    studio = visit()
    page = studio.page
    studio.off("live", "idle")
    studio.make("a mountain landscape")
    page.fill("#set-steps", "12")
    page.fill("#set-negative_prompt", "snow")
    studio.make()
    expect(studio.cards.first).to_contain_text("12 steps · no snow")
    expect(page.locator("#word-diff")).to_contain_text("steps 28 → 12")
    studio.cards.first.locator("[data-action=pin]").click()
    expect(studio.cards.first.locator("[data-action=pin]")).to_have_attribute("aria-pressed", "true")
    studio.menu("#film-more", "Forget all but the pinned")
    expect(studio.cards).to_have_count(1)
    page.locator("#current-frame").hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    expect(page.locator("#zoom")).to_contain_text("%")


def test_variations_of_words_random_seeds_and_a_grid_over_a_setting(visit):
    studio = visit(1440, 900)
    page = studio.page
    studio.off("live", "idle")
    page.fill("#set-seed", "-1")
    page.click("#quality [data-value=evaluations]")
    page.fill("#amount", "4")
    studio.make("a mountain landscape")
    studio.make()
    expect(studio.cards).to_have_count(2)
    expect(studio.cards.first).to_contain_text("seed ")
    page.fill("#set-seed", "7")
    page.click("#tab-explore")
    page.click("#small-changes")
    expect(page.locator("#sheet-status")).to_have_text(re.compile(r"\d of 6|^6 pictures"), timeout=RUN_MS)
    page.keyboard.press("Escape")
    page.fill("#grid-template", "a mountain landscape")
    page.select_option("#grid-axis", "strategy")
    page.fill("#grid-values", "fewer-steps, budcache")
    page.click("#grid-go")
    expect(page.locator("#sheet-status")).to_have_text(re.compile(r"^2 pictures in .* saved"), timeout=RUN_MS)
    assert page.locator("#sheet .cell img").count() == 2


def test_sources_are_chosen_by_hand(visit):
    studio = visit()
    page = studio.page
    studio.off("live", "idle")
    studio.make("a mountain landscape")
    studio.make("a forest in the fog")
    studio.cards.filter(has_text="mountain").locator("[data-action=more]").click()
    page.get_by_role("menuitem", name="Start from this one only").click()
    studio.make("a forest in the snow")
    page.click("#why summary")
    expect(page.locator("#why-body")).to_contain_text("1 pinned")
    expect(page.locator("#why-body table").nth(1)).to_contain_text("100 %")
    expect(page.get_by_role("button", name="Show a mountain landscape")).to_be_visible()
    page.get_by_role("button", name="Let the planner choose again").click()
    expect(page.locator("#why-body")).not_to_contain_text("1 pinned")


def test_the_lab_compares_tables_of_tiers_and_ones_own(visit):
    studio = visit(1440, 900)
    page = studio.page
    studio.off("live", "idle")
    page.fill("#set-steps", "8")
    studio.make("a mountain landscape")
    page.click("#tab-lab")
    page.fill("#own-tier-2-similarity", "0.1")
    page.fill("#own-tier-2-percent", "50")
    studio.prompt.fill("a mountain landscape at night")
    page.click("#lab-tiers")
    expect(page.locator("#lab-status")).to_have_text(re.compile("^All tables"), timeout=RUN_MS)
    rows = page.locator("#lab-table tbody tr")
    expect(rows).to_have_count(15)
    own = rows.filter(has_text="resume, my own tiers")
    expect(own).to_contain_text("4 of 8")
    expect(own.locator(".told-tier")).to_contain_text("Nearest: “a mountain landscape”")
    expect(own.locator(".told-tier")).to_contain_text("4 of 8 steps taken as cached")
    assert own.locator(".strip .cached").count() == 4
    expect(page.locator("#learned-line")).to_contain_text("Learned from")
    page.click("#forget-learned")
    expect(page.locator("#learned-line")).to_contain_text("Nothing is learned yet")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    page.click("#tab-lab")
    expect(page.locator("#own-tier-2-percent")).to_have_value("50")
    page.fill("#own-tier-2-percent", "500")
    page.click("#lab-tiers")
    expect(page.locator("#lab-status")).to_contain_text("a fraction between 0 and 1", timeout=RUN_MS)


def test_each_picture_carries_its_own_settings_and_can_be_copied(visit):
    studio = visit(permissions=["clipboard-read", "clipboard-write"])
    page = studio.page
    studio.make("a mountain landscape")
    studio.make("a mountain landscape at night")
    studio.is_in_state("exact")
    exact = studio.download(lambda: studio.menu("#more", "Download PNG"))
    cached = studio.download(lambda: studio.menu("#more", "Download as it came"))
    assert (png.read_settings(exact)["strategy"], png.read_settings(exact)["nfe"]) == ("baseline", 28)
    assert png.read_settings(cached)["strategy"] == "auto"
    assert png.read_settings(cached)["nfe"] < 28
    told = Image.open(io.BytesIO(cached)).info["parameters"]
    assert parameters.read(told)["prompt"] == "a mountain landscape at night"

    def copied(item):
        page.evaluate("document.getElementById('toast').textContent = ''")
        studio.menu("#more", item)
        expect(page.locator("#toast")).to_have_text("Copied.")
        return page.evaluate("navigator.clipboard.readText()")

    code = copied("Copy as Python")
    assert "trajflow.Session" in code
    compile(code, "copied", "exec")
    assert parameters.read(copied("Copy A1111 parameters"))["seed"] == 7
    link = copied("Copy a link to this form")
    other = visit(path=link[link.index("/#") :])
    expect(other.prompt).to_have_value("a mountain landscape at night")


def test_a_session_from_a_file_leaves_the_method_alone(visit):
    studio = visit()
    page = studio.page
    studio.off("live", "idle")
    studio.make("a mountain landscape")
    page.select_option("#set-strategy", "baseline")
    studio.make("a mountain landscape at night")
    session = studio.download(lambda: studio.menu("#film-more", "Save the session"))
    other = visit()
    other.off("live", "idle")
    other.page.set_input_files("#file", {"name": "s.zip", "mimeType": "application/zip", "buffer": session})
    expect(other.cards).to_have_count(2)
    other.cards.filter(has_text="night").locator(".open").click()
    expect(other.prompt).to_have_value("a mountain landscape at night")
    expect(other.page.locator("#set-strategy")).to_have_value("auto")
    other.make("a mountain landscape at dawn")
    expect(other.status).not_to_contain_text("28 of 28")


def test_a_new_tab_begins_empty_with_the_settings_of_the_last(visit):
    studio = visit()
    studio.off("idle")
    studio.page.fill("#set-steps", "20")
    studio.prompt.fill("a mountain landscape")
    studio.is_in_state("preview")
    again = studio.page.context.new_page()
    again.goto(studio.page.url)
    again.wait_for_selector("html[data-ready]")
    expect(again.locator("#prompt")).to_have_value("")
    expect(again.locator("#set-steps")).to_have_value("20")
    studio.page.reload()
    studio.page.wait_for_selector("html[data-ready]")
    expect(studio.prompt).to_have_value("a mountain landscape")
    expect(studio.page.locator("#current-image")).to_be_visible()


def test_idle_time_works_ahead_beside_its_switch_and_lists_nothing(visit):
    studio = visit()
    told = studio.told("#ahead-told")
    studio.make("a mountain landscape")
    studio.is_in_state("exact")
    expect(studio.page.locator("#ahead-told")).to_contain_text("is ready", timeout=RUN_MS)
    expect(studio.status).not_to_contain_text("ahead")
    assert any("of 28" in words for words in told()), told()
    expect(studio.cards).to_have_count(1)
    studio.off("ahead")
    studio.make("a mountain landscape at night")
    studio.is_in_state("exact")
    expect(studio.page.locator("#ahead-told")).to_be_empty()


def test_a_laptop_cuts_nothing_off_that_has_to_be_read(visit):
    studio = visit(1280, 720)
    studio.make("a mountain landscape")
    studio.is_in_state("exact")
    studio.make("a mountain landscape at night with a cabin")
    studio.is_in_state("exact")
    fits = "each => each.scrollWidth <= each.clientWidth + 1 && each.scrollHeight <= each.clientHeight + 1"
    for part in ("#word-diff", "#current-numbers", "#status", "#quality", "#modes", "#against"):
        assert studio.page.locator(part).evaluate(fits), part
    for part in ("#prompt", "#current-frame", "#other-frame", "#status", "#settings"):
        assert studio.shows(part), part
