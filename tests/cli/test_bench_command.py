from __future__ import annotations

import json

from featherface.cli.main import main
from featherface.models import MODELS

OPTIONS = ("bench", "--sizes", "32", "64", "--runs", "2", "--warmup", "0")


def test_json_has_every_size_and_model(capsys):
    assert main([*OPTIONS, "--json"]) == 0
    points = json.loads(capsys.readouterr().out)["points"]
    assert [point["settings"]["width"] for point in points] == [32, 64]
    assert all(point["summary"].keys() == MODELS.keys() and point["complete"] for point in points)
    assert [list(point["speed_up"]) for point in points] == [list(MODELS)[1:]] * 2


def test_the_speed_up_is_printed_with_its_interval(capsys):
    assert main(OPTIONS) == 0
    assert capsys.readouterr().out.count("95% confidence interval") == 2
