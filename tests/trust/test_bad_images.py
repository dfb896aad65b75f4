"""Images of every kind: faces, or one clear sentence; never code that runs, never memory without bound."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from corpus import bombs, encoded, is_sentence, measured_peaks, noise, odd_images, refused_files
from PIL import ExifTags, Image

from featherface.detection.detections import Detections
from featherface.detection.images import ImageError, decode_photo
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings
from featherface.serving.model_service import ModelService

NOWHERE = Path("nowhere")
TURNS = {  # EXIF orientation: how an image is stored that shall be turned so
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.fixture(scope="module")
def service(seeded: Path) -> ModelService:
    return ModelService(seeded)


def faces(service: ModelService, source: object, resize: Resize = Resize.FIT) -> Detections:
    settings = DetectionSettings(input_size=128, resize=resize)
    return service.detect(decode_photo(source), "v2", settings).detections


def refusal(source: object) -> str:
    with pytest.raises(ImageError) as raised:
        decode_photo(source)
    return str(raised.value)


@pytest.mark.parametrize("resize", list(Resize))
@pytest.mark.parametrize("name", odd_images())
def test_odd_images_give_faces(service, name, resize):
    found = faces(service, odd_images()[name], resize)
    assert np.isfinite(found.boxes).all()
    json.loads(found.to_json())
    assert len(found.to_csv().splitlines()) == len(found.to_coco()) + 1


@pytest.mark.parametrize(("name", "mode"), [("16 bits", "L"), ("16 bits, colour", "RGB")])
def test_an_image_of_16_bits_is_the_one_of_8(name, mode):
    expected = decode_photo(noise(48, 32).convert(mode))
    assert np.array_equal(decode_photo(odd_images()[name]).pixels, expected.pixels)


@pytest.mark.parametrize("orientation", TURNS)
def test_a_turned_photo_has_the_faces_of_the_upright_one(service, orientation):
    upright, turn = noise(96, 64), TURNS[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = encoded(upright if turn is None else upright.transpose(turn), "PNG", exif=exif)
    expected = faces(service, upright)
    assert len(expected) > 0
    assert faces(service, stored).to_dict() == expected.to_dict()


@pytest.mark.parametrize("name", refused_files(NOWHERE))
def test_what_is_no_image_is_one_sentence(name, tmp_path):
    sentinel = tmp_path / "sentinel"
    source = refused_files(sentinel)[name]
    sentences = [refusal(source)]
    if isinstance(source, bytes):
        path = tmp_path / "holiday.png"
        path.write_bytes(source)
        sentences.append(refusal(path))
    assert all(map(is_sentence, sentences))
    assert not any(str(tmp_path) in sentence for sentence in sentences)
    assert not sentinel.exists()


@pytest.mark.filterwarnings("ignore")  # Pillow may warn of metadata that it skips
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "JPEG2000", "PPM"])
@pytest.mark.parametrize(
    "options", [{}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}], ids=["plain", "with EXIF"]
)
def test_a_file_cut_anywhere_is_a_photo_or_one_sentence(kind, options):
    data = encoded(noise(24, 16), kind, **options)
    sentences = []
    for length in range(0, len(data), max(1, len(data) // 60)):
        try:
            photo = decode_photo(data[:length])
        except ImageError as error:
            sentences.append(str(error))
        else:
            assert (photo.width, photo.height) == (24, 16)  # what is missing was no pixel
    assert all(map(is_sentence, sentences))
    assert len(sentences) > 30


def test_an_extension_is_no_evidence(service, tmp_path):
    path = tmp_path / "photo.heic"
    path.write_bytes(encoded(noise(48, 32), "PNG"))
    assert faces(service, path).to_dict() == faces(service, noise(48, 32)).to_dict()


@pytest.mark.parametrize("name", bombs())
def test_a_bomb_is_refused_by_its_size(name):
    sentence = refusal(bombs()[name])
    assert is_sentence(sentence)
    assert "megapixels" in sentence or "text" in name  # too much text counts as damage


def test_memory_stays_bounded():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        of_bombs, of_largest = process.submit(measured_peaks).result()
    assert of_bombs < 16 * 2**20
    assert of_largest < 512 * 2**20
