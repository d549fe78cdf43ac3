"""What a policy sees of a page, what its calls do, and states that are forked, kept and restored."""

import pytest
from page_steps import action, at, do, number, seen

from pivotgym.core.errors import InputError, PivotRefused, WrongState
from pivotgym.core.trajectory import Origin
from pivotgym.envs.browsing.pages.contract import Response
from pivotgym.envs.browsing.pages.world import PageWorld


def sign(world, name="Ann"):
    """Fills the form and sends it."""
    return do(world, ("fill", {**at(world, "textbox", "Name"), "text": name}), ("click", at(world, "button", "Sign")))


def test_a_page_is_shown_as_address_title_and_numbered_elements(opened):
    assert seen(opened()).splitlines() == [
        "URL: http://book.test/",
        "Title: Guest book",
        "",
        '[1] heading "Guest book" level=1',
        "[2] list",
        "[3] form",
        '  [4] label "Name"',
        '    [5] textbox "Name" value=""',
        '  [6] label "Mood"',
        '    [7] combobox "Mood" value="Good" options="Good|Bad"',
        '  [8] label "Send news"',
        '    [9] checkbox "Send news"',
        '  [10] button "Sign"',
    ]


def test_the_focused_element_is_marked(opened):
    world = opened()
    assert '[5] textbox "Name" value="" focused' in seen(world, ("click", {"id": 5}))


def test_an_element_keeps_its_number_while_its_page_changes(opened):
    page = "<button onclick=\"this.insertAdjacentHTML('beforebegin', '<p>new</p>')\">Add</button>"
    world = opened(page=page)
    before = at(world, "button", "Add")
    assert at(world, "button", "Add") == before
    do(world, ("click", before))
    assert at(world, "button", "Add") == before


def test_what_is_hidden_is_not_shown(opened):
    hidden = "<p hidden>a</p><p style='display:none'>b</p><p aria-hidden=true>c</p><p style='visibility:hidden'>d</p>"
    page = hidden + "<p>e</p>"
    assert seen(opened(page=page)).splitlines()[3:] == ['[1] paragraph "e"']


def test_text_is_told_in_its_order(opened):
    page = "<p>By <b>Ann</b> for <b>Bob</b>.</p><p>See <a href=/>this</a> or <a href=/>that</a>.</p>"
    assert seen(opened(page=page)).splitlines()[3:] == [
        '[1] paragraph "By Ann for Bob."',
        "[2] paragraph",
        '  text "See"',
        '  [3] link "this"',
        '  text "or"',
        '  [4] link "that"',
        '  text "."',
    ]


def test_a_link_over_two_lines_is_hit(opened):
    page = "<p style='width:150px'>some words before <a href=/thanks>a link</a></p><style>a{font-size:30px}</style>"
    world = opened(page=page)
    assert "Title: Thanks" in seen(world, ("click", at(world, "link")))


def test_a_form_is_filled_and_sent(opened):
    world = opened()
    do(world, ("select", {**at(world, "combobox"), "value": "Bad"}))
    assert 'paragraph "cookie signed=1"' in sign(world).observations[0]
    assert world.state.site.entries == ["Ann (b)"]


def test_an_option_is_chosen_by_label_or_value_alike(opened):
    worlds = [opened(), opened()]
    for world, value in zip(worlds, ["Bad", "b"], strict=True):
        do(world, ("select", {**at(world, "combobox"), "value": value}))
    assert worlds[0].digest() == worlds[1].digest()


def test_filling_replaces_what_a_field_holds(opened):
    world = opened()
    field = at(world, "textbox")
    assert 'value="two"' in seen(world, ("fill", {**field, "text": "one"}), ("fill", {**field, "text": "two"}))
    assert 'value=""' in seen(world, ("fill", {**field, "text": ""}))


def test_enter_sends_the_form_as_its_button_does(opened):
    world, other = opened(), opened()
    sign(world)
    do(other, ("fill", {**at(other, "textbox"), "text": "Ann"}), ("press", {"key": "Enter"}))
    assert world.state.parts["server"] == other.state.parts["server"]
    assert world.state.parts["tree"] == other.state.parts["tree"]


def test_a_date_is_set_and_a_wrong_one_refused(opened):
    world = opened(page="<input type=date aria-label=When>")
    assert 'value="2026-03-21"' in seen(world, ("fill", {**at(world, "date", "When"), "text": "2026-03-21"}))
    assert do(world, ("fill", {**at(world, "date", "When"), "text": "soon"})).failed == [True]


def test_the_mouse_hovers_and_drags(opened):
    page = """<style>*{margin:0}</style><button onmouseover="this.textContent='over'">a</button>
    <div id=d onmousedown="this.textContent='down'" tabindex=0>b</div><p onmouseup="this.textContent='up'">c</p>"""
    world = opened(page=page)
    assert 'button "over"' in seen(world, ("hover", at(world, "button")))
    text = seen(world, ("drag", {**at(world, "generic", "b"), "to": number(seen(world), "paragraph", "c")}))
    assert '"down"' in text
    assert '"up"' in text


def test_a_page_is_scrolled_and_scrolled_to(opened):
    world = opened(page="<div style='height:5000px'></div><button onclick='this.textContent=\"hit\"'>far</button>")
    before = world.state.parts["scroll"]
    do(world, ("scroll", {"direction": "down"}))
    assert world.state.parts["scroll"] != before
    assert 'button "hit"' in seen(world, ("click", at(world, "button")))


def test_back_leads_to_the_page_before(opened):
    world = opened()
    assert do(world, ("back", {})).observations[0].startswith("Error: there is no page to go back to")
    sign(world)
    assert "Title: Guest book" in seen(world, ("back", {}))
    assert 'listitem\n    text "Ann (g)"' in seen(world).replace("[3] ", "")


