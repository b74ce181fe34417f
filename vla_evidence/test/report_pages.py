"""A page of `vla report`, parsed."""

from __future__ import annotations

from html.parser import HTMLParser


class Page(HTMLParser):
    """Elements, named numbers, and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.numbers: dict[str, float] = {}
        self.text = ""
        self._skip = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        given = dict(attributes)
        self.elements.append((tag, given))
        self._skip += tag in ("style", "script")
        if tag == "data" and "data-name" in given:
            assert self.numbers.setdefault(given["data-name"], float(given["value"])) == float(given["value"])

    def handle_endtag(self, tag: str) -> None:
        self._skip -= tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self.text += data
