"""What the service is told by the program that starts it: it can read no configuration of root's itself."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Settings:
    """Times are seconds."""

    daemon: str
    """The path of its socket."""
    address: str
    """As people type it, `https://gateway:8443`."""
    tls: bool
    proxy: bool
    """A proxy in front tells, in X-Forwarded-For, who asks."""
    idle: int
    lifetime: int
    packages: str
    """The directory with what browsers run of others' making (node_modules)."""
    host: str
    """This host's name, to be shown."""

    def pack(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def unpack(cls, text: str) -> Settings:
        return cls(**json.loads(text))
