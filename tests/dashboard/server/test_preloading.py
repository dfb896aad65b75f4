from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import gc, sys
from featherface.dashboard.server.preloading import start_preloading
from featherface.models import MODELS
from featherface.profiling.complexity import cost

start_preloading().join()
print("torch" in sys.modules, gc.isenabled(), gc.get_freeze_count() > 100_000)
print([cost(key, 640).study_macs > 0 for key in MODELS])
slow = ("thop", "distributed", "scipy", "openvino", "torch.utils.flop_counter")
print([name for name in slow if name in sys.modules])
"""


def test_the_first_page_imports_nothing_that_it_does_not_need():
    run = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    loaded, counted, superfluous = run.stdout.splitlines()
    assert loaded == "True True True"  # garbage collection works again, without what was loaded
    assert counted == "[True, True]"
    assert superfluous == "[]"
