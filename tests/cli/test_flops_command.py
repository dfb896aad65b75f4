from __future__ import annotations

import json

from featherface.cli.main import main


def test_the_counters_disagree_about_deformable_convolution_only(capsys):
    assert main(["flops", "--size", "64", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts["v1"]["macs"] > counts["v1"]["counter_macs"] > counts["v1"]["thop_macs"]
    assert counts["v2"]["macs"] == counts["v2"]["thop_macs"]


def test_the_printed_total_is_the_one_in_the_json(capsys):
    assert main(["flops", "--size", "64", "--model", "v1", "--json"]) == 0
    macs = json.loads(capsys.readouterr().out)["v1"]["macs"]
    assert main(["flops", "--size", "64", "--model", "v1"]) == 0
    printed = capsys.readouterr().out
    assert f"{macs / 1e6:,.1f} MMACs" in printed
    assert "bilinear sampling" in printed
