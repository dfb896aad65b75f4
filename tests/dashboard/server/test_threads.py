from __future__ import annotations

import sys

from featherface.dashboard.server.threads import shorten_thread_switch_interval


def test_threads_wait_less_for_each_other_than_by_default(monkeypatch):
    chosen = []
    monkeypatch.setattr(sys, "setswitchinterval", chosen.append)
    shorten_thread_switch_interval()
    (seconds,) = chosen
    assert 0 < seconds < 0.005
