"""Words of an instruction that stop, forbid, or ask for something else, and the verbs that ask for the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable


def _plain(text: str) -> str:
    """Small letters without accents; signs that nobody sees are left out."""
    shown = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return "".join(c for c in unicodedata.normalize("NFKD", shown) if not unicodedata.combining(c)).casefold()


STOPS = frozenset(
    _plain(
        "stop stops halt freeze pause wait abort cancel cease quit brake whoa estop emergency stopp stoppen stoppe stoppa alto "
        "arret arrete arretez halte anhalten aufhoren notaus nothalt ferma fermati basta detente pare parar stoj tomare desist "
        "стоп стой стойте 停止 停下 停 止まれ 止めて とまれ 정지 멈춰 멈춰라"
    ).split()
)
"""Whoever says one of them anywhere means to stop, but where it names a thing: "the stop sign"."""
_ALONE = STOPS | frozenset("no hold stay still stand standby enough don't dont never nothing nein non".split())
"""These do where nothing else is said; a task may have them: "hold up the cup"."""
_FILLERS = frozenset(
    "please now right immediately at once it the robot arm arms moving everything all vla on there here still that that's "
    "thats is this do you your where are position hey ok okay just and there's fast quick quickly".split()
)
_THING_BEFORE = frozenset("a an the this that these those each every".split())
_THING_AFTER = frozenset("sign signs button buttons light lights switch key lever pedal bar line valve".split())
_PHRASES = re.compile(
    r"\b(?:e stop|emergency stop|s+t+o+p+|do not move|don't move|dont move|do nothing|stay put|stand (?:still|by|down)|"
    r"(?:hold|stay|keep|sit|be) still|do not|that will do)\b"
)
_SPELT = re.compile(r"(?<![^\W_])[^\W\d_](?:[.\-_* ][^\W\d_]){2,}(?![^\W_])")
"""Letters one by one: s.t.o.p"""
_CLAUSE = re.compile(r"[.!?;:,\n…–—]|\s-+\s|-{2,}")
_FORBIDS = re.compile(
    r"(?<!\bthat is )(?<!\bwhich is )(?<!\bthat are )(?<!\bwhich are )\bnot\b|(?<!\bthat )(?<!\bwhich )\b[a-z]+n't\b|"
    r"\b(?:never|cannot|neither|nor|dont)\b|\bdon t\b|(?<!\bwith )(?<!\bhas )(?<!\bhave )\bno\b|"
    r"\b(?:keep|stay|get|back|hands|lay) (?:off|away|clear|out)\b|\bleave\b.*\balone\b"
)
_FORBIDDING = frozenset("refuse avoid refrain ignore skip forget decline deny forbid prevent resist".split())
"""These forbid where they are what is asked for first: "pick up the cup and avoid the bowl" is a task."""

_OWN_DOING = re.compile(r"\b(?:i|we)\b(?!'d\b)(?! (?:want|need|would like)\b)")
"""Somebody tells what they do themselves, or asks whether they may."""
_LEAD_IN = _FILLERS | frozenset(
    "i we i'd we'd want need would like you to can could will should must may kindly hey hello hi let's us try me go ahead next "
    "first always so well carefully slowly gently softly up".split()
)
FUNCTION = frozenset("a an the of to on in into onto with from off down up at it its one and goes is are for by over".split())
CHANGES = frozenset(
    "not don't never without except instead nothing then afterwards twice no refuse avoid refrain ignore skip forget "
    "decline if unless until till before after when while otherwise else but or down back away apart aside lower drop "
    "release throw toss fling hurl push pull shove break leave knock kick hit smash crush squash squeeze shake tip tilt "
    "topple flip turn rotate spin roll slide drag spill pour poke touch wave hide cut tear destroy dump let lose undo "
    "ungrasp unstack abandon damage bury swap later tomorrow soon "
    "stay keep remain rid lost fire".split()
)
"""Words that turn a sentence into another one, however near the two come."""
_ADDED = frozenset("into onto inside with using against under underneath beneath behind beside between through".split())
"""Words by which a text adds a place or a tool: they have to be the task's."""
ALIKE = (
    frozenset("pick lift grab take grasp get raise fetch hold grip hoist elevate seize retrieve collect".split()),
    frozenset("put place set lay position deposit move".split()),
    frozenset("stack pile build".split()),
)
"""Verbs that ask for the same thing, one group a line."""


def normalised(text: str) -> str:
    """Small letters, one space between words, no accents and no punctuation."""
    plain = _plain(re.sub("[‘’ʼ′`´]", "'", text))
    plain = _SPELT.sub(lambda found: re.sub(r"[\W_]", "", found.group()), plain)
    return " ".join(re.findall(r"[^\W_]+(?:'[^\W_]+)?", plain))


def means_stop(text: str) -> bool:
    """Somebody wants the arm to stop, and says nothing else."""
    words = _PHRASES.sub("stop", normalised(text)).split()
    return any(word in _ALONE for word in words) and all(word in _ALONE | _FILLERS for word in words)


def stopping_word(text: str, names: Iterable[str] = ()) -> str:
    """What in a text means to stop, whatever else it says; empty for nothing. names: of things, a word in which stops nothing."""
    for clause in _CLAUSE.split(text):
        if means_stop(clause):
            return clause.strip()
    words = re.sub(r"\bs+t+o+p+\b|\be stop\b", "stop", _without(normalised(text), names)).split()
    for before, word, after in zip(["", *words], words, [*words[1:], ""], strict=False):
        if word in STOPS and before not in _THING_BEFORE and after not in _THING_AFTER:
            return word
    return next(iter(re.findall(r"\b(?:do nothing|stay put|(?:hold|stay|keep|stand|sit) still)\b", " ".join(words))), "")


def forbidding_word(text: str, names: Iterable[str] = ()) -> str:
    """What in a text says that something is not to be done; empty for nothing."""
    plain = _without(normalised(text), names)
    found = _FORBIDS.search(plain)
    if found:
        return found.group()
    heads = [_head(normalised(clause).split()) for clause in _CLAUSE.split(text)]
    return next((head for head in heads if head in _FORBIDDING), "")


def strange_verb(text: str, own: set[str]) -> str:
    """The word by which a text, or what is joined to it by a comma or an "and", asks for something else than these words do."""
    doing = _OWN_DOING.search(normalised(text))
    if doing:
        return doing.group()
    allowed = own.union(*(group for group in ALIKE if group & own))
    for clause in _CLAUSE.split(text):
        for part in re.split(r"\b(?:and|then|but|or|plus|also)\b|[&+/]", clause.casefold()):
            head = _head(normalised(part).split())
            if head and head not in allowed:
                return head
    return next((word for word in normalised(text).split() if word in _ADDED - own), "")


def _head(words: list[str]) -> str:
    """The first word that says something: of a request its verb."""
    return next((word for word in words if word not in _LEAD_IN | FUNCTION), "")


def _without(plain: str, names: Iterable[str]) -> str:
    """The text without those names that have several words."""
    several = sorted((re.escape(name) for name in map(normalised, names) if " " in name), key=len, reverse=True)
    return re.sub(rf"\b(?:{'|'.join(several)})\b", "thing", plain) if several else plain
