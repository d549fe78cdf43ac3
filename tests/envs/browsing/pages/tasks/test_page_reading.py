"""Observations as the oracles read them."""

from hypothesis import given
from hypothesis import strategies as st

from pivotgym.envs.browsing.pages.tasks.reading import Page

SHOWN = """URL: http://shop.test/cart
Title: Your cart

[1] heading "Your \\"cart\\"" level=1
[2] list
  [3] listitem
    text "One"
    [4] link "Mug"
[5] combobox "Size" value="M" options="S|M|L" invalid
[6] graphics "7" tag=text fill="black" at=92,102 size=6x11
[7] checkbox "I agree" checked
"""


def test_elements_have_numbers_roles_names_and_states():
    page = Page(SHOWN)
    assert [(one.id, one.role, one.name) for one in page.elements] == [
        (1, "heading", 'Your "cart"'),
        (2, "list", ""),
        (3, "listitem", ""),
        (0, "text", "One"),
        (4, "link", "Mug"),
        (5, "combobox", "Size"),
        (6, "graphics", "7"),
        (7, "checkbox", "I agree"),
    ]
    assert page.all("combobox")[0].states == {"value": "M", "options": "S|M|L", "invalid": ""}


def test_the_address_is_read():
    assert Page(SHOWN).url == "http://shop.test/cart"
    assert Page("").url == ""


def test_a_drawn_shape_says_where_it_is():
    assert Page(SHOWN).all("graphics")[0].at == (92, 102)


def test_what_stands_inside_an_element_is_what_is_deeper():
    page = Page(SHOWN)
    assert [one.name for one in page.inside(page.all("list")[0])] == ["", "One", "Mug"]


def test_an_element_is_found_by_how_its_name_begins():
    assert [one.id for one in Page(SHOWN).starting("checkbox", "I ")] == [7]


@given(st.text())
def test_any_text_can_be_read(text):
    assert isinstance(Page(text).elements, tuple)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 99), st.text()), max_size=6))
def test_names_are_read_as_they_were_written(lines):
    import json

    text = "\n".join(f"{'  ' * depth}[{number}] button {json.dumps(name)}" for depth, number, name in lines)
    assert [(one.depth, one.id, one.name) for one in Page(text).elements] == [
        (2 * depth, number, name) for depth, number, name in lines
    ]
