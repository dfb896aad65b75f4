"""The report as PDF and as slides, which need the extra `reports`."""

from __future__ import annotations

from collections.abc import Sequence

from featherface.errors import install_hint
from featherface.reporting.html_report import AnnotatedPhoto, ReportError
from featherface.study.measurements import Measurements
from featherface.study.story import Step

__all__ = ["PDF_FILE", "SLIDES_FILE", "SLIDES_MIME", "pdf_file", "slides_file"]

PDF_FILE, SLIDES_FILE = "featherface_report.pdf", "featherface_slides.pptx"
SLIDES_MIME = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_MISSING = f"the extra 'reports'; {install_hint('reports')}."


def pdf_file(
    measurements: Measurements, steps: Sequence[Step], photos: Sequence[AnnotatedPhoto] = ()
) -> bytes:
    """Return the PDF report. Raises ReportError if its library is not installed or memory runs out."""
    try:
        from featherface.reporting.pdf_report import pdf_report

        return pdf_report(measurements, steps, photos)
    except ModuleNotFoundError as error:
        raise ReportError(f"The PDF report needs {_MISSING}") from error
    except MemoryError as error:
        raise ReportError(
            "There is not enough memory for the PDF report; close other programs, or leave out the photos."
        ) from error


def slides_file(measurements: Measurements, steps: Sequence[Step]) -> bytes:
    """Return the slides as PPTX. Raises ReportError if its library is not installed."""
    try:
        from featherface.reporting.slide_deck import slide_deck
    except ModuleNotFoundError as error:
        raise ReportError(f"The slides need {_MISSING}") from error
    return slide_deck(measurements, steps)
