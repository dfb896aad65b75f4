"""Running over many images: the same answer from every engine, resuming, and failures that are named."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import cycle
from types import SimpleNamespace

import numpy as np
import pytest
from distributed import Future, KilledWorker, LocalCluster

from featherface.evaluation import run
from featherface.evaluation.image_sets import EncodedImage, ImageSetError, folder_images, manifest_images
from featherface.evaluation.predictions import (
    Prediction,
    PredictionsError,
    read_predictions,
    resume_predictions,
)
from featherface.evaluation.run import RunError, predict_images, score_network

RUN = {"model": "v2"}


def lines(predictions) -> list[str]:
    return [prediction.to_line() for prediction in predictions]


def test_processes_predict_what_one_does(predictor, wider_folder):
    images = folder_images(wider_folder)
    alone = predict_images(predictor, images)
    assert [prediction.image for prediction in alone] == [image.name for image in images]
    assert sum(len(prediction.scores) for prediction in alone) > 0
    assert lines(predict_images(predictor, images, workers=2)) == lines(alone)


def test_a_run_continues_after_a_torn_line_without_repeating_an_image(predictor, wider_folder, tmp_path):
    output = tmp_path / "predictions.jsonl"
    images = folder_images(wider_folder)
    assert resume_predictions(output, RUN) == []
    whole = predict_images(predictor, images, output=output)
    text = output.read_text()
    assert text.splitlines(keepends=True) == lines(whole)

    output.write_text(text[: text.index("\n", len(text) // 2) + 20])  # killed within a line
    finished = resume_predictions(output, RUN)
    read = []
    counted = [replace(image, read=partial(_counted_read, image, read)) for image in images]
    again = predict_images(predictor, counted, finished=finished, output=output)
    assert sorted(read + [prediction.image for prediction in finished]) == [p.name for p in images]
    assert lines(again) == lines(whole)
    assert output.read_text() == text


def _counted_read(image: EncodedImage, read: list[str]) -> bytes:
    read.append(image.name)
    return image.read()


def test_a_predictions_file_of_another_run_is_not_continued(tmp_path):
    output = tmp_path / "predictions.jsonl"
    resume_predictions(output, RUN)
    output.touch()
    with pytest.raises(PredictionsError, match="other weights or settings"):
        resume_predictions(output, RUN | {"model": "v1"})
    (tmp_path / "notes.jsonl").touch()
    with pytest.raises(PredictionsError, match="choose another file"):
        resume_predictions(tmp_path / "notes.jsonl", RUN)


@pytest.mark.parametrize(
    ("last", "images"),
    [("", 1), ("\n", 1), ('\n{"image', 1), ('\n{"image": "b", "boxes": [], "scores": []}', 2)],
)
def test_a_last_line_without_its_end_counts_if_it_is_whole(tmp_path, last, images):
    file = tmp_path / "predictions.jsonl"
    file.write_text('{"image": "a", "boxes": [], "scores": []}' + last)
    assert len(read_predictions(file)) == images


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "Expecting"),
        ('{"image": "a.jpg", "boxes": []}', "scores"),
        ('{"image": "a.jpg", "boxes": [[0, 0, 1]], "scores": [0.5]}', "four numbers"),
        ('{"image": "a.jpg", "boxes": [[0, 0, 1, NaN]], "scores": [0.5]}', "finite"),
        ('{"image": "b.jpg", "boxes": [], "scores": []}', "appears twice"),
    ],
)
def test_a_bad_line_of_predictions_is_named(tmp_path, line, complaint):
    file = tmp_path / "predictions.jsonl"
    file.write_text('{"image": "b.jpg", "boxes": [], "scores": []}\n' + line + "\n")
    with pytest.raises(PredictionsError, match=rf"predictions\.jsonl, line 2.*{complaint}"):
        read_predictions(file)


def test_a_damaged_image_is_named_and_never_ends_a_run(predictor, wider_folder, tmp_path, capsys):
    damaged, absent = (wider_folder / "2--Event" / f"{name}.jpg" for name in ("damaged", "absent"))
    damaged.parent.mkdir()
    damaged.write_bytes(b"no image")
    absent.write_bytes(b"")
    images = folder_images(wider_folder)
    absent.unlink()
    output = tmp_path / "predictions.jsonl"
    predictions = predict_images(predictor, images, output=output)
    assert [one.image for one in predictions] == [one.name for one in images if "2--Event" not in one.name]
    assert len(read_predictions(output)) == len(predictions) == 6
    err = capsys.readouterr().err
    assert f"Left out: {damaged}: " in err
    assert f"Left out: {absent} cannot be read: No such file or directory." in err


def test_a_run_without_a_readable_image_says_so(predictor, tmp_path):
    path = tmp_path / "0--Event" / "damaged.jpg"
    path.parent.mkdir()
    path.write_bytes(b"no image")
    with pytest.raises(ImageSetError, match="None of the 1 images can be read"):
        predict_images(predictor, folder_images(tmp_path))


def test_many_unreadable_images_in_a_row_do_not_end_a_run(predictor, wider_folder):
    absent = [EncodedImage(f"absent/{number}.jpg", "absent", _absent) for number in range(300)]
    images = folder_images(wider_folder)
    predictions = predict_images(predictor, [*absent, *images])
    assert [prediction.image for prediction in predictions] == [image.name for image in images]


def _absent() -> bytes:
    raise FileNotFoundError(2, "No such file or directory")


def test_folders_as_other_systems_unpack_them(tmp_path):
    for name in (
        "x/images/0--A/1.JPG",
        "x/images/0--A/._1.JPG",
        "__MACOSX/0--A/2.jpg",
        "x/images/1--B/2.png",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    assert [image.name for image in folder_images(tmp_path)] == ["0--A/1.JPG", "1--B/2.png"]
    (tmp_path / "y" / "0--A").mkdir(parents=True)
    (tmp_path / "y" / "0--A" / "1.JPG").touch()
    with pytest.raises(ImageSetError, match=r"0--A/1\.JPG twice"):
        folder_images(tmp_path)


def test_a_folder_without_images_is_named(tmp_path):
    with pytest.raises(ImageSetError, match=r"EVENT/NAME\.jpg"):
        folder_images(tmp_path)


def test_scoring_leaves_the_network_as_it_was(predictor, records):
    network = predictor.network.train()
    scores = score_network(network, records)
    assert network.training
    assert 0 <= scores["all"] <= 1
    assert np.isnan(scores["under 16 px"])


def test_an_image_that_appears_twice_is_named(records):
    with pytest.raises(ImageSetError, match="appears twice"):
        manifest_images([records[0], records[0]])


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    """A Dask scheduler and two workers in this process, which talk over sockets as machines do."""
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    ) as cluster:
        yield cluster


def test_a_cluster_that_loses_a_worker_still_finishes(predictor, wider_folder, cluster, monkeypatch):
    monkeypatch.setattr(run, "_IN_FLIGHT", 8)
    few = folder_images(wider_folder)
    images = [replace(few[index % 6], name=f"{index}.jpg") for index in range(40)]
    # read, and so handed out, when some images are done and others under way
    images[20] = replace(images[20], read=partial(_cut_off_and_read, cluster, images[20]))
    predictions = predict_images(predictor, images, scheduler=cluster.scheduler_address)
    assert len(cluster.scheduler.workers) == 1
    assert [prediction.image for prediction in predictions] == [image.name for image in images]
    expected = {prediction.image: prediction for prediction in predict_images(predictor, few)}
    for image, prediction in zip(cycle(few), predictions, strict=False):
        assert prediction.boxes.tolist() == expected[image.name].boxes.tolist()


def test_an_answer_counts_though_its_worker_is_lost_at_once(predictor, wider_folder, cluster, monkeypatch):
    monkeypatch.setattr(Future, "status", "lost")  # as Dask calls a result that it would have to make again
    images = folder_images(wider_folder)[:2]
    predictions = predict_images(predictor, images, scheduler=cluster.scheduler_address)
    assert [prediction.image for prediction in predictions] == [image.name for image in images]


def test_an_image_that_kills_its_workers_is_named(wider_folder, cluster):
    with pytest.raises(RunError, match=r"cluster died while they held .*Event/image_\d\.jpg"):
        predict_images(_kill, folder_images(wider_folder), scheduler=cluster.scheduler_address)


def _kill(name: str, content: bytes) -> Prediction:
    """Fail as Dask says it when a task ended worker after worker."""
    raise KilledWorker(name, SimpleNamespace(address="tcp://127.0.0.1:9"), 3)


def _cut_off_and_read(cluster: LocalCluster, image: EncodedImage) -> bytes:
    """End a worker's connection without a word, as its death does."""
    cluster.loop.add_callback(cluster.workers[0].batched_stream.abort)
    return image.read()


def test_an_absent_scheduler_is_named(predictor, wider_folder, monkeypatch):
    monkeypatch.setattr("featherface.evaluation.run._CONNECT_SECONDS", 0.2)
    with pytest.raises(RunError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        predict_images(predictor, folder_images(wider_folder), scheduler="tcp://127.0.0.1:9")
