#!/usr/bin/env python3
"""Lists the public items of the crates, with their methods, fields and variants, from the pages that `cargo doc` made.

    public_items.py TARGET/doc > docs/public-items.txt

A change of the list is a change of the interface: it belongs into the same commit, and into CHANGELOG.md.
"""

import re
import sys
from pathlib import Path

CRATES = ["burn_apollo", "burn_apollo_lab"]
ITEM = re.compile(r'<li><a href="([^"]+)">([^<]+)</a></li>')
MEMBER = re.compile(r'id="(method|tymethod|variant|structfield|associatedconstant|associatedtype)\.([A-Za-z0-9_.]+)"')
# Sections of a page that other crates' traits fill.
FOREIGN = re.compile(r'id="(trait-implementations|synthetic-implementations|blanket-implementations|foreign-impls)')


def members(page: str) -> list[str]:
    own = FOREIGN.split(page)[0]
    names = {name.replace(".field.", ".") for _, name in MEMBER.findall(own)}
    return sorted(name for name in names if not name.endswith(".fields"))


def main() -> None:
    docs = Path(sys.argv[1])
    for crate in CRATES:
        items = ITEM.findall((docs / crate / "all.html").read_text())
        for link, name in sorted(items, key=lambda item: item[1]):
            kind = Path(link).name.split(".")[0]
            print(f"{kind} {crate}::{name}")
            for member in members((docs / crate / link).read_text()):
                print(f"    {member}")


main()
