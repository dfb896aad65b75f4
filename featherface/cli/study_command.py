"""`featherface study`: the whole study, written to a folder."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from featherface.cli.common import Command, CommandError, add_threads_option, finished_points
from featherface.config import weights_folder

if TYPE_CHECKING:
    from featherface.evaluation.curves import SavedCurves
    from featherface.evaluation.paired_bootstrap import PrecisionComparison
    from featherface.study.measurements import Accuracy, Measurements
    from featherface.study.story import Step

__all__ = ["COMMAND"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--quick", action="store_true", help="15 timed rounds instead of 100")
    parser.add_argument(
        "--pdf", action="store_true", help="also write the report as PDF (needs the extra reports)"
    )
    parser.add_argument(
        "--pptx", action="store_true", help="also write six slides as PPTX (needs the extra reports)"
    )
    add_threads_option(parser)
    parser.add_argument(
        "--curves",
        type=Path,
        metavar="FILE",
        help="average precision saved by `featherface evaluate --curves` (default: the shipped evaluations)",
    )
    parser.add_argument(
        "--comparison",
        type=Path,
        metavar="FILE",
        help="difference in average precision, with its paired confidence interval, saved by "
        "`featherface evaluate --comparison` (default: the shipped comparisons)",
    )


def _run(arguments: argparse.Namespace) -> int:
    from featherface.profiling.latency import benchmark
    from featherface.study import summary as study
    from featherface.study.results import (
        accuracies,
        load_networks,
        shipped_checksums,
        shipped_engines,
        shipped_pruned_training,
        shipped_pruning,
    )
    from featherface.study.story import evidence, story

    folder = weights_folder()
    checksums = shipped_checksums(folder)
    curves = _curves(arguments.curves, folder, checksums)  # refused before minutes of measuring
    scored = accuracies(curves, checksums)
    comparison = _comparison(arguments.comparison, folder, checksums, scored)
    arguments.out.mkdir(parents=True, exist_ok=True)
    networks, weights = load_networks(folder)
    settings = study.in_every_engine(study.rounds(arguments.threads, quick=arguments.quick))
    results = finished_points(benchmark(networks, settings))
    latency = results[0] if results else None
    measurements = study.measure(
        networks,
        weights,
        latency,
        scored,
        comparison,
        shipped_pruning(folder, checksums),
        shipped_engines(folder, checksums),
        tuple(results[1:]),
        shipped_pruned_training(folder, checksums),
    )
    summary = study.write(measurements, arguments.out)
    steps = story(measurements, evidence(folder, checksums))
    reports = _write_reports(arguments, measurements, curves, steps)
    if arguments.json:
        print(summary.read_text(encoding="utf-8"), end="")
    else:
        _print_results(measurements, summary, reports)
    return 0


def _curves(path: Path | None, folder: Path, checksums: Mapping[str, str]) -> list[SavedCurves]:
    """Return the evaluations of the weights in use: those in the file `path`, or else the shipped ones.

    Raises CurvesError if the file cannot be read or has results of other weights, and CommandError if it
    lacks the subsets that the study needs.
    """
    from featherface.evaluation.curves import check_weights, load_curves
    from featherface.study.results import accuracy, shipped_curves

    if path is None:
        shipped = shipped_curves(folder)
        return [saved for saved in shipped if checksums.get(saved.model) == saved.weights_sha256]
    curves = load_curves(path)
    check_weights(curves, checksums, str(path))
    if not any(accuracy(saved) for saved in curves):
        raise CommandError(
            f"{path} has no average precision for easy, medium and hard; evaluate with --ground-truth."
        )
    return curves


def _comparison(
    path: Path | None, folder: Path, checksums: Mapping[str, str], scored: Mapping[str, Accuracy]
) -> PrecisionComparison | None:
    """Return the paired comparison of the scored models: that in the file `path`, or else the shipped one.

    Raises ComparisonError if the file cannot be read or compares other weights, and CommandError if it is of
    other models, images or another input size than the average precision.
    """
    from featherface.evaluation.paired_bootstrap import check_compared_weights, load_comparisons
    from featherface.study.results import paired_comparison, shipped_comparisons

    if path is None:
        return paired_comparison(shipped_comparisons(folder), checksums, scored)
    found = load_comparisons(path)
    check_compared_weights(found, checksums, str(path))
    comparison = paired_comparison(found, checksums, scored)
    if comparison is None:
        raise CommandError(
            f"{path} has no comparison of the study's models on the images of the average precision; "
            "save both with one `featherface evaluate --curves FILE --comparison FILE` and pass both files."
        )
    return comparison


def _write_reports(
    arguments: argparse.Namespace,
    measurements: Measurements,
    curves: Sequence[SavedCurves],
    steps: Sequence[Step],
) -> list[Path]:
    """Write the HTML report and, where asked for, the PDF and the slides; return their paths.

    Raises ReportError if the extra `reports` is missing.
    """
    from featherface.files import write_files
    from featherface.reporting.evaluation_runs import report_charts
    from featherface.reporting.html_report import REPORT_FILE, html_report
    from featherface.reporting.report_files import PDF_FILE, SLIDES_FILE, pdf_file, slides_file

    report = html_report(measurements, report_charts(curves), steps=steps)
    files = {arguments.out / REPORT_FILE: report.encode()}
    if arguments.pdf:
        files[arguments.out / PDF_FILE] = pdf_file(measurements, steps)
    if arguments.pptx:
        files[arguments.out / SLIDES_FILE] = slides_file(measurements, steps)
    write_files(files)
    return list(files)


def _print_results(measurements: Measurements, summary: Path, reports: Sequence[Path]) -> None:
    from featherface.study.claims import audit

    for row in audit(measurements):
        print(f"{row.verdict:<17}{row.claim.quote}: {row.text}")
    latency = measurements.latency
    if latency is None:
        print("Stopped before latency was measured; the results do not include it.")
    elif not latency.complete:
        print(f"Stopped after {latency.rounds} of {latency.settings.runs} rounds, which the results use.")
    print(f"Summary: {summary}")
    for report in reports:
        print(f"Report: {report}")


COMMAND = Command(
    summary="repeat the study and write its results",
    description="Repeat the study: count, measure and compare the models. Ctrl-C stops the timing early.\n\n"
    "Writes comparison_summary.json, with the notebook's fields, everything measured, the claims audit, the\n"
    "radar and the recommendations, and featherface_report.html, which opens offline in any browser. With\n"
    "--pdf and --pptx, also featherface_report.pdf and featherface_slides.pptx, whose charts stay editable.\n"
    "--json prints the summary.",
    add_options=_add_options,
    run=_run,
)
