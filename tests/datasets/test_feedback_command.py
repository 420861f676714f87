"""wegewart-data feedback as people call it: lines and pictures in, a data set out."""

import csv
import hashlib
import json
import shutil

import cv2
import pytest
from tests.datasets.feedback_lines import ELSEWHERE, HEIGHT_PX, HERE, WIDTH_PX, Office, box, named
from tests.datasets.yolo_sets import NAMES, listing, write_manifest

from wegewart_datasets import feedback
from wegewart_datasets.__main__ import main
from wegewart_datasets.formats.cvat import read_cvat
from wegewart_datasets.yolo import images_of, read_data_yaml, read_labels


@pytest.fixture
def office(tmp_path, monkeypatch):
    monkeypatch.setenv("WEGEWART_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WEGEWART_MANIFESTS", str(tmp_path / "manifests"))
    monkeypatch.setenv("WEGEWART_WORK", str(tmp_path / "work"))
    (tmp_path / "data").mkdir()
    (tmp_path / "manifests").mkdir()
    return Office(tmp_path)


def run(office, *options, out="out", earlier=()):
    office.write()
    folder = office.root / "data" / out
    files = [str(file) for file in (*earlier, office.file)]
    command = ["feedback", *files, "--evidence", str(office.evidence), "--out", str(folder)]
    return main([*command, *options]), folder


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def images(folder):
    return {path.name.split("-")[-1][:12]: path for path in (folder / "images").rglob("*.jpg")}


def reasons(folder):
    return {row["what"]: row["reason"] for row in rows(folder / "extra/left_out.csv")}


def test_decisions_become_labels_and_every_picture_names_where_it_came_from(office, capsys):
    office.says("a", "crack", "confirmed", place="8a1f8d", defect_id=named("defect"), consent="contract 7")
    office.says("b", "wrong", "class_corrected", class_code="D20", drive_id=named("drive b"))
    office.says(
        "c", "wrong", "damage_added", class_code="D40", box_px=box(ELSEWHERE), drive_id=named("drive b")
    )

    code, out = run(office)

    assert code == 0
    data = read_data_yaml(out / "data.yaml")
    assert [name.split()[0] for name in data.names] == [name.split()[0] for name in NAMES]
    wrong = images(out)[office.picture("wrong")[:12]]
    assert wrong.read_bytes() == office.path("wrong").read_bytes()
    labels = read_labels(wrong, 4)
    assert labels.classes.tolist() == [2, 3]
    assert labels.boxes_px(WIDTH_PX, HEIGHT_PX)[0] == pytest.approx(HERE, abs=0.001)
    origin = {row["sha256"]: row for row in rows(out / "extra/provenance.csv")}[office.picture("crack")]
    assert origin["kind"] == "damage"
    assert origin["drive_id"] == named("drive a")
    assert origin["observations"] == named("seen in crack")
    assert (origin["place"], origin["defects"]) == ("8a1f8d", named("defect"))
    assert (origin["licence"], origin["consent"], origin["roles"]) == ("internal", "contract 7", "inspector")
    assert "3 decisions; 2 images (damage 2); boxes D00 1, D10 0, D20 1, D40 1" in capsys.readouterr().out


def test_a_rejected_finding_is_a_hard_negative_and_the_picture_keeps_its_true_boxes(office):
    second = {
        "observation_id": named("second"),
        "class_code": "D40",
        "confidence": 0.3,
        "box_px": box(ELSEWHERE),
    }
    office.says("a", "shadow", "rejected", rejection="no_damage", instead="shadow")
    office.says("b", "both", "confirmed")
    office.says("c", "both", "rejected", rejection="no_damage", seen=second)

    _, out = run(office)

    found = images(out)
    assert read_labels(found[office.picture("shadow")[:12]], 4).classes.tolist() == []
    assert read_labels(found[office.picture("both")[:12]], 4).classes.tolist() == [0]
    assert (found[office.picture("shadow")[:12]].parents[2] / "labels/train").is_dir()
    negatives = {row["image"]: row for row in rows(out / "extra/hard_negatives.csv")}
    assert negatives[found[office.picture("shadow")[:12]].name]["instead"] == "shadow"
    assert negatives[found[office.picture("both")[:12]].name]["class"] == "D40"
    assert negatives[found[office.picture("both")[:12]].name]["confidence"] == "0.3"
    kinds = {row["kind"] for row in rows(out / "extra/provenance.csv")}
    assert kinds == {"hard negative", "damage and hard negative"}