def test_tabs_open_come_to_the_front_and_close(opened):
    world = opened()
    text = seen(world, ("tab_new", {"url": "/thanks"}))
    assert "Tabs: [1] http://book.test/, [2] http://book.test/thanks (in front)" in text
    assert "URL: http://book.test/\n" in seen(world, ("tab_focus", {"index": 1}))
    assert "Tabs:" not in seen(world, ("tab_close", {"index": 2}))
    assert "No tab is open." in seen(world, ("tab_close", {}))
    assert do(world, ("click", {"id": 1})).observations[0].startswith("Error: no tab is open; open one with tab_new")


def test_done_ends_the_task_with_its_answer(opened):
    world = opened()
    do(world, ("done", {"answer": "42"}))
    assert world.over()
    assert world.state.answer == "42"
    assert do(world, ("look", {})).failed == [True]


def test_scripts_run_their_timers_in_virtual_time_and_chance_is_seeded(opened):
    page = "<p></p><script>setTimeout(()=>document.querySelector('p').textContent='late '+Math.random(),900)</script>"
    first, second = opened(page=page), opened(page=page)
    assert "late" in seen(first)
    assert seen(first) == seen(second)


def test_cookies_and_storage_are_part_of_the_state(opened):
    world, other = opened(page="<p>x</p>"), opened(page="<p>x</p><script>localStorage.a = 1</script>")
    assert world.state.parts["tree"] == other.state.parts["tree"]
    assert world.state.parts["storage"] != other.state.parts["storage"]


@pytest.mark.parametrize("site", ["guestbook", "scripted"])
def test_a_fork_is_in_the_same_state_and_lives_apart(opened, site):
    world = opened(site=site)
    do(world, ("fill", {**at(world, "textbox"), "text": "Ann"}), ("click", at(world, "checkbox")))
    fork = world.fork()
    assert seen(fork) == seen(world)
    sign(fork, "Bob")
    assert fork.state.site.entries == ["Bob (g)"]
    assert world.state.site.entries == []
    assert 'value="Ann"' in seen(world)
    fork.close()


def test_a_fork_of_a_plain_page_asks_the_site_for_no_page_again(opened, book):
    world = opened()
    sign(world)
    fork = world.fork()
    before = len(book.asked)
    assert "Thanks" in seen(fork)
    assert book.asked[before:] == []
    fork.close()


def test_a_page_that_answered_a_form_is_restored_too(opened, book):
    world = opened()
    assert "alert" in seen(world, ("click", at(world, "button")))
    fork = world.fork()
    before = len(book.asked)
    assert seen(fork) == seen(world)
    assert book.asked[before:] == []
    fork.close()


def test_a_page_that_its_script_changed_is_restored_by_replay(opened, book):
    world = opened(page="<button onclick=\"this.after('added')\">Add</button>")
    do(world, ("click", at(world, "button")))
    fork = world.fork()
    before = len(book.asked)
    assert '"added"' in seen(fork)
    assert len(book.asked) == before + 1
    fork.close()


def test_a_page_that_is_another_each_time_is_refused_when_forked(opened, book):
    book.pages["/count"] = lambda request: Response(f"<p>{len(book.asked)}</p>".encode())
    world = opened(site="scripted", first="/count")
    fork = world.fork()
    with pytest.raises(PivotRefused, match="replaying 0 calls leads to another state: tree, document differ"):
        do(fork, ("look", {}))
    fork.close()


def test_a_kept_state_gives_its_context_to_the_first_fork(opened, book):
    world = opened()
    do(world, ("click", at(world, "checkbox")))
    world.keep("key")
    before = len(book.asked)
    forks = [world.fork(), world.fork()]
    assert "checked" in seen(forks[0])
    assert len(book.asked) == before
    assert seen(forks[0]) == seen(forks[1])
    for fork in forks:
        fork.close()


def test_storage_and_cookies_are_restored(opened, book):
    page = "<script>localStorage.a ??= 'kept'; sessionStorage.b ??= 1; document.cookie = 'c=3'</script><p>x</p>"
    world = opened(page=page)
    fork = world.fork()
    seen(fork)
    assert fork.digest() == world.digest()
    fork.close()


def test_a_screenshot_is_taken_where_the_origin_asks(opened):
    shot = do(opened(screenshot=True, viewport=[300, 200]), ("look", {})).detail["screenshot"]
    assert shot["media_type"] == "image/png"
    assert shot["base64"].startswith("iVBOR")


def test_several_calls_of_one_action_run_in_order(opened):
    world = opened()
    effects = world.run(action(("fill", {"id": 5, "text": "Ann"}), ("click", {"id": 10})))
    assert len(effects.observations) == 2
    assert world.state.site.entries == ["Ann (g)"]


def test_a_world_that_is_not_started_says_so():
    with pytest.raises(WrongState, match="not started"):
        PageWorld().fork()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"viewport": [1, 2]}, r"viewport: expected \[width, height\], each of 100 to 4000 pixels, got \[1, 2\]"),
        ({"viewport": "big"}, "viewport: expected"),
        ({"refs": [1]}, "refs: expected an object of locators by number"),
        ({"continuation": "click"}, "continuation: expected a list of calls"),
        ({"screenshot": 1}, "screenshot: expected true or false, got 1"),
    ],
)
def test_origins_fields_are_checked(fields, message):
    with pytest.raises(InputError, match=message):
        PageWorld().start(Origin(kind="site", site="guestbook", **fields), 0)
