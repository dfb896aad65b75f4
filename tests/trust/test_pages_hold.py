"""Pages under bad input and faults: sentences where a person reads them, and never a traceback."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import streamlit as st
from corpus import bombs, encoded, is_sentence, noise, odd_images, refused_files
from mutations import HOSTILE_TEXTS
from streamlit.testing.v1 import AppTest

from featherface.checkpoints import record_path
from featherface.dashboard.components import receptive_field_panel
from featherface.dashboard.state import photos
from featherface.dashboard.state.photos import SAMPLES, forget_photo
from featherface.detection.images import ImageError, Photo
from featherface.detection.preprocess import Prepared, Resize, prepare
from featherface.models import MODELS
from featherface.profiling.receptive_field import ReceptiveField

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
V2 = MODELS["v2"]
PATIENCE = 300  # seconds for one run of a page
Open = Callable[..., AppTest]
# Untrained weights find thousands of faces, and merging those of several sizes takes seconds.
CHEAP = {"scales_fit": "false"}


@pytest.fixture
def folder(seeded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(seeded, tmp_path / "weights"))


@pytest.fixture
def open_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """A function that opens a page, over V2's weights alone, with query parameters."""
    monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(folder))
    monkeypatch.chdir(ROOT)
    st.cache_resource.clear()

    def opened(name: str, query: dict[str, str] | None = None) -> AppTest:
        page = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=PATIENCE)
        for key, value in {**CHEAP, **(query or {})}.items():
            page.query_params[key] = value
        return page.run()

    return opened


def shown(text: str) -> str:
    """What a person reads of Markdown whose special characters are escaped."""
    return text.replace("\\", "")


def faces(page: AppTest) -> str:
    """The number of faces, the first one being V2's."""
    return next(metric.value for metric in page.metric if metric.label == "Faces")


def test_uploads_that_are_no_images(open_page, tmp_path):
    page = open_page("detection")
    files = {**refused_files(tmp_path / "sentinel"), **bombs()}
    files = {name: data for name, data in files.items() if isinstance(data, bytes)}
    for name, data in files.items():
        page.file_uploader[0].upload(f"{name}.png", data)
    page.run()
    assert not page.exception
    (refused,) = (block for block in page.expander if block.label == f"{len(files)} files were not added")
    lines = shown(refused.markdown[0].value).splitlines()
    sentences = [line.split("**: ", 1)[1] for line in lines]
    assert len(sentences) == len(files)
    assert all(map(is_sentence, sentences))
    assert not (tmp_path / "sentinel").exists()
    assert int(faces(page)) > 0  # of the sample, which is still there


ODD = ("1 x 1", "1 x 30,000", "65,500 x 1", "16 bits", "CMYK, profile of RGB", "animated GIF", "alpha")
NAMES = (
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "$x$ `y` :material/delete: **z**",
    "\u202egnp",
    "x" * 3_000,
)


def test_odd_photos_with_hostile_names(open_page):
    page = open_page("detection")
    for number, name in enumerate(ODD):
        page.file_uploader[0].upload(f"{NAMES[number % len(NAMES)]}.png", odd_images()[name])
    page.run()
    own = [button.key for button in page.button if button.key and button.key.startswith("show_")][: len(ODD)]
    for key in own:
        page.button(key=key).click().run()
        assert not page.exception
        assert not page.error
        assert page.button(key=key).proto.icon == ":material/check:"  # it is the one that is shown


KEYS = {
    "detection": (
        *("photo", "conf", "nms", "conf_v2", "nms_v2", "linked", "input_size", "resize", "landmarks"),
        *("scores", "faces", "differences"),
    ),
    "speed": ("timed", "vary", "bench_input_size", "batch", "threads", "runs", "warmup", "timed_photo"),
    "flops": ("width", "height", "roof_threads", "counter", "counted_model", "unit"),
    "live": ("pair", "live_conf", "live_nms", "live_input_size", "live_faces"),
    "video": ("pair", "video_conf", "video_nms", "video_input_size", "video_every"),
    "accuracy": ("protocols", "peer_width", "peer_measure", "training_log"),
    "architecture": ("map", "layer", "differing", "level", "field_input_size", "across", "down"),
    "robustness": (
        "pair",
        "photo",
        "corruption",
        "stress_conf",
        "stress_input_size",
        "severity",
        "attribute",
    ),
    "deploy": (
        *("deploy_models", "hide_refused", "deploy_threads", "deploy_runs", "deploy_photo"),
        *("deploy_subset", "export_model", "export_format", "export_precision"),
    ),
    "claims": ("verdicts",),
}
NONSENSE = ["inf", "", 1, 2, 3]  # the same for every setting, or chosen for each by a seed
TRIED = {"detection": 5, "speed": 5, "robustness": 1, "claims": 1}  # of NONSENSE; else 3


def test_every_page_is_opened_with_nonsense():
    settings_free = {"overview"}
    assert KEYS.keys() | settings_free == {file.stem for file in (ROOT / "pages").glob("*.py")}


