"""A load that the page itself gives up does not stop its time."""

from page_steps import at, seen


def test_a_picture_of_a_button_that_hides_itself_is_not_waited_for(opened):
    page = """<style>button:active { background: url(/icon.png) }</style>
    <button onclick="this.style.display = 'none'; setTimeout(() => document.title = 'later', 500)">Close</button>"""
    world = opened(page=page)
    text = seen(world, ("click", at(world, "button", "Close")))
    assert "Title: later" in text
    assert "Note:" not in text
