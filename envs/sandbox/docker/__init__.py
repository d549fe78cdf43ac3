"""The backend over a container engine (Docker): images per origin, one container per session.

Owns: how snapshots, sandboxes and their changes are made of images, containers and archives. Does not own: the shell's
protocol (`envs.sandbox.shell`), where a task's image comes from (the domains).
"""

from pivotgym.envs.sandbox.docker.backend import DockerBackend
from pivotgym.envs.sandbox.docker.images import ImageConfig, build_image, export_image

__all__ = ["DockerBackend", "ImageConfig", "build_image", "export_image"]