@pytest.mark.parametrize(
    ("name", "nonsense"), [(name, nonsense) for name in KEYS for nonsense in NONSENSE[: TRIED.get(name, 3)]]
)
def test_links_with_nonsense_open_the_page(open_page, name, nonsense):
    chance = Random(nonsense)
    texts = {
        key: chance.choice(HOSTILE_TEXTS) if isinstance(nonsense, int) else nonsense for key in KEYS[name]
    }
    page = open_page(name, texts)
    assert not page.exception
    assert all(is_sentence(shown(error.value)) for error in page.error)


SPOIL = {
    "corrupted": lambda path: path.write_bytes(b"spoilt" + path.read_bytes()[6:]),
    "deleted": Path.unlink,
    "record garbled": lambda path: record_path(path).write_bytes(b"\xff{"),
}


@pytest.mark.parametrize("how", SPOIL)
def test_weights_lost_are_a_sentence_and_found_again_serve(open_page, folder, seeded, how):
    SPOIL[how](folder / V2.weights)
    page = open_page("detection")
    assert not page.exception
    (error,) = page.error
    assert is_sentence(shown(error.value))
    assert "featherface_v2" in shown(error.value)
    shutil.copytree(seeded, folder, dirs_exist_ok=True)
    page.run()
    assert not page.error
    assert int(faces(page)) > 0


def test_a_photo_without_memory_is_a_sentence_and_the_next_is_served(open_page, monkeypatch):
    def prepare_or_fail(photo: Photo, resize: Resize, input_size: int) -> Prepared:
        if input_size > 600:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes.")
        return prepare(photo, resize, input_size)

    monkeypatch.setattr("featherface.detection.detector.prepare", prepare_or_fail)
    page = open_page("detection", {"photo": "grace_hopper"})
    assert not page.exception
    (error,) = page.error
    assert is_sentence(shown(error.value))
    assert "memory" in error.value
    page.slider(key="input_size").set_value(160).run()
    assert not page.error
    assert faces(page)


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """The samples that nobody can decode, in no cache either: all, until the test finds some again."""
    decode, sources = photos.decode_photo, {file.source for file in SAMPLES}

    def decode_or_fail(source: Path | bytes) -> Photo:
        if source in sources:
            raise ImageError("The photo needs more memory than is free; try again later.")
        return decode(source)

    monkeypatch.setattr(photos, "decode_photo", decode_or_fail)
    for file in SAMPLES:
        forget_photo(file)
    return sources


def notes(page: AppTest) -> list[str]:
    """The sentences that stand in place of thumbnails."""
    return [shown(caption.value) for caption in page.caption if "more memory" in caption.value]


PHOTO_PAGES = {"detection": {}, "architecture": {"architecture": "Anchors and receptive fields"}}


@pytest.fixture
def _known_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the seconds in which receptive fields are measured."""
    fields = tuple(
        ReceptiveField(f"P{level}", stride, 43, 900, False, (2 * stride, 4 * stride))
        for level, stride in ((3, 8), (4, 16), (5, 32))
    )
    monkeypatch.setattr(receptive_field_panel, "receptive_fields", lambda _: fields)


@pytest.mark.usefixtures("_known_fields")
@pytest.mark.parametrize("name", PHOTO_PAGES)
def test_photos_that_cannot_be_decoded_are_sentences_and_found_again_are_shown(open_page, lost, name):
    page = open_page(name, PHOTO_PAGES[name])
    assert not page.exception
    (error,) = page.error
    assert is_sentence(shown(error.value))
    assert len(notes(page)) == len(SAMPLES)
    lost.clear()
    page.button(key=f"show_{SAMPLES[1].key}").click().run()
    assert not page.exception
    assert not page.error
    assert not notes(page)


@pytest.mark.usefixtures("_known_fields")
@pytest.mark.parametrize("name", PHOTO_PAGES)
def test_a_photo_beside_the_chosen_one_that_cannot_be_decoded_is_a_sentence(open_page, lost, name):
    lost.intersection_update({SAMPLES[1].source})
    page = open_page(name, PHOTO_PAGES[name])
    assert not page.exception
    assert not page.error
    (note,) = notes(page)
    assert is_sentence(note)
    assert page.button(key=f"show_{SAMPLES[1].key}")


def test_an_evaluation_file_that_lies_is_a_sentence(open_page, tmp_path):
    page = open_page("accuracy")
    page.file_uploader(key="curves_upload").upload("mine.json", b'{"curves": [{"model": []}]}').run()
    page.button(key="add_curves").click().run()
    assert not page.exception
    (error,) = page.error
    assert is_sentence(shown(error.value))

    image = encoded(noise(64, 48), "PNG")
    page.file_uploader(key="zip_upload").upload("photos.zip", image).run()
    page.button(key="evaluate_zip").click().run()
    assert not page.exception
    (error,) = page.error
    assert shown(error.value) == "This is not a zip file, or it is damaged."
