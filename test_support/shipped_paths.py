"""Files of the repository that tests read."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
CARDS = REPOSITORY / "vla_bringup" / "cards"
CARD = CARDS / "panda_tabletop.yaml"
CHECKPOINT = REPOSITORY / "vla_policy" / "checkpoints" / "panda_tabletop.safetensors"
