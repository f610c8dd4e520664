"""gaoler: a whole Linux machine for every user of a host, in the time of a keystroke."""

__version__ = "0.1.0"
