"""Types of command-line arguments that several verbs take."""

from __future__ import annotations

import argparse


def words(text: str) -> str:
    """Words that go into messages and files. An argument's bytes need not be text; a file's name need not be, either."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        byte = ord(text[error.start]) & 0xFF
        raise argparse.ArgumentTypeError(f"byte {error.start + 1} is 0x{byte:02x}, which is no text in UTF-8") from None
    return text
