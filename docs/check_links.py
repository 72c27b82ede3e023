"""Checks the links and pictures of a built site: ``python docs/check_links.py DIR``.

Only references inside the site are checked: files, and anchors in pages.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The references of a page, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.places: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Collect references and anchors."""
        for name, value in attributes:
            if name in ("href", "src") and value:
                self.links.add(value)
            if name == "id" and value:
                self.places.add(value)


def broken(site: Path) -> tuple[int, list[str]]:
    """Number of links inside ``site``, and the broken ones."""
    found = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    pages = {path.resolve(): page for path, page in found.items()}
    seen, lost = 0, []
    for path, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            seen += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            is_there = target.is_file()
            if is_there and target in pages:
                is_there = unquote(parts.fragment) in pages[target].places
            if not is_there:
                lost.append(f"{path.relative_to(site.resolve())}: {link}")
    return seen, lost


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    count, missing = broken(folder)
    print(*missing, f"{count} links in {folder}, {len(missing)} broken", sep="\n")
    sys.exit(bool(missing) or not count)
