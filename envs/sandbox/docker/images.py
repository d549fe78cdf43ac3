"""Images of a container engine: what they say of themselves, building and exporting them, and bases made of them.

Owns: image -> `ImageConfig`, build folder -> image, `Base` -> image, image -> archive of its root file system. Does not
own: sandboxes over an image (`envs.sandbox.docker.sandbox`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pivotgym.core.errors import InputError, MissingDependency, NotFound, WorldFailed
from pivotgym.envs.sandbox.contract import Base
from pivotgym.envs.sandbox.docker import archives, engine
from pivotgym.envs.sandbox.docker.changes import read_file
from pivotgym.envs.sandbox.docker.engine import KIND, calls, client, remove_container

BASE = "pivotgym.base"
"""Label: digest of the `Base` that an image was made of."""
USER = "pivotgym.user"
"""Label: who the shells of an image run as."""
HOME = "pivotgym.home"
"""Label: that user's home folder."""
WHOLE = "pivotgym.whole"
"""Label: the image that holds the files of one that was stored anew, and of those that stand on it."""
_FORM = 2
"""Raised whenever bases are made in another way."""
_BLOCK = 1 << 20


@dataclass(frozen=True)
class ImageConfig:
    """What an image says of itself.

    Attributes:
        id: `sha256:...`, which names its content.
        environment: Variables it sets.
        cwd: Where its commands begin.
        user: Who they run as; "" for root.
        labels: Its labels.
        depth: How many layers it is made of.
    """

    id: str
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"
    user: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    depth: int = 1


def image_config(image: str) -> ImageConfig:
    """What an image says of itself.

    Args:
        image: Name or id; it must be on this machine.

    Raises:
        NotFound: If it is not.
        MissingDependency: If there is no engine.
    """
    with calls(f"image {image!r}"):
        found = client().inspect_image(image)
    config = found.get("Config") or {}
    pairs = (pair.partition("=") for pair in config.get("Env") or ())
    return ImageConfig(
        id=found["Id"],
        environment={name: value for name, _, value in pairs},
        cwd=config.get("WorkingDir") or "/",
        user=config.get("User") or "",
        labels=config.get("Labels") or {},
        depth=len(found["RootFS"].get("Layers") or ()),
    )


def have_image(image: str) -> ImageConfig:
    """An image of this machine, pulled if it is not there. Arguments as for `image_config`.

    Raises:
        MissingDependency: If it is not there and cannot be pulled.
    """
    try:
        return image_config(image)
    except NotFound as absent:
        if image.startswith("sha256:"):
            raise
        try:
            with calls(f"image {image!r}"):
                for line in client().pull(image, stream=True, decode=True):
                    if "error" in line:
                        raise NotFound(str(line["error"]))
        except Exception as error:
            raise MissingDependency(
                f"image {image!r}: not on this machine, and pulling it failed: {error}",
                hint=f"docker pull {image}, or build it under that name",
            ) from absent
        return image_config(image)


def build_image(context: Path, *, dockerfile: str = "Dockerfile", tag: str = "", timeout_s: float = 600.0) -> str:
    """Build an image from a folder with a Dockerfile; the engine's cache makes a second time quick.

    Args:
        context: The folder; its `.dockerignore` counts.
        dockerfile: Its path in the folder.
        tag: A name for it, or "".
        timeout_s: Seconds between two signs of life of the build.

    Returns:
        The image's id.

    Raises:
        InputError: If a step of the build fails; the message carries the end of its log.
        TimedOut: If nothing was heard of it for `timeout_s`.
        MissingDependency: If there is no engine.
    """
    log: list[str] = []
    built = ""
    with calls(f"build of {context.name!r}"):
        # The host's network, because an engine in a container or a sandbox often has no other that leads anywhere.
        lines = client().build(
            path=str(context), dockerfile=dockerfile, tag=tag or None, rm=True, forcerm=True, decode=True,
            network_mode="host", timeout=timeout_s,
        )  # fmt: skip
        for line in lines:
            if "error" in line:
                raise InputError(
                    f"build of {context.name!r} failed: {line['error'].strip()}",
                    details={"log": "".join(log)[-4000:]},
                )
            log.append(str(line.get("stream", "")))
            built = str(line.get("aux", {}).get("ID", built))
    if not built:
        raise WorldFailed(
            f"build of {context.name!r}: the engine named no image", details={"log": "".join(log)[-4000:]}
        )
    return built


