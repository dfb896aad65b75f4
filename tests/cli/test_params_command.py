from __future__ import annotations

import json

import pytest

from featherface.cli.main import main

COUNTS = {
    "v1": {
        "total": 592_371,
        "groups": {"Backbone": 213_072, "CBAM": 13_568, "BiFPN": 112_606, "SSH": 246_885, "Heads": 6_240},
    },
    "v2": {
        "total": 256_156,
        "groups": {"Backbone": 213_072, "CBAM": 6_600, "BiFPN": 26_068, "SSH": 7_248, "Heads": 3_168},
    },
}


def test_both_models(capsys):
    assert main(["params", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == COUNTS
    assert err == ""


@pytest.mark.parametrize("model", COUNTS)
def test_one_model(model, capsys):
    assert main(["params", "--model", model, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {model: COUNTS[model]}
    assert main(["params", "--model", model]) == 0
    assert f"{COUNTS[model]['total']:,} parameters" in capsys.readouterr().out
