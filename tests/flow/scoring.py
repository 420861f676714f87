"""The demo's own score over what an office holds of the sample drive."""

import sys

import httpx
from tests.flow.running_office import ROOT, SAMPLE, rows

sys.path.insert(0, str(ROOT / "demo"))
from score import MergeScore, Seen, read_truth, score_merging  # beside demo/run.py

__all__ = ["MergeScore", "score_of"]


def score_of(reader: httpx.Client, drive_ids: tuple[str, str]) -> MergeScore:
    """Score of both passes, by the ids of their drives."""
    seen = [
        Seen(
            drive_pass,
            row["best_sequence"],
            (row["box_px"]["x1"], row["box_px"]["y1"], row["box_px"]["x2"], row["box_px"]["y2"]),
            row["defect_id"],
        )
        for drive_pass, drive_id in enumerate(drive_ids, start=1)
        for row in rows(reader, "observations", drive_id=drive_id)
    ]
    return score_merging(seen, read_truth(SAMPLE / "truth.csv"))
