"""docs/explanation/walls-report.md from runs' results: python3 tests/walls_report.py RESULTS.xml... > REPORT.md

RESULTS.xml is what `pytest --junit-xml` writes; of a test in several, the last one counts.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from xml.etree import ElementTree as ET

_HOW = {
    "walls.test_jail": "a hostile static program in the kernel's place",
    "walls.test_guest": "root of a booted machine",
    "walls.test_socket": "a user of the host, at the socket",
    "walls.test_faults": "a fault from outside",
    "walls.test_store": "a fault of the store's disk",
    "walls.test_crowd": "the daemon dies under load",
    "walls.test_spoofing": "root of a booted machine, heard on the LAN",
    "walls.test_guard": "frames at a machine's port of a bridge",
    "host.test_jail": "a probe in the kernel's place",
    "walls.test_failpoints": "the daemon dies",
    "walls.test_shares": "two owners on one processor",
}


def bad(case: ET.Element) -> bool:
    return case.find("failure") is not None or case.find("error") is not None


def main() -> None:
    results: dict[tuple[str, str], ET.Element] = {}
    for path in sys.argv[1:]:
        cases = list(ET.parse(path).iter("testcase"))
        # A test that failed, and left something behind as well, is there twice.
        for key in {(case.get("classname", ""), case.get("name", "")) for case in cases}:
            results.pop(key, None)
        for case in cases:
            key = case.get("classname", ""), case.get("name", "")
            if key not in results or bad(case):
                results[key] = case
    tests: dict[tuple[str, str], list[ET.Element]] = defaultdict(list)
    for (module, name), case in results.items():
        tests[".".join(module.split(".")[-2:]), name.partition("[")[0]].append(case)
    print("# What was tried, and how it ended\n")
    print("Made by `make walls`; what each means is in [threat-model.md](threat-model.md).\n")
    print("| abuse or fault | how tried | times | outcome |\n| --- | --- | --- | --- |")
    for (module, name), runs in sorted(tests.items(), key=lambda item: item[0]):
        failed = [run for run in runs if bad(run)]
        skipped = [run for run in runs if run.find("skipped") is not None]
        outcome = f"**failed {len(failed)}**" if failed else f"not run: {len(skipped)}" if skipped else "held"
        what = re.sub(r"^test_", "", name).replace("_", " ")
        print(f"| {what} | {_HOW.get(module, module)} | {len(runs)} | {outcome} |")


if __name__ == "__main__":
    main()
