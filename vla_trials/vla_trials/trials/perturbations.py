"""What `--perturb` may ask for: names, units and ranges, and how words become numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vla_trials.trials.errors import TrialsError


@dataclass(frozen=True)
class Kind:
    """One kind of perturbation.

    Attributes:
        unit: Of its value, empty for a count or a share.
        low, high: Smallest and largest value allowed.
        whole: Only whole numbers.
        camera: Written as CAMERA:VALUE.
        help: What it does.
    """

    unit: str
    low: float
    high: float
    help: str
    whole: bool = False
    camera: bool = False

    @property
    def range(self) -> str:
        """In words, with the unit."""
        unit = f" {self.unit}" if self.unit else ""
        return f"{'CAMERA:' if self.camera else ''}{self.low:g} to {self.high:g}{unit}"


KINDS: dict[str, Kind] = {
    "latency": Kind("ms", 0, 2000, "added to each latency from camera stamp to chunk"),
    "viewpoint": Kind("m", 0, 0.3, "the first camera is moved this far in a drawn direction, looking the same way"),
    "lighting": Kind("", 0, 0.9, "all lights brighter or darker by this share, which of the two is drawn"),
    "distractors": Kind("", 0, 5, "objects added to the table, as far as there are any and they find room", whole=True),
    "dropout": Kind("", 0, 1, "share of this camera's images that never arrive", camera=True),
    "move": Kind(
        "m", 0.01, 0.2, "the target jumps this far across the table, once, 0.3 to 1.2 s in, while the hand is not at it"
    ),
    "push": Kind("m", 0.005, 0.08, "the hand is pushed sideways by about this for 0.2 s, once, 0.8 to 2.5 s in"),
}


@dataclass(frozen=True)
class Perturbations:
    """Checked values, in the units of `KINDS`; zero or nothing where not asked for.

    Attributes:
        dropout: Camera name and share, in the order given.
    """

    latency: float = 0.0
    viewpoint: float = 0.0
    lighting: float = 0.0
    distractors: int = 0
    dropout: tuple[tuple[str, float], ...] = ()
    move: float = 0.0
    push: float = 0.0

    @property
    def text(self) -> str:
        """The words that `parse` reads back, in the order of `KINDS`; empty where nothing is perturbed."""
        words = []
        for name, kind in KINDS.items():
            value = getattr(self, name)
            if kind.camera:
                words += [f"{name}={camera}:{share:.12g}" for camera, share in value]
            elif value:
                words.append(f"{name}={value:.12g}")
        return " ".join(words)

    def check_cameras(self, names: Iterable[str]) -> None:
        """Raises TrialsError where a camera is named that the card does not have."""
        known = list(names)
        for camera, _ in self.dropout:
            if camera not in known:
                raise TrialsError(f"dropout: no camera '{camera}', the card has: {', '.join(known)}")


def parse(words: Iterable[str]) -> Perturbations:
    """From words such as "latency=300" and "dropout=front:0.2".

    Raises:
        TrialsError: An unknown name (with those that exist), a value that is none or out of range, a name given twice.
    """
    values: dict = {}
    for word in words:
        name, equals, text = word.partition("=")
        if name not in KINDS:
            raise TrialsError(f"no perturbation '{name}'; there are: {', '.join(KINDS)}")
        kind = KINDS[name]
        camera = ""
        if kind.camera:
            camera, _, text = text.rpartition(":")
        try:
            value = float(text) if equals else None
        except ValueError:
            value = None
        fits = value is not None and kind.low <= value <= kind.high and not (kind.whole and value != int(value))
        if not fits or (kind.camera and not camera):
            raise TrialsError(f"{word}: {name} takes {'whole numbers, ' if kind.whole else ''}{kind.range}")
        if kind.camera:
            taken = values.setdefault(name, ())
            if camera in dict(taken):
                raise TrialsError(f"{name}: camera '{camera}' is given twice")
            values[name] = (*taken, (camera, value))
        elif name in values:
            raise TrialsError(f"{name} is given twice")
        else:
            values[name] = int(value) if kind.whole else value
    return Perturbations(**values)


def help_text() -> str:
    """All kinds with unit and range, for `--help`."""
    return "; ".join(f"{name}={kind.range}: {kind.help}" for name, kind in KINDS.items())
