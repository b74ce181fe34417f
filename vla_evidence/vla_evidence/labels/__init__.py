"""What failed first in an episode: labels, each with its rule."""
