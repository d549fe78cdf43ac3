"""The views as pages: templates, and what is answered where a view fails.

Owns: rendering and the table of pages and twins. Does not own: what a view shows (`views`, `trying`), or who may see it
(`door`).
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode

from jinja2 import Environment, FunctionLoader, StrictUndefined
from pydantic import BaseModel

from pivotgym.core.errors import NotFound, PivotGymError
from pivotgym.servers.endpoint import Call, RouteSpec
from pivotgym.servers.gateway.web import charts, models, views
from pivotgym.servers.gateway.web.lines import clean
from pivotgym.servers.gateway.web.shown import MessageShown
from pivotgym.servers.gateway.web.trying import TryRequest, formats, try_action
from pivotgym.servers.wire import Reply, as_error, check, parse, reply

if TYPE_CHECKING:
    from pivotgym.servers.gateway.service import Gateway

_HTML = ((b"content-type", b"text/html; charset=utf-8"),)
_REPORT_POLICY = b"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"
"""A report is a file that anybody may have written: it is shown, and can do nothing."""
_MOST_REPORT = 64 * 2**20


@dataclass(frozen=True)
class View:
    """A view: its path, its template, and what fills both."""

    path: str
    template: str
    load: Callable[[Any, Call], Awaitable[BaseModel]]
    model: type[BaseModel]
    summary: str
    query: tuple[str, ...] = ()


VIEWS = (
    View("/ui", "overview.html", views.overview, models.Overview, "Domains, servers, sessions, runs"),
    View("/ui/runs", "runs.html", views.run_list, models.RunList, "All runs"),
    View("/ui/runs/{run}", "run.html", views.run_view, models.RunView, "A run: curves, profile, stages"),
    View(
        "/ui/runs/{run}/pivots",
        "pivots.html",
        views.pivot_list,
        models.PivotList,
        "A page of a run's pivots",
        query=("page", "q", "kept"),
    ),
    View(
        "/ui/runs/{run}/pivots/{pivot_id:path}",
        "pivot.html",
        views.pivot_view,
        models.PivotView,
        "A pivot: its state, the expert's action, what was sampled",
    ),
)
_PIVOT = VIEWS[-1]


def twins() -> tuple[RouteSpec, ...]:
    """The JSON twins, for the gateway's routes and its document."""
    return (
        *(
            RouteSpec("GET", f"{view.path}.json", _twin(view), view.summary, response=view.model, query=view.query)
            for view in VIEWS
        ),
        RouteSpec(
            "POST", f"{_PIVOT.path}.json", tried_twin, "Try an action", request=TryRequest, response=models.Tried
        ),
    )


def pages() -> tuple[RouteSpec, ...]:
    """The pages, and what answers every other address below theirs."""
    return (
        *(RouteSpec("GET", view.path, _page(view), view.summary) for view in VIEWS[:-1]),
        RouteSpec("GET", "/ui/runs/{run}/report", _guarded(report), "The run's report"),
        RouteSpec("GET", _PIVOT.path, _page(_PIVOT), _PIVOT.summary),
        RouteSpec("POST", _PIVOT.path, _guarded(tried_page), "Try an action"),
        RouteSpec("GET", "/ui/{rest:path}", _guarded(nothing), "What is not there"),
        RouteSpec("POST", "/ui/{rest:path}", _guarded(nothing), "What is not there"),
    )


def _twin(view: View) -> Callable[[Any, Call], Awaitable[Reply]]:
    async def twin(gateway: Gateway, call: Call) -> Reply:
        return reply(await view.load(gateway, call))

    twin.__doc__ = view.load.__doc__
    return twin


def _page(view: View) -> Callable[[Any, Call], Awaitable[Reply]]:
    async def page(gateway: Gateway, call: Call) -> Reply:
        shown = await view.load(gateway, call)
        return render(view.template, gateway, view=shown)

    return _guarded(page)


def _guarded(handler: Callable[[Any, Call], Awaitable[Reply]]) -> Callable[[Any, Call], Awaitable[Reply]]:
    """The handler, its failures as pages."""

    async def guarded(gateway: Gateway, call: Call) -> Reply:
        try:
            return await handler(gateway, call)
        except Exception as error:  # the boundary: whatever it is becomes a page that says so
            known = as_error(error)
            gateway.metrics.error(known.code)
            return error_page(gateway, known)

    return guarded


