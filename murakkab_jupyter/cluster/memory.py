"""How much memory a process here may still take, in a container too."""

from __future__ import annotations

from pathlib import Path

__all__ = ["free_bytes"]

_CGROUP = Path("/sys/fs/cgroup")


def free_bytes(cgroup: Path = _CGROUP) -> int:
    """Free memory of the host, or what the container's limit leaves of it when that is less."""
    import psutil

    free = int(psutil.virtual_memory().available)
    for limit, used, stat in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
    ):
        try:
            most = (cgroup / limit).read_text().strip()
            now = int((cgroup / used).read_text())
            # Cached files count as used, but are given back when memory is wanted.
            cached = sum(
                int(line.split()[1])
                for line in (cgroup / stat).read_text().splitlines()
                if line.split()[0] in ("inactive_file", "total_inactive_file")
            )
        except (OSError, ValueError, IndexError):
            continue
        if most.isdigit():
            free = min(free, int(most) - now + cached)
    return free
