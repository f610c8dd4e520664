"""argparse with our errors: for help, mistakes, and whatever `arguments` does not read by itself."""

from __future__ import annotations

import argparse
from typing import NoReturn

from gaoler.errors import Usage


class FullParser(argparse.ArgumentParser):
    """Raises Usage instead of exiting."""

    def error(self, message: str) -> NoReturn:
        raise Usage("that can't be understood", message, f"{self.prog} --help")
