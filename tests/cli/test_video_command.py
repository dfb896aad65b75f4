"""`featherface video` on a clip whose one face is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from featherface.cli.main import main
from featherface.serving.model_service import ModelService
from featherface.video import decoding
from featherface.video.decoding import decode_frames
from tests.video.seeded import CLIPS, faces

CLIP = str(CLIPS / "h264.mp4")


@pytest.fixture(autouse=True)
def _one_face(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelService, "detect_frame", lambda *_: (faces((60, 20, 120, 100)), {"queue": 0.0}))


def test_json_has_every_nth_frame(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["video", CLIP, "--every", "10", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["width"], document["height"], document["every"]) == (208, 160, 10)
    assert [frame["frame"] for frame in document["frames"]] == [0, 10, 20]
    assert document["frames"][1]["models"]["v2"]["boxes"] == [[60, 20, 120, 100]]


def test_summary_and_annotated_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.webm"
    assert main(["video", CLIP, "--model", "v1", "--frames", "3", "--save", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "3 frames analysed" in printed
    assert "V1: 1.00 faces per frame" in printed
    decoded = list(decode_frames(out.read_bytes(), "out.webm"))
    assert len(decoded) == 3
    height, width, _ = decoded[0].photo.pixels.shape
    assert (height > 160, width) == (True, 208)  # below the model's name


def test_ctrl_c_keeps_what_is_done(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    seen = iter(range(100))

    def interrupted(*_: object):
        if next(seen) == 2:
            raise KeyboardInterrupt
        return faces((60, 20, 120, 100)), {"queue": 0.0}

    monkeypatch.setattr(ModelService, "detect_frame", interrupted)
    assert main(["video", CLIP, "--model", "v1", "--json"]) == 130
    assert len(json.loads(capsys.readouterr().out)["frames"]) == 2


def test_the_end_at_the_limit_is_reported(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(decoding, "MAX_SECONDS", 0.7)
    info = decoding.VideoInfo(208, 160, 24.0, None, "h264")  # a header without a number of frames
    monkeypatch.setattr(decoding, "probe_video", lambda *_: info)
    assert main(["video", CLIP, "--every", "10", "--json"]) == 0
    captured = capsys.readouterr()
    assert [frame["frame"] for frame in json.loads(captured.out)["frames"]] == [0, 10]
    assert "h264.mp4 goes on beyond the limit of 1 s" in captured.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.mp4"], "nowhere.mp4"),
        ([str(CLIPS / "av1.mp4")], "AV1"),
        ([str(CLIPS / "audio_only.mp4")], "no video track"),
        ([CLIP, "--every", "0"], "whole number above 0"),
        (["0", "--save", "out.webm"], "needs a video file"),
        (["rtsp://127.0.0.1:9/x"], "cannot be opened"),
    ],
)
def test_mistakes_are_one_sentence(arguments: list[str], words: str, capsys) -> None:
    assert main(["video", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
