"""Short ways to act on a page in tests."""

from pivotgym.core.messages import Action


def action(*calls):
    """An action of calls `(name, arguments)`."""
    return Action.model_validate({"tool_calls": [{"name": name, "arguments": given} for name, given in calls]})


def do(world, *calls):
    """Runs calls one by one and gives the effects of the last."""
    effects = None
    for call in calls:
        effects = world.run(action(call))
    return effects


def seen(world, *calls):
    """What the last of some calls shows, by default `look`."""
    return do(world, *(calls or [("look", {})])).observations[-1]


def number(text, role, name=""):
    """The number of the first element of a role and name in an observation."""
    line = next(line for line in text.splitlines() if f'] {role} "{name}' in line or (not name and f"] {role}" in line))
    return int(line.split("[")[1].split("]")[0])


def at(world, role, name=""):
    """The argument that names an element of the page in front."""
    return {"id": number(seen(world), role, name)}
