"""Run a detector over many images: in this process, in several, or on a Dask cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from featherface.config import CANDIDATE_FLOOR, DEFAULT_NMS_IOU
from featherface.detection.detector import Detector
from featherface.detection.images import ImageError, Photo, decode_photo
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings
from featherface.engines.choice import load_engine
from featherface.errors import FeatherFaceError
from featherface.evaluation.average_precision import evaluate
from featherface.evaluation.ground_truth import GroundTruth, manifest_ground_truth
from featherface.evaluation.image_sets import EncodedImage, ImageSetError, manifest_images
from featherface.evaluation.manifest import Record
from featherface.evaluation.predictions import Prediction

__all__ = ["PUBLISHED", "Predict", "Predictor", "RunError", "predict_images", "score_network"]

PUBLISHED = DetectionSettings(
    confidence=CANDIDATE_FLOOR, nms_iou=DEFAULT_NMS_IOU, top_k=None, resize=Resize.ORIGINAL
)
_IN_FLIGHT = 128  # images handed out at a time: bounds memory, and keeps a cluster busy
_CONNECT_SECONDS = 10

Predict = Callable[[str, bytes], Prediction]  # of an image's name and encoded bytes; must pickle
_Submit = Callable[[str, bytes], Future[Prediction]]


class RunError(FeatherFaceError):
    """A run cannot start or continue; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Predictor:
    """Detection in one encoded image, as a function that other processes can be sent."""

    network: nn.Module
    settings: DetectionSettings = PUBLISHED
    engine: str | None = None  # key in ENGINES; the default engine if None

    @cached_property
    def detector(self) -> Detector:
        """The network in its engine; each process loads its own."""
        return Detector(load_engine(self.network, self.engine))

    def __reduce__(self) -> tuple[type[Predictor], tuple[nn.Module, DetectionSettings, str | None]]:
        return Predictor, (self.network, self.settings, self.engine)  # a loaded engine does not pickle

    def __call__(self, name: str, content: bytes) -> Prediction:
        """Detect the faces of the encoded image `content`; raises `ImageError` for one that is damaged."""
        return self.predict_photo(name, decode_photo(content))

    def predict_photo(self, name: str, photo: Photo) -> Prediction:
        """Detect the faces of a decoded image called `name`.

        Leaves the calling thread with one torch thread: images run side by side, not parts of an image.
        """
        torch.set_num_threads(1)
        found = self.detector.detect(photo, self.settings).to_dict()
        return Prediction(name, np.array(found["boxes"]).reshape(-1, 4), np.array(found["scores"]))


def score_network(
    network: nn.Module,
    records: Sequence[Record],
    ground_truth: GroundTruth | None = None,
    settings: DetectionSettings = PUBLISHED,
) -> dict[str, float]:
    """Return the average precision of `network` on manifest records, 0..1, by subset.

    With the official `ground_truth` the subsets are easy, medium and hard, restricted to the records'
    images; without, they are bands of face heights. The network stays as it is, in training or not.
    """
    predictor = Predictor(deepcopy(network).cpu(), settings)
    images = manifest_images(records)
    with ThreadPoolExecutor(cpu_count()) as executor:
        predictions = list(executor.map(lambda image: predictor(image.name, image.read()), images))
    return evaluate(predictions, ground_truth or manifest_ground_truth(records)).scores()


def predict_images(
    predictor: Predict,
    images: Sequence[EncodedImage],
    *,
    finished: Sequence[Prediction] = (),
    output: Path | None = None,
    workers: int = 1,
    scheduler: str | None = None,
) -> list[Prediction]:
    """Predict each of `images` except the `finished` ones, and return all in the order of `images`.

    Each prediction is appended to the file `output` as it comes. The work is done here, by `workers`
    processes, or by a Dask `scheduler` (its address), whose workers need this package but not the images.
    Progress goes to stderr, and so does one line for each image that cannot be read, which is left out.
    Raises `ImageSetError` if no image can be read and `RunError` where workers fail; the predictions made
    before are in `output`.
    """
    predictions = {prediction.image: prediction for prediction in finished}
    todo = [image for image in images if image.name not in predictions]
    sink: AbstractContextManager[IO[str] | None] = (
        nullcontext() if output is None else output.open("a", encoding="utf-8")
    )
    progress = tqdm(total=len(images), initial=len(images) - len(todo), unit=" images")
    with (
        sink as file,
        progress,
        _submitter(predictor, workers, scheduler) as submit,
        closing(_as_completed(submit, todo)) as arriving,
    ):
        for prediction in arriving:
            progress.update()
            if isinstance(prediction, ImageSetError):
                progress.write(f"Left out: {prediction}", file=sys.stderr)
                continue
            predictions[prediction.image] = prediction
            if file is not None:
                file.write(prediction.to_line())
                file.flush()
    if images and not predictions:
        raise ImageSetError(f"None of the {len(images):,} images can be read.")
    return [predictions[image.name] for image in images if image.name in predictions]


