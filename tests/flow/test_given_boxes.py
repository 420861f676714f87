"""Labelled boxes instead of a model: placed by the vehicle's command, merged by a real office."""

import csv
import json
from pathlib import Path

import httpx
import pytest
from tests.flow.running_office import BIN, SAMPLE, Vehicle, environment_for, finished, running_office
from tests.flow.scoring import score_of

pytestmark = [pytest.mark.slow]


def labelled_boxes(drive_pass: int, path: Path) -> Path:
    """The truth of one pass as detections."""
    columns = ("sequence", "class", "confidence", "x1", "y1", "x2", "y2")
    with (
        (SAMPLE / "truth.csv").open(newline="", encoding="utf-8") as truth,
        path.open("w", newline="") as boxes,
    ):
        writer = csv.DictWriter(boxes, columns, extrasaction="ignore")
        writer.writeheader()
        for row in csv.DictReader(truth):
            if int(row["pass"]) == drive_pass:
                writer.writerow(row | {"confidence": "0.9"})
    return path


def send(url: str, token: str, observations: list[dict[str, object]], track: dict[str, object]) -> None:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as device:
        for path, batch in (
            ("observations", {"observations": observations}),
            ("drives", {"drives": [track]}),
        ):
            answer = device.post(f"/api/v1/{path}", json=batch)
            assert answer.status_code == 200, answer.text


def test_a_second_drive_recognises_most_labelled_damages(tmp_path: Path) -> None:
    """Measured: 59 of 67, and 2 wrong merges; the passes' GNSS biases lie 9 m apart.

    With 1.3 looks a damage this drive hardly tells its pitch, so its gate is that of what is thought
    possible: 99 and 79 observations, where 107 and 81 were made (63 of 71) with the pitch taken as known.

    Boxes cut by the frame's edge have no place: damages that a pass saw only cut are not seen again.
    """
    drive_ids = []
    with running_office(tmp_path, environment_for(tmp_path, None)) as office:
        token = Vehicle.of(office).token_file.read_text(encoding="utf-8").strip()
        for drive_pass in (1, 2):
            boxes = labelled_boxes(drive_pass, tmp_path / f"boxes-{drive_pass}.csv")
            out, track = tmp_path / f"{drive_pass}.jsonl", tmp_path / f"{drive_pass}.json"
            drive = SAMPLE / f"pass-{drive_pass}"
            finished(
                [
                    BIN / "wegewart-edge",
                    "locate",
                    drive,
                    "--detections",
                    boxes,
                    "--out",
                    out,
                    "--track",
                    track,
                ],
                office.environment,
            )
            observations = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
            about = json.loads(track.read_text(encoding="utf-8"))
            assert about["observations"] == len(observations)
            send(office.url, token, observations, about)
            drive_ids.append(about["drive_id"])
        with office.reader() as reader:
            score = score_of(reader, (drive_ids[0], drive_ids[1]))
    assert score.seen_again >= 66
    assert score.merged_second_pass >= 0.85 * score.seen_again, score
    assert score.wrong_merges <= 0.04 * score.seen_again, score
