"""Whether a page runs or loads what is not ours, by its source."""

from __future__ import annotations

import unicodedata
from html.parser import HTMLParser

_LOADS = ("src", "href", "xlink:href", "srcset", "action", "poster", "data", "formaction", "background")
_TAGS = frozenset(("iframe", "object", "embed", "form", "base", "frame", "applet", "portal"))


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def faults_of(page: str) -> list[str]:
    """In words; none: it has one script, whose hash its policy allows, loads nothing, and shows no control characters."""
    elements = _Elements()
    elements.feed(page)
    faults = []
    tags = [tag for tag, _ in elements.found]
    if tags.count("script") != 1 or tags.count("style") != 1 or _TAGS & set(tags):
        faults.append(f"the page has {tags.count('script')} scripts, {sorted(_TAGS & set(tags))}")
    policies = [
        a.get("content") or ""
        for tag, a in elements.found
        if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    ]
    if len(policies) != 1 or not policies[0].startswith("default-src 'none'"):
        faults.append("the page has no policy, or another one")
    for tag, attributes in elements.found:
        runs = [name for name in attributes if name.startswith("on")]
        loads = [
            name for name in _LOADS if name in attributes and not (attributes[name] or "").startswith(("data:", "#"))
        ]
        if runs or loads:
            faults.append(f"the page's <{tag}> has {', '.join(runs + loads)}")
    signs = sorted(
        {f"U+{ord(s):04X}" for s in page if s not in "\n\t" and unicodedata.category(s) in ("Cc", "Cf", "Zl", "Zp")}
    )
    return faults + ([f"the page holds {', '.join(signs)}"] if signs else [])