def _as_completed(submit: _Submit, images: Sequence[EncodedImage]) -> Generator[Prediction | ImageSetError]:
    """Yield predictions, or why an image has none, as they come; a bounded number of images is handed out."""
    waiting = iter(images)
    running: dict[Future[Prediction], EncodedImage] = {}
    try:
        while True:
            while len(running) < _IN_FLIGHT and (image := next(waiting, None)) is not None:
                try:
                    content = image.read()
                except (OSError, FeatherFaceError) as error:
                    reason = getattr(error, "strerror", None) or error
                    yield ImageSetError(f"{image.origin} cannot be read: {str(reason).removesuffix('.')}.")
                else:
                    running[submit(image.name, content)] = image
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            finished = [future for future in running if future in done]  # in the order of the images
            for future in sorted(finished, key=_failed):  # a failure ends the run: keep the others first
                yield _result(future, running.pop(future))
    finally:
        for future in running:
            future.cancel()


def _failed(future: Future[Prediction]) -> bool:
    return future.exception() is not None


def _result(future: Future[Prediction], image: EncodedImage) -> Prediction | ImageSetError:
    try:
        return future.result()
    except ImageError as error:
        return ImageSetError(f"{image.origin}: {error}")
    except BrokenProcessPool as error:
        raise RunError("A worker process died, perhaps for lack of memory; try fewer workers.") from error


@contextmanager
def _submitter(predictor: Predict, workers: int, scheduler: str | None) -> Iterator[_Submit]:
    """Yield a function that submits one image to a worker."""
    if scheduler is not None:
        with _cluster_submitter(predictor, scheduler) as submit:
            yield submit
    elif workers > 1:
        with ProcessPoolExecutor(
            workers,
            mp_context=get_context("spawn"),  # a fork of a process that ran torch may hang
            initializer=_install,
            initargs=(predictor,),
        ) as executor:
            yield lambda name, content: executor.submit(_predict, name, content)
    else:
        with ThreadPoolExecutor(1) as executor:
            yield lambda name, content: executor.submit(predictor, name, content)


@contextmanager
def _cluster_submitter(predictor: Predict, scheduler: str) -> Iterator[_Submit]:
    from distributed import Client, KilledWorker  # a second of import that only a cluster's user pays

    try:
        client = Client(  # type: ignore[no-untyped-call]
            scheduler, timeout=_CONNECT_SECONDS, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise RunError(f"No Dask scheduler answers at {scheduler}.") from error
    # Threads that wait, not Dask's executor, which fails where a worker is lost just after it answered. The
    # client is closed first: where the scheduler still answers, that ends what they wait for.
    with ThreadPoolExecutor(_IN_FLIGHT) as threads, client:
        # A task, not scattered data: should every copy die with its worker, the scheduler makes another.
        shared = client.submit(_itself, predictor, pure=False)

        def answer(name: str, content: bytes) -> Prediction:
            try:
                prediction: Prediction = client.submit(_call, shared, name, content, pure=False).result()
            except KilledWorker as error:
                raise RunError(
                    f"Several workers of the cluster died while they held {name}, perhaps for lack of memory."
                ) from error
            except CancelledError as error:
                raise RunError("The connection to the Dask scheduler was lost.") from error
            return prediction

        yield lambda name, content: threads.submit(answer, name, content)


def _itself(predictor: Predict) -> Predict:
    return predictor


def _call(predictor: Predict, name: str, content: bytes) -> Prediction:
    return predictor(name, content)


_installed: Predict  # of a worker process, which gets it once instead of with every image


def _install(predictor: Predict) -> None:
    global _installed
    _installed = predictor


def _predict(name: str, content: bytes) -> Prediction:
    return _installed(name, content)
