"""Real overlay mounts for tests: a process in its own mount namespace does file operations and says what it saw.

Run as `unshare -m python overlay_laboratory.py` (as root) or `unshare -Ur -m ...`. Reads one JSON request a line:
{"root": folder, "layers": [[operation, ...], ...], "merge": int or null}. The first list makes a base, each further one
works over an overlay on all before. Answers per layer what a full walk says changed, beside what the store says.
"""

import ctypes
import json
import os
import shutil
import socket
import sys
from contextlib import contextmanager
from pathlib import Path

from pivotgym.envs.sandbox.contract import Change
from pivotgym.envs.sandbox.store.changes import changes_of, to_json
from pivotgym.envs.sandbox.store.ids import Ids
from pivotgym.envs.sandbox.store.layers import LayerStore
from pivotgym.envs.sandbox.store.trees import listing

_libc = ctypes.CDLL(None, use_errno=True)


def mount(kind: str, where: Path, options: str) -> None:
    if _libc.mount(kind.encode(), os.fsencode(where), kind.encode(), 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"mount {kind} {options}")


@contextmanager
def overlay(store: LayerStore, layers: list[str]):
    """(merged, upper) of a stack with a fresh tmpfs upper."""
    lab = store.root.parent / "lab"
    lab.mkdir(exist_ok=True)
    mount("tmpfs", lab, "size=64m")
    upper, work, merged = lab / "upper", lab / "work", lab / "merged"
    for folder in (upper, work, merged):
        folder.mkdir()
    lowers = ":".join(f"layers/{layer}/tree" for layer in reversed(layers))
    here = os.getcwd()
    os.chdir(store.root)
    mount("overlay", merged, f"lowerdir={lowers},upperdir={upper},workdir={work},userxattr")
    os.chdir(here)
    try:
        yield merged, upper
    finally:
        for place in (merged, lab):
            _libc.umount2(os.fsencode(place), 2)


def operate(root: Path, operation: list) -> None:
    """Do one file operation; what cannot be done is left undone."""
    name, path, argument = operation
    place = root / path
    if name in ("write", "append", "rewrite") and place.is_fifo():
        return  # would wait for the other end
    try:
        OPERATIONS[name](root, place, argument)
    except OSError:
        return


def remove(root: Path, place: Path, _: object) -> None:
    shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()


def bind(root: Path, place: Path, _: object) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(place.parent)  # an address has 108 bytes
        try:
            server.bind(place.name)
        finally:
            os.chdir("/")


OPERATIONS = {
    "write": lambda root, place, argument: place.write_bytes(os.fsencode(argument)),
    "append": lambda root, place, argument: place.write_bytes(place.read_bytes() + os.fsencode(argument)),
    "rewrite": lambda root, place, argument: place.write_bytes(place.read_bytes()),
    "touch": lambda root, place, argument: os.utime(place),
    "mkdir": lambda root, place, argument: place.mkdir(parents=True),
    "remove": remove,
    "rename": lambda root, place, argument: place.rename(root / str(argument)),
    "move": lambda root, place, argument: shutil.move(place, root / str(argument)),
    "symlink": lambda root, place, argument: place.symlink_to(str(argument)),
    "link": lambda root, place, argument: os.link(place, root / str(argument), follow_symlinks=False),
    "fifo": lambda root, place, argument: os.mkfifo(place),
    "socket": bind,
    "chmod": lambda root, place, argument: place.chmod(0o700 | len(str(argument))),
    "setuid": lambda root, place, argument: place.chmod(0o4755),
}


def difference(before: dict, after: dict) -> dict:
    paths = sorted({*before, *after})
    changes = {path: Change(before.get(path), after.get(path)) for path in paths}
    return to_json({path: change for path, change in changes.items() if change.before != change.after})


def one_layer(store: LayerStore, layers: list[str], operations: list) -> dict:
    """Work over a stack, store what changed as a new layer, and look at all of it again."""
    with overlay(store, layers) as (merged, upper):
        before = listing(merged, store.ids)
        for operation in operations:
            operate(merged, operation)
        after = listing(merged, store.ids)
        read = changes_of(upper, [store.path(layer) for layer in layers], store.ids)
        staged = store.stage()
        store.copy_upper(upper, staged)
    layer = store.commit(staged, read, layers)
    layers.append(layer)
    with overlay(store, layers) as (merged, _):
        again = listing(merged, store.ids)
    return {
        "walked": difference(before, after),
        "read": to_json(read),
        "lost": difference(after, again),
        "damage": store.damage(layer),
    }


def experiment(request: dict) -> dict:
    root = Path(request["root"])
    store = LayerStore(root / "store", Ids())
    staged = store.stage()
    for operation in request["layers"][0]:
        operate(staged.tree, operation)
    layers = [store.commit(staged, {}, (), identity="base")]
    start = listing(store.path(layers[0]), store.ids)
    results = [one_layer(store, layers, operations) for operations in request["layers"][1:]]
    with overlay(store, layers) as (merged, _):
        end = listing(merged, store.ids)
    answer = {"layers": results, "walked": difference(start, end), "total": to_json(store.total(layers))}
    if request.get("merge"):
        answer["merge"] = merge(store, layers, request["merge"], end)
    return answer


def merge(store: LayerStore, layers: list[str], count: int, end: dict) -> dict:
    from pivotgym.envs.sandbox.store.flatten import merge_layers

    total = store.total(layers)
    shorter = merge_layers(store, layers, count)
    with overlay(store, shorter) as (merged, _):
        again = listing(merged, store.ids)
    return {
        "lost": difference(end, again),
        "depth": len(shorter),
        "same": to_json(store.total(shorter)) == to_json(total),
        "damage": store.damage(shorter[-1]),
    }


if __name__ == "__main__":
    _libc.mount(b"none", b"/", None, 0x40000 | 0x4000, None)
    for line in sys.stdin:
        print(json.dumps(experiment(json.loads(line))), flush=True)
