"""metadata.yaml of a rosbag2 folder, and how much of it can be believed: it is written last, and may be cut short.

Format: `rosbag2_storage/yaml.hpp`. Writers differ in the order of the fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vla_bags.entries import BagError
from vla_contract.files import FileError, read_text
from vla_contract.files.limits import METADATA
from vla_contract.files.yaml_text import YamlError, parse_yaml

METADATA_FILE = "metadata.yaml"
_INFORMATION = "rosbag2_bagfile_information"
_FIELDS = {
    "version": 0, "storage_identifier": 0, "duration": 0, "starting_time": 0, "message_count": 0, "topics_with_message_count": 0,
    "compression_format": 3, "compression_mode": 3, "relative_file_paths": 0, "files": 5, "custom_data": 6, "ros_distro": 8,
}  # fmt: skip
"""Fields, and the version from which on they are always there."""


@dataclass(frozen=True)
class MetadataFile:
    """What a folder's metadata.yaml tells.

    Args:
        information: What of it can be believed; empty where it is absent or cannot be read.
        problem: Why that is not all, in words; empty where it is whole.
    """

    information: dict
    problem: str = ""

    def differences(self, files: Iterable[Path], there: Iterable[Path], messages: int) -> list[str]:
        """Where it contradicts the bag, in words.

        Args:
            files: Those that are read. there: All that are in the folder.
            messages: How many they have together.
        """
        unread = sorted({*there} - {*files})
        found = [f"{file.name} is in the folder and not in {METADATA_FILE}: it is not read" for file in unread]
        told = self.information.get("message_count")
        if type(told) is int and told != messages:
            found.append(f"{METADATA_FILE} says that the bag has {told} messages, and {messages} are found")
        return found


def read_metadata(folder: Path) -> MetadataFile:
    """The metadata.yaml of a folder.

    Of one that is cut short what stands before the cut is believed; the field or entry that it goes through is not.

    Raises:
        BagError: It is no file that may be read, or a field is of another form.
    """
    path = folder / METADATA_FILE
    try:
        content = parse_yaml(read_text(path, METADATA))
    except FileNotFoundError:
        return MetadataFile({})  # all files of the folder are read
    except YamlError as error:
        if "not YAML" in str(error):
            return MetadataFile({}, f"{METADATA_FILE} is cut short or damaged, and not used")
        raise BagError(f"{path}: {error}") from None
    except FileError as error:
        raise BagError(str(error)) from None
    information = content.get(_INFORMATION) if isinstance(content, dict) else None
    if not isinstance(information, dict):
        return MetadataFile({}, f"{METADATA_FILE} has no {_INFORMATION}: it is cut short or damaged, and not used")
    absent = _absent(information)
    problem = f"{METADATA_FILE} has no {', '.join(absent)}: it is cut short" if absent else ""
    if absent:
        information = _before_the_cut(information)
    for key, kind, words in (("relative_file_paths", list, "a list"), ("custom_data", dict, "a mapping")):
        if not isinstance(information.get(key) or kind(), kind):
            raise BagError(f"{path}: {key} is not {words}")
    return MetadataFile(information, problem)


def _absent(information: dict) -> list[str]:
    version = information.get("version")
    if type(version) is not int:
        return ["version"]
    return [name for name, since in _FIELDS.items() if since <= version and name not in information]


def _before_the_cut(information: dict) -> dict:
    *_, (key, value) = information.items() or [("", None)]
    whole = {name: content for name, content in information.items() if name != key}
    if key == "custom_data" and isinstance(value, dict):
        whole[key] = dict(list(value.items())[:-1])
    return whole
