"""Codecs: from a chunk in the card's units to what a head learns, and back."""