async def tried_twin(gateway: Gateway, call: Call) -> Reply:
    """Try an action at a pivot: the domain's verdict."""
    asked = parse(TryRequest, call.body)
    return reply(await try_action(gateway, call.path["run"], call.path["pivot_id"], asked))


async def tried_page(gateway: Gateway, call: Call) -> Reply:
    """The pivot's page with the verdict on the action of the form, or with what is wrong with it."""
    fields = dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10))
    shown = await views.pivot_view(gateway, call)
    text, form = fields.get("text", ""), fields.get("format", "message")
    tried, error = None, None
    try:
        asked = check(TryRequest, {"text": text, "format": form})
        tried = await try_action(gateway, call.path["run"], call.path["pivot_id"], asked)
    except PivotGymError as known:
        gateway.metrics.error(known.code)
        error = known
    page = render("pivot.html", gateway, view=shown, tried=tried, error=error, text=text, form=form)
    page.status = error.status if error is not None else 200
    return page


async def report(gateway: Gateway, call: Call) -> Reply:
    """The run's report, as the file that it is."""
    run = gateway.runs.get(call.path["run"])
    if run.report is None or run.report.stat().st_size > _MOST_REPORT:
        raise NotFound(f"report: {run.name!r} has none yet", hint="pivotgym report RUN -o RUN writes one")
    return Reply(run.report.read_bytes(), headers=(*_HTML, (b"content-security-policy", _REPORT_POLICY)))


async def nothing(gateway: Gateway, call: Call) -> Reply:
    """There is no such page; says which there are."""
    raise NotFound(
        f"no page at /ui/{call.path['rest'][:200]}",
        hint="there are /ui, /ui/runs, /ui/runs/RUN, /ui/runs/RUN/pivots and /ui/runs/RUN/pivots/PIVOT",
    )


def error_page(gateway: Gateway, error: PivotGymError) -> Reply:
    """A page that says what went wrong."""
    page = render("error.html", gateway, error=error, phrase=HTTPStatus(error.status).phrase)
    page.status = error.status
    if error.retry_after_s is not None:
        page.headers = (*page.headers, (b"retry-after", str(max(1, round(error.retry_after_s))).encode()))
    return page


def render(template: str, gateway: Gateway, **values: Any) -> Reply:
    """A page of a template."""
    given = {"tried": None, "error": None, "text": None, "form": "message", **values}
    text = environment().get_template(template).render(signed=gateway.tokens.bearer is not None, **given)
    return Reply(text.encode("utf-8", "replace"), headers=_HTML)


@functools.cache
def environment() -> Environment:
    """The templates, escaping everything they are given."""
    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(lambda name: _file("templates", name).decode()),
    )
    made.filters.update(segment=segment, ago=ago, seconds=seconds, number=number, prefilled=prefilled)
    made.globals.update(curve=charts.curve, histogram=charts.histogram, formats=formats, page_query=page_query)
    return made


def _file(folder: str, name: str) -> bytes:
    return (files("pivotgym.servers.gateway.web") / folder / name).read_bytes()


@functools.cache
def static(name: str) -> bytes | None:
    """One of the page's own files; `None` for any other name, whatever path it spells."""
    return _file("static", name) if name in STATIC else None


STATIC = {
    "page.css": b"text/css; charset=utf-8",
    "page.js": b"text/javascript; charset=utf-8",
    "mark.svg": b"image/svg+xml",
}


def segment(text: str) -> str:
    """A name as one segment of an address."""
    return quote(clean(text), safe=":")


def page_query(page: int, q: str, kept: str) -> str:
    """The query of a page of the list."""
    values = {"page": page, "q": q, "kept": kept}
    return "?" + urlencode({name: value for name, value in values.items() if value not in ("", 1)})


def ago(value: float) -> str:
    """A time that has passed, in one unit."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if value >= size:
            return f"{value / size:.0f} {unit}"
    return f"{value:.0f} s"


def seconds(value: float | None) -> str:
    """A duration."""
    return "–" if value is None else f"{value:.1f} s" if value < 10 else f"{value:,.0f} s"


def number(value: float | None) -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def prefilled(expert: MessageShown) -> str:
    """The expert's action as the text of the box, to be changed."""
    calls = [f'{{"name": "{call.name}", "arguments": {call.arguments}}}' for call in expert.calls]
    return f"[{', '.join(calls)}]" if len(calls) > 1 else calls[0] if calls else expert.text
