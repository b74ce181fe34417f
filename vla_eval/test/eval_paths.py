"""Files of the repository that tests read."""

from pathlib import Path

CARD = Path(__file__).resolve().parents[2] / "vla_bringup" / "cards" / "panda_tabletop.yaml"
