"""The child process that tries a model file: `python -m featherface.detection.detector_trial KEY`.

Input: the ONNX model. Exit status 0 where it runs; else a sentence on standard output, or nothing after a
crash.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import numpy as np

from featherface.config import MAX_INPUT_PIXELS
from featherface.detection.face_finder import FinderError
from featherface.detection.other_detectors import load_finder

__all__: list[str] = []

_MEMORY = 4 * 2**30  # bytes of address space; CenterFace at the largest input takes 1.5 GB of it
_LARGEST = int(MAX_INPUT_PIXELS**0.5)  # pixels
_SHAPES = ((64, 96), (320, 192), (_LARGEST, _LARGEST))  # height and width


def main() -> int:
    """Try the model and return the exit status."""
    _limit_memory()
    (key,) = sys.argv[1:]
    try:
        finder = load_finder(key, sys.stdin.buffer.read())
        for height, width in _SHAPES:
            finder.find(np.full((height, width, 3), 128, np.uint8))
    except FinderError as error:
        print(error)
        return 1
    except MemoryError:
        print("The model file takes too much memory; choose another.")
        return 1
    return 0


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # at once: nothing of a hostile file runs while the libraries shut down