def test_what_nobody_looked_over_waits_for_people_unless_it_is_taken_on_purpose(office, capsys):
    office.says("a", "p", "confirmed", whole_picture=False)
    office.says("b", "q", "rejected", rejection="no_damage", whole_picture=False)

    code, out = run(office)

    assert code == 0
    assert not (out / "data.yaml").exists()
    assert set(reasons(out).values()) == {"nobody looked over the whole picture"}
    assert "no picture can be used" in capsys.readouterr().err
    task = {
        image.image.stem.split("-")[-1]: image
        for image in read_cvat(out / "to-decide", out / "to-decide/images")
    }
    assert [one.label for one in task[office.picture("p")[:12]].boxes] == ["D00"]
    assert task[office.picture("q")[:12]].boxes == ()

    _, taken = run(office, "--take-unchecked", out="taken")
    assert len(images(taken)) == 2


def test_conflicts_are_told_and_kept_aside_with_all_claims(office, capsys):
    office.says("a", "p", "confirmed")
    office.says("b", "p", "class_corrected", class_code="D20", role="dispatcher")
    office.says("c", "q", "confirmed")

    code, out = run(office)

    assert code == 0
    assert list(images(out)) == [office.picture("q")[:12]]
    (conflict,) = rows(out / "extra/conflicts.csv")
    assert conflict["sha256"] == office.picture("p")
    assert conflict["detail"] == "classes D00, D20"
    assert conflict["decisions"].split() == [named("a"), named("b")]
    assert conflict["roles"] == "inspector dispatcher"
    assert "people disagree on 1 findings" in capsys.readouterr().err
    assert len(list((out / "to-decide/images").iterdir())) == 1


def test_an_unknown_class_is_told_and_its_picture_waits_until_it_is_mapped(office, capsys):
    office.says("a", "p", "class_corrected", class_code="edge-break")
    office.says("b", "q", "confirmed")

    code, out = run(office)

    assert code == 0
    assert list(images(out)) == [office.picture("q")[:12]]
    assert "unknown classes: edge-break 1" in capsys.readouterr().err
    assert rows(out / "extra/other_boxes.csv")[0]["reason"] == "unknown"

    mapping = office.root / "mapping.toml"
    for text, classes in (('[classes]\nedge-break = "D20"\n', [2]), ('aside = ["edge-break"]\n', [])):
        mapping.write_text(text)
        _, mapped = run(office, "--mapping", str(mapping), out=f"mapped-{len(classes)}")
        assert read_labels(images(mapped)[office.picture("p")[:12]], 4).classes.tolist() == classes
    assert rows(mapped / "extra/other_boxes.csv")[0]["reason"] == "aside"


def test_missing_changed_and_strange_pictures_are_left_out_and_the_exit_code_says_so(office, capsys):
    for name in ("good", "missing", "changed", "torn", "size"):
        line = office.says(name, name, "confirmed")
    line["evidence"]["width_px"] = WIDTH_PX + 10
    office.lines[-1] = json.dumps(line)
    whole = office.path("torn").read_bytes()
    office.pictures["torn"] = hashlib.sha256(whole[:-40]).hexdigest()
    office.path("torn").parent.mkdir(exist_ok=True)
    office.path("torn").write_bytes(whole[:-40])
    office.lines[3] = office.lines[3].replace(hashlib.sha256(whole).hexdigest(), office.pictures["torn"])
    office.path("missing").unlink()
    office.path("changed").write_bytes(office.path("good").read_bytes())
    office.lines.append("{")

    code, out = run(office)

    assert code == 1
    assert list(images(out)) == [office.picture("good")[:12]]
    said = {what[8:]: reason for what, reason in reasons(out).items()}
    assert said[office.picture("missing")] == "its file is missing"
    assert said[office.picture("changed")] == "its file was changed: the hash differs"
    assert said[office.picture("torn")] == "its file is truncated"
    assert "another size: 160 x 96 px, its lines say 170 x 96" in said[office.picture("size")]
    err = capsys.readouterr().err
    assert "line 6: " in err
    assert "its file is missing" in err


