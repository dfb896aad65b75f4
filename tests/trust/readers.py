"""Every reader of files that people bring, with good files of each kind to damage."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import pickle
import tempfile
import tomllib
import traceback
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from corpus import encoded, is_sentence, noise, zipped
from mutations import mutated, mutated_json
from PIL import Image, ImageCms
from safetensors import torch as safetensors
from torch import nn

from featherface.checkpoints import WeightsError, inspect_checkpoint, shipped_weights, verify
from featherface.detection.images import ImageError, decode_photo
from featherface.errors import FeatherFaceError
from featherface.evaluation.curves import CurvesError, parse_curves
from featherface.evaluation.ground_truth import manifest_ground_truth
from featherface.evaluation.manifest import ManifestError, read_image_bytes, read_manifest
from featherface.evaluation.predictions import PredictionsError, read_predictions, resume_predictions
from featherface.evaluation.wider_zip import WiderZipError, read_wider_zip
from featherface.models import MODELS, ModelEntry
from featherface.reporting.evaluation_runs import report_charts, runs
from featherface.study import results
from featherface.training.recipe import RecipeError, read_recipe
from featherface.training.run_state import RunStateError, load_run_state
from featherface.training.wider_labels import read_wider_labels

__all__ = ["READERS", "Outcome", "outcome"]

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "featherface" / "training" / "recipes"

Make = Callable[[int], bytes]
Read = Callable[[bytes, Path], object]


@dataclass(frozen=True)
class Reader:
    """One reader: `make` gives the file of a case, `read` reads it in a folder of its own."""

    cases: int
    error: type[FeatherFaceError]  # the only one that it may raise
    make: Make
    read: Read


@dataclass(frozen=True)
class Outcome:
    """What came of all cases of one reader; `faults` says of each bad one what happened."""

    accepted: int
    refused: int
    faults: tuple[str, ...]

    @property
    def cases(self) -> int:
        """How many files were tried."""
        return self.accepted + self.refused + len(self.faults)


@cache
def outcome(name: str) -> Outcome:
    """Read every case of a reader."""
    reader = READERS[name]
    accepted, refused, faults = 0, 0, []
    logging.disable(logging.CRITICAL)  # some readers log what they leave out
    with (
        tempfile.TemporaryDirectory() as folder,
        warnings.catch_warnings(),
        mock.patch.dict(MODELS, {TINY.key: TINY}, clear=reader.error is WeightsError),
    ):
        # Pillow warns of metadata that it skips; an error in its place would count as a damaged photo.
        warnings.simplefilter("ignore" if reader.error is ImageError else "error")
        for number in range(reader.cases):
            data = reader.make(number)
            try:
                found = reader.read(data, Path(folder))
            except reader.error as error:
                if is_sentence(str(error)):
                    refused += 1
                else:
                    faults.append(f"case {number} is no sentence: {str(error)!a:.300}")
            except BaseException:
                faults.append(f"case {number} escaped: {traceback.format_exc()[-600:]}")
            else:
                accepted += found is not None
                refused += found is None  # left out, with a line in the log
    logging.disable(logging.NOTSET)
    return Outcome(accepted, refused, tuple(faults))


def _damaged(*files: bytes) -> Make:
    return partial(mutated, files)


def _damaged_json(document: Mapping, *files: bytes) -> Make:
    """Alternate between JSON of another content and JSON of other bytes."""
    whole = [json.dumps(document).encode() + b"\n", *files]

    def make(number: int) -> bytes:
        if number % 2:
            return mutated(whole, number)
        return json.dumps(mutated_json(document, number)).encode() + b"\n"

    return make


def _in_zip(members: Mapping[str, bytes], name: str) -> Make:
    """Damage one member of a zip, which is intact around it."""
    return lambda number: zipped({**members, name: mutated([members[name]], number)})


def _images(kind: str) -> Make:
    """Damage small images of one format, of several modes, some with profile, EXIF and more frames."""
    image = noise(16, 12)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = {"save_all": True, "append_images": [image.rotate(180)]}
    deep = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    clear = image.convert("RGBA")
    variants: dict[str, tuple[tuple[Image.Image, dict], ...]] = {
        "JPEG": ((image, {"exif": exif}), (image, {"progressive": True}), (image.convert("CMYK"), {})),
        "PNG": (
            (image, {"icc_profile": profile}),
            (image.quantize(8), {"exif": exif}),
            (deep, {}),
            (clear, frames),
        ),
        "GIF": ((image, {}), (image, frames)),
        "TIFF": (
            *((image, {"compression": name}) for name in ("raw", "tiff_lzw", "jpeg", "tiff_deflate")),
            (image.convert("CMYK"), {"icc_profile": profile}),
            (Image.fromarray(np.asarray(deep) / np.float32(65_535)), {}),
            (image.convert("1"), {"compression": "group4"}),
        ),
        "WEBP": ((image, {}), (clear, {"lossless": True, "exif": exif}), (image, frames)),
        "BMP": ((image, {}), (image.quantize(8), {})),
        "JPEG2000": ((image, {}), (clear, {})),
        "PPM": ((image, {}), (image.convert("1"), {})),
    }
    return _damaged(*(encoded(image, kind, **options) for image, options in variants[kind]))


def _written(name: str, read: Callable[[Path], object]) -> Read:
    """Write the case to a file of this name and read that."""

    def write_and_read(data: bytes, folder: Path) -> object:
        path = folder / name
        path.write_bytes(data)
        return read(path)

    return write_and_read


RECORD = {
    "image": "street/0.jpg",
    "width": 100,
    "height": 80,
    "source": "street",
    "boxes": [[10, 10, 20, 25], [30, 0, 60, 80]],
    "ignore": [False, True],
    "landmarks": [[12.0, 14.0, 18.0, 14.0, 15.0, 17.0, 12.0, 20.0, 18.0, 20.0], None],
    "landmark_source": "people",
    "wider_name": "0--Street/0.jpg",
}


def _read_manifest(data: bytes, folder: Path) -> object:
    archive, path = folder / "dev-street.zip", folder / "dev.jsonl"
    if not archive.exists():
        archive.write_bytes(zipped({"street/0.jpg": b"the image"}))
    path.write_bytes(data)
    return manifest_ground_truth(read_manifest(path))


def _read_archive(data: bytes, folder: Path) -> object:
    with tempfile.TemporaryDirectory(dir=folder) as fresh:  # open archives are remembered by their path
        manifest = Path(fresh, "dev.jsonl")
        manifest.write_text(json.dumps(RECORD))
        Path(fresh, "dev-street.zip").write_bytes(data)
        return [read_image_bytes(record) for record in read_manifest(manifest)]


COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
PREDICTION = {"image": "a.jpg", "boxes": [[1, 2, 3, 4.5], [5, 6, 7, 8]], "scores": [0.5, 0.25]}


def _resume(data: bytes, folder: Path) -> object:
    path = folder / "found.jsonl"
    path.write_text(json.dumps(PREDICTION) + "\n")
    (folder / "found.jsonl.run.json").write_bytes(data)
    return resume_predictions(path, {"model": "v2"})


CURVE = {
    "faces": 3,
    "average_precision": 0.5,
    "interval": [0.4, 0.6],
    "precision": [1.0, 0.5],
    "recall": [0.5, 1.0],
    "thresholds": [0.9, 0.1],
}
CURVES = {
    "curves": [
        {
            **{
                "model": "v1",
                "weights_sha256": "abc",
                "image_set": "val",
                "resize": "fit",
                "input_size": 640,
            },
            **{"date": "2026-01-01T00:00:00+00:00", "machine": {"processor": "P"}, "protocol": "WIDER FACE"},
            "images": 7,
            "subsets": {"easy": CURVE, "medium": CURVE, "hard": CURVE},
        }
    ]
}


def _show_curves(data: bytes, _: Path) -> object:
    """Read curves and make of them what the accuracy page does, charts aside."""
    shown = runs(saved for saved in parse_curves(data, "mine.json") if saved.model in ("v1", "v2"))
    for run in shown:
        f"{run.title} {run.about}".encode()
        run.scores()
        for name in run.subsets:
            run.points(name)
            assert all(f"{curve.average_precision:.3f}" for curve in run.curves(name).values())
    if shown and len(data) % 20 == 0:  # drawing takes a hundred times as long
        report_charts(saved for run in shown for saved in run.results.values())
    return shown or None


ANNOTATIONS = b"""\
0--Parade/one.jpg
2
10 20 30 40 0 0 0 0 0 0
50 60 8 9 0 0 0 1 0 0
0--Parade/none.jpg
0
0 0 0 0 0 0 0 0 0 0
"""
ANNOTATED = {"a_bbx_gt.txt": ANNOTATIONS, "0--Parade/one.jpg": b"JPEG" * 9, "0--Parade/none.jpg": b"JPEG"}
FACE = b"10 20 30 40 12 25 0.0 30 25 0.0 20 40 0.0 14 50 0.0 30 50 0.0 0.8\n"
LABELS = b"# 0--Parade/a.png\n" + FACE + b"50 5 8 9" + b" -1" * 15 + b" 0.2\n"


def _read_wider_zip(data: bytes, _: Path) -> object:
    return [image.read() for image in read_wider_zip(data).images]


def _read_labels(data: bytes, folder: Path) -> object:
    image = folder / "images" / "0--Parade" / "a.png"
    if not image.exists():
        image.parent.mkdir(parents=True)
        image.write_bytes(encoded(noise(100, 80), "PNG"))
    (folder / "label.txt").write_bytes(data)
    return read_wider_labels(folder / "label.txt")


def _read_labelled_image(data: bytes, folder: Path) -> object:
    (folder / "images").mkdir(exist_ok=True)
    (folder / "images" / "a.png").write_bytes(data)
    (folder / "label.txt").write_bytes(b"# a.png\n" + FACE)
    return read_wider_labels(folder / "label.txt")


def _damaged_toml(number: int) -> bytes:
    """Alternate between recipes of another content and recipes of other bytes."""
    recipes = [path.read_bytes() for path in sorted(RECIPES.glob("*.toml"))]
    if number % 2:
        return mutated(recipes, number)
    table = mutated_json(tomllib.loads(recipes[number % len(recipes)].decode()), number)
    lines = (
        [f"{json.dumps(key)} = {_toml(value)}" for key, value in table.items()]
        if isinstance(table, dict)
        else []
    )
    return "\n".join(lines).encode(errors="replace")


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float):
        return str(value)
    return '""' if value is None else json.dumps(value)


LOG = b"""\
time,step,learning_rate,mean,box
2026-11-22T16:14:18+00:00,20,2.1e-05,0.33607,0.0664102
2026-11-22T16:14:43+00:00,40,4.1e-05,0.329467,0.0422
"""
SCORES = b"step,easy,hard\n1303,0.957093,0.767053\n2136,0.959171,0.77136\n"


def _training_logs(name: str) -> Read:
    """Read logs of which one is damaged, and take from them what the accuracy page does, charts aside."""

    def read(data: bytes, folder: Path) -> object:
        logs = folder / "training"
        logs.mkdir(exist_ok=True)
        for good, content in (("v1_neck_log.csv", LOG), ("v1_neck_scores.csv", SCORES)):
            (logs / good).write_bytes(data if good == name else content)
        found = results.training_logs(folder)
        for log in found:
            last = log.losses.iloc[-1]
            assert f"{last['mean']:.3g} {last['step']:,.0f}"
            assert f"{log.scores.drop(columns='step').mean(axis=1).max():.3f}"
        return found or None

    return read


def _shipped_curves(data: bytes, folder: Path) -> object:
    (folder / "evaluation").mkdir(exist_ok=True)
    (folder / "evaluation" / "v1_val.json").write_bytes(data)
    found = results.shipped_curves(folder)
    results.accuracies(found, {"v1": "abc"})
    return found or None


TINY = ModelEntry(
    key="tiny",
    short_name="Tiny",
    name="Tiny",
    builder=lambda: nn.Linear(2, 3),
    weights="tiny.safetensors",
    colour="#000000",
)
STATE = {"weight": torch.ones(3, 2), "bias": torch.zeros(3)}


def _pytorch_file(state: object) -> bytes:
    data = io.BytesIO()
    torch.save(state, data)
    return data.getvalue()


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _shipped(data: bytes, folder: Path) -> object:
    (folder / TINY.weights).write_bytes(safetensors.save(STATE))
    (folder / "tiny.json").write_bytes(data)
    verify(shipped_weights(TINY, folder))
    return data


PTH = _pytorch_file(STATE)
DAMAGED_PTH = _damaged(PTH, pickle.dumps({"a": 1}))
TRAINING = _pytorch_file({"model": STATE, "ema": STATE, "step": 3})
SHIPPED = {"model": "tiny", "trained": True, "provenance": {}}
SHIPPED["sha256"] = hashlib.sha256(safetensors.save(STATE)).hexdigest()

READERS: dict[str, Reader] = {
    **{
        f"image, {kind}": Reader(450, ImageError, _images(kind), lambda data, _: decode_photo(data))
        for kind in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "JPEG2000", "PPM")
    },
    "manifest": Reader(800, ManifestError, _damaged_json(RECORD), _read_manifest),
    "manifest's zip": Reader(
        500,
        ManifestError,
        _damaged(*(zipped({"street/0.jpg": b"a" * 99}, kind) for kind in COMPRESSIONS)),
        _read_archive,
    ),
    "predictions": Reader(
        800, PredictionsError, _damaged_json(PREDICTION), _written("a.jsonl", read_predictions)
    ),
    "run of predictions": Reader(200, PredictionsError, _damaged(b'{\n  "model": "v2"\n}\n'), _resume),
    "curves": Reader(800, CurvesError, _damaged_json(CURVES), _show_curves),
    "results beside the weights": Reader(300, CurvesError, _damaged_json(CURVES), _shipped_curves),
    "training log": Reader(300, CurvesError, _damaged(LOG), _training_logs("v1_neck_log.csv")),
    "training scores": Reader(300, CurvesError, _damaged(SCORES), _training_logs("v1_neck_scores.csv")),
    "annotated zip": Reader(
        600, WiderZipError, _damaged(*(zipped(ANNOTATED, kind) for kind in COMPRESSIONS)), _read_wider_zip
    ),
    "annotations": Reader(600, WiderZipError, _in_zip(ANNOTATED, "a_bbx_gt.txt"), _read_wider_zip),
    "training labels": Reader(600, ManifestError, _damaged(LABELS), _read_labels),
    "labelled image": Reader(300, ManifestError, _images("TIFF"), _read_labelled_image),
    "training settings": Reader(700, RecipeError, _damaged_toml, _written("a.toml", read_recipe)),
    "safetensors": Reader(
        1200, WeightsError, _damaged(safetensors.save(STATE)), _written("a.safetensors", inspect_checkpoint)
    ),
    "PyTorch checkpoint": Reader(400, WeightsError, DAMAGED_PTH, _written("a.pth", inspect_checkpoint)),
    "PyTorch pickle": Reader(
        400, WeightsError, _in_zip(_members(PTH), "archive/data.pkl"), _written("a.pth", inspect_checkpoint)
    ),
    "record of weights": Reader(400, WeightsError, _damaged_json(SHIPPED), _shipped),
    "training checkpoint": Reader(
        200, RunStateError, _damaged(TRAINING), _written("last.pt", load_run_state)
    ),
}
