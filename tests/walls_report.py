"""docs/explanation/walls-report.md from a run's results: python3 tests/walls_report.py RESULTS.xml > REPORT.md

RESULTS.xml is what `pytest --junit-xml` writes.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from xml.etree import ElementTree

_HOW = {
    "test_walls_jail": "a hostile static program in the kernel's place",
    "test_walls_guest": "root of a booted machine",
    "test_walls_socket": "a user of the host, at the socket",
    "test_walls_faults": "a fault from outside",
    "test_host_guard": "frames at a machine's port of a bridge",
    "test_host_jail": "a probe in the kernel's place",
    "test_failpoints": "the daemon dies",
}


def main() -> None:
    cases: dict[tuple[str, str], list[ElementTree.Element]] = defaultdict(list)
    for case in ElementTree.parse(sys.argv[1]).iter("testcase"):  # noqa: S314 - our own file
        module = case.get("classname", "").rpartition(".")[2]
        name, _, parameter = case.get("name", "").partition("[")
        cases[module, name].append(case)
    print("# What was tried, and how it ended\n")
    print("Made by `make walls`; what each means is in [threat-model.md](threat-model.md).\n")
    print("| abuse or fault | how tried | times | outcome |\n| --- | --- | --- | --- |")
    for (module, name), runs in cases.items():
        bad = [run for run in runs if run.find("failure") is not None or run.find("error") is not None]
        skipped = [run for run in runs if run.find("skipped") is not None]
        outcome = f"**failed {len(bad)}**" if bad else f"not run: {len(skipped)}" if skipped else "held"
        what = re.sub(r"^test_", "", name).replace("_", " ")
        print(f"| {what} | {_HOW.get(module, module)} | {len(runs)} | {outcome} |")


if __name__ == "__main__":
    main()