def test_nothing_of_a_picture_that_is_barred_from_training_is_copied(office):
    office.says("a", "p", "confirmed", training_allowed=False, whole_picture=False)
    office.says("b", "q", "confirmed")

    _, out = run(office)

    barred = office.path("p").read_bytes()
    assert all(content != barred for content in listing(out).values())
    assert reasons(out)[f"picture {office.picture('p')}"] == "training is not allowed"


def test_a_picture_that_comes_later_is_taken_when_the_command_is_repeated(office):
    office.says("a", "p", "confirmed")
    away = office.path("p").rename(office.root / "not yet synced")

    assert run(office)[0] == 1
    away.rename(office.path("p"))
    code, out = run(office)

    assert code == 0
    assert list(images(out)) == [office.picture("p")[:12]]
    assert reasons(out) == {}


def taken_back(office):
    office.says("w", "p", "withdrawn", supersedes=named("a"), training_allowed=False, sequence=7)


def of_another_version(office):
    line = office.says("later", "p", "confirmed", training_allowed=False, sequence=7)
    office.lines[-1] = json.dumps(line | {"schema_version": 2})


def without_a_frame(office):
    line = office.says("later", "p", "confirmed", training_allowed=False)
    del line["sequence"]
    office.lines[-1] = json.dumps(line)


def without_a_word_on_it(office):
    line = office.says("later", "p", "confirmed", sequence=7)
    del line["training_allowed"]
    office.lines[-1] = json.dumps(line)


def said_twice(office):
    office.says("later", "p", "confirmed", training_allowed=False, sequence=7)
    office.says("later", "p", "rejected", rejection="no_damage", sequence=7)


@pytest.mark.parametrize(
    "bar", [taken_back, of_another_version, without_a_frame, without_a_word_on_it, said_twice]
)
def test_a_line_that_does_not_count_bars_every_cut_of_its_frame_all_the_same(bar, office):
    office.says("a", "p", "confirmed", sequence=7)
    office.says("b", "p", "confirmed", sequence=7)
    office.says("c", "other cut", "confirmed", sequence=7)
    office.says("d", "other frame", "confirmed", sequence=8)
    bar(office)

    _, out = run(office)

    assert list(images(out)) == [office.picture("other frame")[:12]]
    assert not (out / "to-decide").exists()
    for name in ("p", "other cut"):
        assert reasons(out)[f"picture {office.picture(name)}"] == "training is not allowed"


def test_what_is_kept_for_scoring_is_refused_by_list_by_drive_and_by_likeness(office, capsys):
    for name in ("good", "listed", "tested", "alike"):
        office.says(name, name, "confirmed")
    office.says("drive", "driven", "confirmed", drive_id=named("drive b"))
    listed = office.root / "reserved.csv"
    listed.write_text(
        f"image,drive,part\n{office.picture('listed')}.jpg,,reserved\n,{named('drive b')},reserved\n"
    )
    tests = office.root / "data/tests"
    for folder in ("images", "labels"):
        (tests / folder).mkdir(parents=True)
    shutil.copy(office.path("tested"), tests / "images/same.jpg")
    assert cv2.imwrite(
        str(tests / "images/like.jpg"), cv2.imread(str(office.path("alike"))), [cv2.IMWRITE_JPEG_QUALITY, 40]
    )
    names = "\n".join(f"  {number}: {name}" for number, name in enumerate(NAMES))
    (tests / "data.yaml").write_text(f"test: images\nnames:\n{names}\n")
    write_manifest(office.root / "manifests", "tests", splits=("test",))

    code, out = run(office, "--reserved", str(listed))

    assert code == 0
    assert list(images(out)) == [office.picture("good")[:12]]
    said = {what[8:]: reason for what, reason in reasons(out).items()}
    assert said[office.picture("listed")] == "reserved: the picture is reserved for scoring"
    assert said[office.picture("driven")].startswith("reserved: drive ")
    assert said[office.picture("tested")] == "reserved: tests keeps the same file for scoring"
    assert "tests keeps nearly the same picture for scoring" in said[office.picture("alike")]
    assert "compared with 2 test images of tests, 2 named ones" in capsys.readouterr().out


