from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from featherface.cli.main import main
from featherface.detection.images import decode_photo
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings, Scales
from featherface.models import MODELS
from featherface.reporting.comparison import compare
from featherface.serving import model_service
from tests.detector_models import centerface_model, yunet_model

pytestmark = pytest.mark.usefixtures("only_v2")


def test_json_has_boxes_landmarks_and_stages(write_photo, capsys):
    photo = write_photo("a.png")
    assert main(["detect", str(photo), "--model", "v2", "--size", "128", "--top-k", "3", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    result = json.loads(out)
    assert result["settings"]["v2"] == {
        "confidence": 0.5,
        "nms_iou": 0.4,
        "top_k": 3,
        "resize": "fit",
        "input_size": 128,
        "scales": "auto",
        "rotated": False,
    }
    assert (result["weights"]["v2"]["source"], len(result["weights"]["v2"]["sha256"])) == ("shipped", 64)
    (entry,) = result["photos"]
    assert (entry["photo"], entry["width"], entry["height"]) == (str(photo), 64, 48)
    assert entry["decode_milliseconds"] > 0
    faces = entry["models"]["v2"]
    assert [len(faces[name]) for name in ("boxes", "scores", "landmarks")] == [3, 3, 3]
    assert (len(faces["boxes"][0]), len(faces["landmarks"][0])) == (4, 10)
    assert list(faces["milliseconds"]) == ["preprocess", "network", "postprocess"]


def test_the_json_is_that_of_the_dashboard(write_photo, capsys):
    path = write_photo("a.png")
    assert main(["detect", str(path), "--model", "v2", "--size", "128", "--top-k", "3", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    settings = DetectionSettings(top_k=3, input_size=128, scales=Scales.AUTO)
    photo = decode_photo(path)
    result = model_service.ModelService().merged_candidates(photo, "v2", settings)
    shown = compare(str(path), (photo.width, photo.height), {"v2": result}, {"v2": settings})
    assert without_times(printed) == without_times(json.loads(shown.to_json()))


def without_times(document: dict) -> dict:
    """The same document without durations, but with the names of the stages."""
    for photo in document["photos"]:
        del photo["decode_milliseconds"]
        for model in photo["models"].values():
            model["milliseconds"] = list(model["milliseconds"])
    return document


def test_the_published_checkpoint_finds_the_astronaut(shared, tmp_path, capsys):
    photo = str(shared / "reference" / "astronaut.png")
    v1 = f"v1={shared / 'checkpoints' / 'featherface_v1_published.pth'}"
    v2 = f"v2={shared / 'reference' / 'v2_seeded.pth'}"
    saved = tmp_path / "new" / "folder"
    options = ["--weights", v1, "--weights", v2, "--scales", "1", "--save-dir", str(saved), "--json"]
    assert main(["detect", photo, *options]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["weights"]["v1"]["source"] == "user"
    (entry,) = result["photos"]
    np.testing.assert_allclose(entry["models"]["v1"]["boxes"], [[179, 50, 270, 177]], atol=2)
    with Image.open(entry["saved"]) as pair:
        assert pair.width == 2 * entry["width"]
        assert pair.height > entry["height"]  # each model has a title


def test_unreadable_files_are_reported_and_the_rest_is_done(write_photo, tmp_path, capsys):
    write_photo("a.png")
    (tmp_path / "b.jpg").write_text("not a photo")
    (tmp_path / "c.heic").write_bytes(b"0" * 100)
    write_photo("d.webp")
    (tmp_path / "notes.txt").write_text("skipped")
    arguments = ["detect", str(tmp_path), "--model", "v2", "--size", "128"]

    assert main([*arguments, "--json"]) == 2
    out, err = capsys.readouterr()
    document = json.loads(out)
    photos = document["photos"]
    assert document["skipped"] == [{"path": str(tmp_path / "notes.txt"), "reason": "not a photo"}]
    assert [Path(entry["photo"]).name for entry in photos] == ["a.png", "b.jpg", "c.heic", "d.webp"]
    assert ["error" in entry for entry in photos] == [False, True, True, False]
    assert "4/4" in err  # the progress bar
    assert f"featherface: Skipped (not a photo): {tmp_path / 'notes.txt'}\n" in err
    assert err.count("featherface: ") == 3

    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert [line.split(": V2 ")[0] for line in out.splitlines()] == [
        str(tmp_path / "a.png"),
        str(tmp_path / "d.webp"),
    ]


def folder_of_photos(write_photo, folder: Path) -> None:
    """Write photos by odd names and in sub-folders, and what is no photo."""
    write_photo("a.png")
    write_photo("sub/b.png")
    write_photo("sub/a.png")
    for name in ("without_extension", "c.jpg_large"):
        (folder / name).write_bytes((folder / "a.png").read_bytes())
    (folder / "sub" / "notes.txt").write_text("no photo")
    (folder / "._a.png").write_bytes(b"Finder's metadata")
    (folder / "up").symlink_to(folder)


def test_a_folder_names_what_it_skips_and_recursive_looks_into_sub_folders(write_photo, tmp_path, capsys):
    folder_of_photos(write_photo, tmp_path)
    arguments = ["detect", str(tmp_path), "--model", "v2", "--size", "128", "--top-k", "1", "--json"]

    assert main(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    names = [str(Path(entry["photo"]).relative_to(tmp_path)) for entry in document["photos"]]
    assert names == ["a.png", "c.jpg_large", "without_extension"]
    assert [Path(entry["path"]).name for entry in document["skipped"]] == ["sub", "up"]
    assert "--recursive" in document["skipped"][0]["reason"]

    assert main([*arguments, "--recursive"]) == 0
    document = json.loads(capsys.readouterr().out)
    names = [str(Path(entry["photo"]).relative_to(tmp_path)) for entry in document["photos"]]
    assert names == ["a.png", "c.jpg_large", "sub/a.png", "sub/b.png", "without_extension"]
    skipped = {Path(entry["path"]).name: entry["reason"] for entry in document["skipped"]}
    assert skipped == {"notes.txt": "not a photo", "up": "a link to a folder"}


@pytest.mark.parametrize("as_json", [True, False])
def test_ctrl_c_keeps_what_is_done(as_json, write_photo, tmp_path, monkeypatch, capsys):
    for name in ("a.png", "b.png", "c.png"):
        write_photo(name)

    def decode_until_c(path: Path):
        if path.name == "c.png":
            raise KeyboardInterrupt
        return decode_photo(path)

    monkeypatch.setattr("featherface.detection.images.decode_photo", decode_until_c)
    options = ["--model", "v2", "--size", "128", "--top-k", "1", "--save-dir", str(tmp_path / "out")]
    assert main(["detect", str(tmp_path), *options, *["--json"][: int(as_json)]]) == 130
    out, err = capsys.readouterr()
    assert "Stopped after 2 of 3 photos." in err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.v2.jpeg", "b.v2.jpeg"]
    if as_json:
        document = json.loads(out)
        assert document["interrupted"] is True
        assert [Path(entry["photo"]).name for entry in document["photos"]] == ["a.png", "b.png"]
        _, *lines, _ = out.splitlines()  # each photo is a line of its own, printed as soon as it is done
        assert [json.loads(line.removeprefix(",")) for line in lines] == document["photos"]
    else:
        assert len(out.splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param(os.fsdecode(b"caf\xe9.png"), r"caf\xe9.png", id="not UTF-8"),
        pytest.param("two\nlines.png", r"two\nlines.png", id="line break"),
        pytest.param("n" * 246 + ".png", "n" * 246 + ".png", id="250 bytes"),
        pytest.param("\u4e2d" * 80 + ".png", "\u4e2d" * 80 + ".png", id="240 bytes of Chinese"),
    ],
)
def test_odd_names_reach_the_json_and_the_saved_file(name, shown, write_photo, tmp_path, capsys):
    path = tmp_path / "photos" / name
    path.parent.mkdir()
    path.write_bytes(write_photo("a.png").read_bytes())
    options = ["--model", "v2", "--size", "128", "--top-k", "1", "--save-dir", str(tmp_path / "out")]
    for extra in (["--json"], []):
        assert main(["detect", str(path), *options, *extra]) == 0
        out, _ = capsys.readouterr()
        out.encode()  # standard output takes only what is UTF-8
        assert len(out.splitlines()) == (3 if extra else 1)  # JSON: the start, the photo and the end
        if extra:
            (entry,) = json.loads(out)["photos"]
            assert Path(entry["photo"]).name == shown
            with Image.open(entry["saved"]) as saved:
                assert saved.width == entry["width"]


def test_unreadable_files_of_odd_names_are_one_line(tmp_path, capsys):
    path = tmp_path / os.fsdecode(b"two\nlines\xe9.jpg")
    path.write_bytes(b"no photo")
    assert main(["detect", str(path), "--model", "v2", "--json"]) == 2
    out, err = capsys.readouterr()
    (entry,) = json.loads(out)["photos"]
    assert entry["error"].isprintable()
    assert err.count("\n") == 1


def test_a_blank_photo_says_so(tmp_path, capsys):
    Image.new("RGB", (64, 48), "white").save(tmp_path / "white.png")
    options = ["--model", "v2", "--size", "128", "--top-k", "1", "--json"]
    assert main(["detect", str(tmp_path / "white.png"), *options]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["photos"][0]["notice"].startswith("This image is blank")
    assert "This image is blank" in err


def test_photos_of_the_same_name_are_saved_under_two(write_photo, tmp_path, capsys):
    photos = [str(write_photo("a.png")), str(write_photo("x/a.png"))]
    options = ["--model", "v2", "--size", "128", "--top-k", "1", "--save-dir", str(tmp_path / "out")]
    for _ in range(2):  # a second run replaces the files of the first
        assert main(["detect", *photos, *options]) == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a.v2.2.jpeg", "a.v2.jpeg"]


def test_a_panorama_is_saved_with_the_models_stacked(write_photo, tmp_path, trained, capsys):
    photo = write_photo("wide.png", width=33_000, height=8)  # two side by side do not fit into a JPEG
    v2 = f"v2={trained / MODELS['v2'].weights}"
    torch.save(MODELS["v1"].builder().state_dict(), tmp_path / "v1.pth")
    options = ["--weights", v2, "--weights", f"v1={tmp_path / 'v1.pth'}", "--size", "128", "--scales", "1"]
    assert main(["detect", str(photo), *options, "--top-k", "1", "--save-dir", str(tmp_path / "out")]) == 0
    (path,) = (tmp_path / "out").iterdir()
    with Image.open(path) as saved:
        assert (path.name, saved.width) == ("wide.v1-v2.jpeg", 33_000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param([], "required: PHOTO", id="no photo"),
        pytest.param(
            ["a.png", "--model", "v9"], "choose v1, v2, yunet, centerface or all", id="unknown model"
        ),
        pytest.param(["a.png", "--conf", "0.01"], "between 0.02 and 0.99", id="confidence"),
        pytest.param(["a.png", "--conf", "nan"], "between 0.02 and 0.99", id="not a number"),
        pytest.param(["a.png", "--conf", "high"], "invalid float value: 'high'", id="no number"),
        pytest.param(["a.png", "--nms", "0.95"], "between 0.1 and 0.9", id="NMS"),
        pytest.param(["a.png", "--size", "64"], "between 128 and 1,920", id="size"),
        pytest.param(["a.png", "--top-k", "0"], "at least 1", id="top-k"),
        pytest.param(["a.png", "--resize", "crop"], "invalid choice: 'crop'", id="resize"),
        pytest.param(["a.png", "--weights", "v1"], "form MODEL=FILE", id="weights without a file"),
        pytest.param(["a.png", "--model", "v2", "--weights", "v1=x.pth"], "names v1", id="unused weights"),
        pytest.param(["a.png", "--weights", "v1=x.pth"], "no file x.pth", id="missing weights"),
        pytest.param(["a.png"], "V1 has no trained weights yet", id="untrained"),
        pytest.param(["a.png", "--model", "v2"], "a.png cannot be read", id="missing photo"),
        pytest.param([".", "--model", "v2"], "contains no photos", id="folder without photos"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["detect", *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


def test_a_save_dir_that_cannot_be_made_is_named(write_photo, capsys):
    photo = write_photo("a.png")
    assert main(["detect", str(photo), "--model", "v2", "--save-dir", str(photo)]) == 2
    assert capsys.readouterr().err == f"featherface: {photo}: File exists\n"


def test_the_help_offers_every_resize_mode(capsys):
    main(["detect", "--help"])
    assert f"{{{','.join(Resize)}}}" in capsys.readouterr().out


def test_each_face_of_several_passes_names_its_pass(write_photo, capsys):
    photo = str(write_photo("a.png"))
    options = ["--model", "v2", "--size", "128", "--rotated", "--scales", "1", "--conf", "0.02", "--json"]
    assert main(["detect", photo, *options]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["settings"]["v2"]["scales"], result["settings"]["v2"]["rotated"]) == ("1", True)
    found = result["photos"][0]["models"]["v2"]
    assert [one["degrees"] for one in found["passes"]] == [0, 90, 180, 270]
    assert [one["input_size"] for one in found["passes"]] == [[128, 96], [96, 128], [128, 96], [96, 128]]
    assert len(found["found_by"]) == len(found["boxes"]) > 0
    spent = sum(one["milliseconds"] for one in found["passes"])
    assert sum(found["milliseconds"].values()) >= spent - 0.01


@pytest.mark.parametrize(
    ("options", "scales"),
    [([], "auto"), (["--scales", "1"], "1"), (["--resize", "study"], "1"), (["--resize", "original"], "1")],
)
def test_several_sizes_are_the_default_where_the_photo_is_fitted(options, scales, write_photo, capsys):
    photo = str(write_photo("a.png"))
    assert main(["detect", photo, "--model", "v2", "--size", "128", "--json", *options]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["v2"]["scales"] == scales


def test_other_detectors_from_files_of_the_user(write_photo, tmp_path, capsys):
    contents = {"yunet": yunet_model(), "centerface": centerface_model()}
    command = [
        "detect",
        str(write_photo("a.png")),
        "--model",
        "yunet,centerface,v2",
        "--size",
        "128",
        "--json",
    ]
    for key, content in contents.items():
        path = tmp_path / f"own_{key}.onnx"
        path.write_bytes(content)
        command += ["--weights", f"{key}={path}"]

    assert main(command) == 0

    result = json.loads(capsys.readouterr().out)
    files = {key: weights["file"] for key, weights in result["weights"].items()}
    assert (files["yunet"], files["centerface"]) == ("own_yunet.onnx", "own_centerface.onnx")
    assert list(result["photos"][0]["models"]) == ["yunet", "centerface", "v2"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--model", "v2,v9"], "There is no model 'v9'; choose v1, v2, yunet, centerface or all."),
        (["--model", "yunet"], "There is no model file of YuNet (ONNX) yet."),
        (
            ["--model", "yunet", "--weights", "yunet=own.onnx"],
            "own.onnx is a model file of CenterFace, not of",
        ),
    ],
)
def test_a_detector_that_is_not_there_is_a_sentence(
    write_photo, tmp_path, monkeypatch, capsys, options, sentence
):
    photo = write_photo("a.png")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.onnx").write_bytes(centerface_model())

    assert main(["detect", str(photo), *options]) == 2
    assert sentence in capsys.readouterr().err
