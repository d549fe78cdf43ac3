"""Roles and names that HTML implies are those of Chromium's own accessibility tree."""

import json

from page_steps import seen

ELEMENTS = [
    "<div>a</div>",
    "<h2><a href=/>a <span>b</span></a></h2>",
    "<h2><a href=/>a</a><div>b</div><div>c</div></h2>",
    "<h2>a <img alt=b src='data:'></h2>",
    "<a href=/><span style='display: none'>a</span> b</a>",
    "<form><input></form>",
    "<form aria-label=x><input></form>",
    "<nav>a</nav>",
    "<nav aria-labelledby=h>a</nav>",
    "<main>a</main>",
    "<svg width=9 height=9><circle r=4 /></svg>",
    "<p>a</p>",
    "<ul><li>a</li></ul>",
    "<ul role=none><li>a</li></ul>",
    "<button>a <b>b</b></button>",
    "<button aria-label=x>a</button>",
    "<button title=x></button>",
    "<a href=/>a</a>",
    "<a>a</a>",
    "<h2 style='text-transform: uppercase'>a</h2>",
    "<style>h3::before { content: 'say ' }</style><h3>a</h3>",
    "<div role=button tabindex=0>a</div>",
    "<input>",
    "<input type=email aria-label=x>",
    "<input type=number>",
    "<input type=checkbox title=x>",
    "<input list=l><datalist id=l></datalist>",
    "<input type=search>",
    "<input type=submit value=x>",
    "<select><option>a</select>",
    "<select multiple><option>a</select>",
    "<textarea>a</textarea>",
    "<label>a <input type=radio></label>",
]


def test_what_is_implied_is_what_chromium_says(opened, chromium):
    world = opened(page="".join(f"<section>{one}</section>" for one in ELEMENTS))
    seen(world)
    script = """JSON.stringify([...document.querySelectorAll("section *")].map((element) => {
        const [role, name] = __pivotgym.told(element);
        return [element.outerHTML, role, name, element.computedRole, element.computedName.replace(/\\s+/g, " ").trim()];
    }))"""

    async def asked():
        return json.loads(await world._session.tab.page.evaluate(script))

    told = chromium.call(asked())
    assert len(told) > len(ELEMENTS)
    for shown, role, name, own_role, own_name in told:
        assert (shown, role, name) == (shown, own_role or role, own_name)