def test_a_killed_run_goes_on_where_it_was_and_ends_as_if_never_killed(office, monkeypatch):
    for number in range(6):
        office.says(f"d{number}", f"p{number}", "confirmed", sequence=number)
    take, seen = feedback._take, []

    def killed_at_the_fourth(job, picture):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(picture.sha256)
        return take(job, picture)

    monkeypatch.setattr(feedback, "_take", killed_at_the_fourth)
    assert run(office, out="killed")[0] == 1
    with (office.root / "data/killed" / feedback.JOURNAL).open("a") as journal:
        journal.write('{"sha256": "torn')

    def counted(job, picture):
        seen.append(picture.sha256)
        return take(job, picture)

    monkeypatch.setattr(feedback, "_take", counted)
    assert run(office, out="killed")[0] == 0
    assert sorted(seen) == sorted(office.pictures.values())  # none of them twice

    _, whole = run(office, out="whole")
    skipped = {"killed.toml", "whole.toml"}  # the name of the folder stands in them
    first, second = (
        {name: content for name, content in listing(folder).items() if name not in skipped}
        for folder in (office.root / "data/killed", whole)
    )
    assert first == second


def test_two_files_are_one_history_and_one_alone_says_what_it_lacks(office, capsys):
    office.says("a", "p", "confirmed")
    office.write()
    may = office.file.rename(office.root / "may.jsonl")
    office.lines.clear()
    office.says("b", "p", "withdrawn", supersedes=named("a"))
    office.says("c", "q", "confirmed")

    _, alone = run(office, out="alone")

    assert "1 decisions take back others of which no line here can be used" in capsys.readouterr().err
    said = f"takes back {named('a')}, of which no line here can be used"
    assert reasons(alone) == {f"decision {named('b')}": said}
    assert json.loads((alone / "extra/feedback.json").read_text())["without_target"] == 1

    _, both = run(office, out="both", earlier=[may])

    assert list(images(both)) == [office.picture("q")[:12]]
    assert reasons(both) == {}


def test_a_folder_of_other_feedback_is_refused(office, capsys):
    office.says("a", "p", "confirmed")
    run(office)
    office.says("b", "q", "confirmed")

    assert run(office)[0] == 1
    assert "choose a new folder" in capsys.readouterr().err


def test_the_result_passes_audit_and_split_never_parts_a_drive(office, capsys):
    for number in range(24):
        drive = named(f"drive {number % 6}")
        office.says(
            f"d{number}",
            f"p{number}",
            "confirmed",
            drive_id=drive,
            sequence=number,
            place=f"cell-{number % 6}",
        )
    _, out = run(office, out="feedback-may")
    shutil.copy(out / "feedback-may.toml", office.root / "manifests")

    assert main(["audit", "feedback-may"]) == 0
    assert main(["split", "feedback-may", "--out", str(office.root / "split")]) == 0

    by_drive = {}
    for row in rows(office.root / "split/extra/groups.csv"):
        drive = row["image"].split("-")[0]
        by_drive.setdefault(drive, set()).add(row["split"])
    assert len(by_drive) == 6
    assert all(len(splits) == 1 for splits in by_drive.values())
    assert len(images_of(read_data_yaml(out / "data.yaml"), "train")) == 24
    capsys.readouterr()


def test_drives_that_hang_together_by_their_places_are_told(office, capsys):
    for number in range(8):
        office.says(f"d{number}", f"p{number}", "confirmed", drive_id=named(f"drive {number}"), place="same")

    run(office)

    assert "8 of 8 images hang together in one group" in capsys.readouterr().err