def base_key(base: Base, image: ImageConfig, version: str) -> str:
    """Names a base by its content, for the label `BASE`."""
    known = [_FORM, version, image.id, base.identity, base.user, base.folder_at, [at for _, at in base.archives]]
    files = {path: hashlib.sha256(content).hexdigest() for path, content in sorted(base.files.items())}
    return hashlib.sha256(json.dumps([known, files]).encode()).hexdigest()


def find_base(key: str) -> str | None:
    """The image of a base that was built before."""
    with calls("looking for a base"):
        # What stands on a base inherits its label, but is of another kind.
        found = client().images(filters={"label": [f"{BASE}={key}", f"{KIND}=base"]})
    return str(found[0]["Id"]) if found else None


def make_base(base: Base, image: ImageConfig, key: str) -> str:
    """Build the image of a base: the origin's image with its archives, folder and files put in.

    Nothing runs: the container that is committed is created and never started.

    Raises:
        InputError: If an archive cannot be unpacked.
        WorldFailed: If the engine fails.
    """
    user = image.user if base.user == "root" and image.user else base.user
    with calls("building a base"):
        made = client().create_container(image.id, ["bash"], entrypoint=[], labels=engine.labels("builder"))["Id"]
        try:
            for archive, folder in base.archives:
                with archives.repack(archive, folder) as packed:
                    client().put_archive(made, "/", packed)
            made_here = base.made_folder()
            if made_here is not None:
                with archives.pack_folder(made_here, base.folder_at) as packed:
                    client().put_archive(made, "/", packed)
            for path, content in sorted(base.files.items()):
                client().put_archive(made, "/", archives.pack_file(path, content, 0o644))
            kept = {KIND: "base", BASE: key, USER: user, HOME: _home(made, user)}
            return str(client().commit(made, conf={"Labels": kept})["Id"])
        finally:
            remove_container(made)


def export_image(image: str, archive: Path) -> ImageConfig:
    """Write the root file system of an image as one tar archive, for backends that unpack it as a layer.

    Args:
        image: Name or id; pulled if it is not on this machine.
        archive: The file to write; there only when it is complete. Owners, modes, links and devices are as in the
            image; `/dev`, `/proc`, `/sys` hold nothing but what the image itself put there.

    Raises:
        MissingDependency: If there is no engine, or the image cannot be had.
        WorldFailed: If the engine fails.
    """
    config = have_image(image)
    half = archive.with_name(archive.name + ".part")
    with calls(f"export of {image!r}"):
        made = client().create_container(config.id, ["bash"], entrypoint=[], labels=engine.labels("builder"))["Id"]
        try:
            with half.open("wb") as file:
                for chunk in client().export(made, chunk_size=_BLOCK):
                    file.write(chunk)
            half.replace(archive)
        finally:
            half.unlink(missing_ok=True)
            remove_container(made)
    return config


def commit(container: str, kept: Mapping[str, str]) -> str:
    """Freeze a container's files as an image that stands on its own image.

    Args:
        container: Its id.
        kept: The image's labels.

    Raises:
        WorldFailed: If the engine cannot store it.
    """
    with calls("saving a state"):
        return str(client().commit(container, conf={"Labels": dict(kept)})["Id"])


def flattened(image: str, kept: Mapping[str, str]) -> str:
    """The same files as an image of few layers; takes seconds, for everything is written anew.

    Args:
        image: Its id.
        kept: The new image's labels.

    Raises:
        WorldFailed: If the engine cannot store it.
    """
    api = client()
    with calls("storing a state anew"):
        old = api.create_container(image, ["bash"], entrypoint=[], labels=engine.labels("builder"))["Id"]
        try:
            said = api.import_image(api.export(old, chunk_size=_BLOCK), stream_src=True)
        finally:
            remove_container(old)
        whole = str(json.loads(said.splitlines()[-1])["status"])
        made = api.create_container(whole, ["bash"], labels=engine.labels("builder"))["Id"]
        try:
            return str(api.commit(made, conf={"Labels": {**kept, WHOLE: whole}})["Id"])
        finally:
            remove_container(made)


def is_kind(image: str, kind: str) -> bool:
    """Whether an image that is there was made for this purpose."""
    try:
        return image_config(image).labels.get(KIND) == kind
    except NotFound:
        return False


def _home(container: str, user: str) -> str:
    """A user's home folder by the passwd file of a container, else `/root` or `/`."""
    name = user.partition(":")[0] or "root"
    text = (read_file(container, "/etc/passwd") or b"").decode(errors="replace")
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) > 5 and name in (fields[0], fields[2]):
            return fields[5]
    return "/root" if name in ("root", "0") else "/"
