#!/usr/bin/env python3
"""Counts lines of code room by room, without blank lines, comments, docs and unit tests; then the core's public types and
variants of errors.

    size.py [CHECKOUT]
"""

import re
import sys
from collections import Counter
from pathlib import Path


def code(path: Path) -> int:
    """Lines of a file before its unit tests, which stand at its end."""
    text = path.read_text().split("\n#[cfg(test)]\nmod ")[0]
    lines = (line.strip() for line in text.splitlines())
    return sum(1 for line in lines if line and not line.startswith("//"))


def main() -> None:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    for top in ["src", "lab/src", "examples", "checks", "benches"]:
        rooms: Counter[str] = Counter()
        for file in (root / top).rglob("*.rs"):
            parts = file.relative_to(root / top).parts
            if "tests" not in parts and file.name != "tests.rs":
                rooms[parts[0]] += code(file)
        print(f"{sum(rooms.values()):6} {top}")
        for room, lines in rooms.most_common():
            print(f"{lines:12} {room}")
    items = (root / "docs/public-items.txt").read_text()
    print(f"{len(re.findall(r'^(?:struct|enum|trait) burn_apollo::', items, re.M)):6} public types of the core")
    errors = re.findall(r"^enum burn_apollo::\S*(?:Error|Damage|ErrorKind)\n((?: {4}.*\n)*)", items, re.M)
    variants = [line for block in errors for line in block.splitlines() if re.fullmatch(r" {4}[A-Z]\w*", line)]
    print(f"{len(variants):6} variants of its errors")


main()
