"""Every container and codec that phones and browsers make; and what is refused, in one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from featherface.video import decoder_process, decoding
from featherface.video.decoder_process import FRAME_HEADER
from featherface.video.decoding import VideoError, decode_frames, frame_at, probe_video
from tests.video.seeded import CLIPS, grey_levels, number_of


@pytest.mark.parametrize(
    ("name", "codec", "width", "height", "frames"),
    [
        ("h264.mp4", "h264", 208, 160, 24),
        ("hevc.mov", "hevc", 208, 160, 24),
        ("vp9.webm", "VP90", 208, 160, 24),
        ("rotated.mp4", "h264", 160, 208, 24),  # upright, so width and height have changed places
        ("variable_rate.mp4", "h264", 208, 160, 12),
    ],
)
def test_clips_from_other_encoders(name: str, codec: str, width: int, height: int, frames: int) -> None:
    data = (CLIPS / name).read_bytes()
    info = probe_video(data, name)
    assert (info.codec, info.width, info.height, info.frames) == (codec, width, height, frames)
    decoded = list(decode_frames(data, name))
    assert [frame.index for frame in decoded] == list(range(frames))
    assert {frame.photo.pixels.shape for frame in decoded} == {(height, width, 3)}


@pytest.mark.parametrize(("suffix", "codec"), [(".webm", "VP80"), (".avi", "MJPG"), (".mp4", "mp4v")])
@pytest.mark.parametrize("size", [(64, 48), (63, 47)], ids=["even", "odd"])
def test_codecs_that_opencv_writes(encoded, suffix: str, codec: str, size: tuple[int, int]) -> None:
    data = encoded(grey_levels(12, *size), suffix, codec)
    decoded = list(decode_frames(data, "clip"))
    assert [number_of(frame.photo.pixels) for frame in decoded] == list(range(12))
    assert [round(frame.seconds, 2) for frame in decoded] == [number / 10 for number in range(12)]


def test_every_nth_frame_and_one_exact_frame(encoded) -> None:
    data = encoded(grey_levels(12), ".avi", "MJPG")
    assert [frame.index for frame in decode_frames(data, "clip", every=5)] == [0, 5, 10]
    assert [number_of(frame.photo.pixels) for frame in decode_frames(data, "clip", every=5)] == [0, 5, 10]
    found = frame_at(data, "clip", 7)
    assert (found.index, number_of(found.photo.pixels), found.seconds) == (7, 7, pytest.approx(0.7))


@pytest.mark.parametrize("name", ["h264.mp4", "hevc.mov", "vp9.webm", "rotated.mp4", "variable_rate.mp4"])
def test_a_frame_found_by_its_time_is_the_same(name: str) -> None:
    data = (CLIPS / name).read_bytes()
    frames = list(decode_frames(data, name))
    for wanted in (frames[0], frames[-2]):
        found = frame_at(data, name, wanted.index, wanted.seconds)
        assert (found.index, found.seconds) == (wanted.index, wanted.seconds)
        assert np.array_equal(found.photo.pixels, wanted.photo.pixels)


def test_a_time_that_no_frame_has_falls_back_to_the_place(encoded) -> None:
    data = encoded(grey_levels(12), ".avi", "MJPG")
    assert number_of(frame_at(data, "clip", 9, seconds=0.87).photo.pixels) == 9


def test_times_of_a_variable_frame_rate_come_from_the_file() -> None:
    data = (CLIPS / "variable_rate.mp4").read_bytes()
    places = [round(24 * frame.seconds) for frame in decode_frames(data, "clip.mp4")]
    assert places == [*range(9), 12, 16, 20]  # frames that were kept when it was made


def test_a_turned_clip_is_upright() -> None:
    plain = frame_at((CLIPS / "h264.mp4").read_bytes(), "clip", 3).photo.pixels
    turned = frame_at((CLIPS / "rotated.mp4").read_bytes(), "clip", 3).photo.pixels
    assert np.array_equal(turned, np.rot90(plain, -1))


def test_a_truncated_file_gives_the_frames_before_the_end(encoded) -> None:
    data = encoded(grey_levels(30, 640, 480), ".avi", "MJPG")
    decoded = list(decode_frames(data[: len(data) // 2], "clip.avi"))
    assert 10 <= len(decoded) < 20
    assert [number_of(frame.photo.pixels) for frame in decoded] == list(range(len(decoded)))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("av1.mp4", "AV1"),  # OpenCV's FFmpeg decodes no frame of it and reports no error
        ("audio_only.mp4", "no video track"),
    ],
)
def test_what_cannot_be_decoded(name: str, words: str) -> None:
    data = (CLIPS / name).read_bytes()
    with pytest.raises(VideoError, match=words):
        probe_video(data, name)
    with pytest.raises(VideoError, match=words):
        list(decode_frames(data, name))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xd8\xff\xe0 a JPEG", id="renamed photo"),
        pytest.param(b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n", id="playlist that names an address"),
        pytest.param(b"ffconcat version 1.0\nfile /etc/hostname\n", id="list that names a file"),
        pytest.param(b"GIF89a", id="GIF"),
    ],
)
def test_only_containers_that_stand_alone_reach_the_decoder(data: bytes, monkeypatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)  # nothing may start
    with pytest.raises(VideoError, match=r"clip\.mp4"):
        probe_video(data, "clip.mp4")


def test_limits(encoded, monkeypatch) -> None:
    data = encoded(grey_levels(12), ".avi", "MJPG")
    for limit, value, words in (
        ("MAX_VIDEO_BYTES", 100, "limit is 0 MB"),
        ("MAX_SECONDS", 1.0, "limit is 1 s"),
        ("MAX_FRAMES", 11, "has 12 frames and the limit is 11"),
        ("MAX_FRAME_PIXELS", 1_000, "64 x 48 pixels"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(decoding, limit, value)
            with pytest.raises(VideoError, match=words):
                probe_video(data, "clip.avi")


@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize(
    ("limit", "value", "decoded", "beyond"),
    [
        ("MAX_FRAMES", 11, 11, True),
        ("MAX_FRAMES", 12, 12, False),  # the file ends exactly there
        ("MAX_SECONDS", 0.95, 10, True),
        ("MAX_SECONDS", 1.1, 12, False),
    ],
)
def test_a_file_longer_than_its_header_says_is_cut_and_told(
    encoded, monkeypatch, limit: str, value: float, decoded: int, beyond: bool, every: int
) -> None:
    data = encoded(grey_levels(12), ".avi", "MJPG")
    monkeypatch.setattr(decoding, limit, value)
    told: list[bool] = []
    frames = list(decode_frames(data, "clip.avi", every, lambda: told.append(True)))
    assert [frame.index for frame in frames] == list(range(0, decoded, every))
    assert told == [True] * (beyond and any(index % every == 0 for index in range(decoded, 12)))


@pytest.fixture
def stalling(tmp_path: Path, monkeypatch) -> None:
    """Put a decoder in place that writes one frame of 64 x 48 pixels and then hangs; it reads no file."""
    script = tmp_path / "stalling.py"
    header = json.dumps({"width": 64, "height": 48, "rate": 10, "frames": 0, "codec": 0}).encode()
    answer = header + b"\n" + FRAME_HEADER.pack(0, 0.0, 64, 48) + bytes(3 * 64 * 48)
    script.write_text(
        f"import signal, sys\nsys.stdout.buffer.write({answer!r})\nsys.stdout.flush()\nsignal.pause()\n"
    )
    monkeypatch.setattr(decoder_process, "__file__", str(script))


@pytest.mark.skipif(sys.platform == "win32", reason="the decoder that hangs waits for a signal")
def test_a_decoder_that_hangs_is_killed(stalling: None, monkeypatch) -> None:
    frames = decode_frames(b"....ftyp", "clip.mp4")
    assert next(frames).index == 0
    monkeypatch.setattr(decoding, "MAX_DECODING_SECONDS", 0.05)
    with pytest.raises(VideoError, match=r"Decoding one frame of clip\.mp4 takes more than"):
        next(frames)
    with pytest.raises(VideoError, match=r"Decoding one frame of clip\.mp4 takes more than"):
        probe_video(b"....ftyp" + bytes(10**6), "clip.mp4")  # more than a pipe holds, so that writing hangs


def test_a_missing_frame_is_a_sentence(encoded) -> None:
    data = encoded(grey_levels(3), ".avi", "MJPG")
    with pytest.raises(VideoError, match=r"clip\.avi"):
        frame_at(data, "clip.avi", 9)


def test_damaged_files_never_crash_this_process() -> None:
    rng = np.random.default_rng(0)
    for name in ("h264.mp4", "vp9.webm"):
        original = np.frombuffer((CLIPS / name).read_bytes(), np.uint8)
        for _ in range(4):
            damaged = original.copy()
            places = rng.integers(16, len(damaged), 40)
            damaged[places] = rng.integers(0, 256, len(places))
            with suppress(VideoError):  # or fewer frames; anything else is a fault
                assert len(list(decode_frames(damaged.tobytes(), name))) <= 60
