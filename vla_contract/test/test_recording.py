"""What is asked of a recording is judged before anything starts."""

import shutil
from pathlib import Path

import pytest

from vla_contract import recording
from vla_contract.recording import RecordingError, check_disk, check_launch, check_new, check_quality, free_on_disk

DEFAULTS = {"record": "true", "record_to": "", "record_images": "jpeg", "record_jpeg_quality": "90"}


def launch(**given: str) -> None:
    check_launch({**DEFAULTS, **given}, given, {**DEFAULTS, **given}["record"] == "true")


@pytest.mark.parametrize("value", ["0", "101", "-1", "nan", "1e1", "", 0, 101])
def test_a_quality_that_there_is_not(value):
    with pytest.raises(RecordingError, match=f"jpeg_quality {value}, allowed are 1 to 100"):
        check_quality(value)
    with pytest.raises(RecordingError, match="record_jpeg_quality"):
        launch(record_jpeg_quality=str(value), record="false")


def test_what_is_given_means_something(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    launch(record_jpeg_quality="1")
    launch(record="false")
    check_launch({"card": "x"}, {}, False)
    with pytest.raises(RecordingError, match="record_to, record_images without record:=true"):
        launch(record="false", record_images="png", record_to="x")
    for images in ("raw", "png", "h264"):
        with pytest.raises(RecordingError, match=f"record_jpeg_quality is of record_images:=jpeg, and images are {images}"):
            launch(record_images=images, record_jpeg_quality="80")
    monkeypatch.setattr(recording, "find_spec", lambda module: None)
    with pytest.raises(RecordingError, match="record_images:=h264 needs PyAV: pip install av, the package foxglove_msgs"):
        launch(record_images="h264")


def test_the_place_of_a_bag(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    for name in ("link", "file"):
        with pytest.raises(RecordingError, match=f"{name} exists already"):
            check_new(tmp_path / name)
        with pytest.raises(RecordingError, match="exists already"):
            launch(record_to=str(tmp_path / name))
    check_disk(tmp_path / "a" / "b")
    with pytest.raises(RecordingError, match="file is no folder that can be written to"):
        check_disk(tmp_path / "file" / "bag")
    with pytest.raises(RecordingError, match="b: the disk is nearly full: [0-9]+ MiB are free, 1099511627776 MiB must stay"):
        check_disk(tmp_path / "b", 1 << 40)


def test_what_takes_no_file_is_no_full_disk(tmp_path, monkeypatch):
    with pytest.raises(RecordingError, match=r"^/proc/bag: cannot be recorded to: no file can be made in /proc \("):
        check_disk(Path("/proc/bag"))
    with pytest.raises(RecordingError, match="no file can be made in /proc"):
        launch(record_to="/proc/a/b")
    none = shutil._ntuple_diskusage(0, 0, 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: none)
    check_disk(tmp_path / "bag")  # a file system without a size tells nothing of its free space
    assert free_on_disk(tmp_path) > 1 << 60 and not list(tmp_path.iterdir())
