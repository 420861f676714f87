"""Every source format becomes YOLO layout with the same boxes, and nothing of it is lost silently."""

import csv
import json

import cv2
import numpy as np
import pytest
from tests.datasets.yolo_sets import NAMES, listing, write_image, write_yolo_set

from wegewart.errors import DatasetInvalid
from wegewart_datasets.__main__ import main
from wegewart_datasets.formats.masks import boxes_of_mask
from wegewart_datasets.group_table import groups_of
from wegewart_datasets.importing import JOURNAL, Job, import_source
from wegewart_datasets.labelled import turned_box
from wegewart_datasets.mapping import ClassMapping, MaskRule, read_mapping
from wegewart_datasets.yolo import images_of, read_data_yaml, read_labels

WIDTH_PX, HEIGHT_PX = 200, 100
BOX_PX = (20, 30, 60, 80)  # x1, y1, x2, y2
BOX_UNIT = (0.2, 0.55, 0.2, 0.5)  # by hand: ((20 + 60) / 2) / 200, ((30 + 80) / 2) / 100, 40 / 200, 50 / 100


def voc_xml(*objects, size=(WIDTH_PX, HEIGHT_PX)):
    boxes = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax>"
        f"<ymax>{y2}</ymax></bndbox></object>"
        for name, (x1, y1, x2, y2) in objects
    )
    frame = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    return f"<annotation><filename>ignored.jpg</filename>{frame}{boxes}</annotation>"


def write_country(root, country, annotations):
    for stem, xml in annotations.items():
        write_image(root / country / "train/images" / f"{stem}.jpg", WIDTH_PX, HEIGHT_PX)
        path = root / country / "train/annotations/xmls" / f"{stem}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(xml)


def coco_of(name, label, box_px, **image):
    x1, y1, x2, y2 = box_px
    return {
        "images": [{"id": 7, "file_name": name, "width": WIDTH_PX, "height": HEIGHT_PX, **image}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [x1, y1, x2 - x1, y2 - y1]}],
        "categories": [{"id": 3, "name": label}],
    }


def label_studio_of(address, label, box_px):
    x1, y1, x2, y2 = box_px
    value = {
        "x": x1 / WIDTH_PX * 100,
        "y": y1 / HEIGHT_PX * 100,
        "width": (x2 - x1) / WIDTH_PX * 100,
        "height": (y2 - y1) / HEIGHT_PX * 100,
        "rectanglelabels": [label],
    }
    result = {"type": "rectanglelabels", "original_width": WIDTH_PX, "original_height": HEIGHT_PX}
    cancelled = {"was_cancelled": True, "result": []}
    return [
        {
            "id": 1,
            "data": {"image": address},
            "annotations": [{"result": [{**result, "value": value}]}, cancelled],
        }
    ]


def write_source(kind, root):
    """The same picture with the same box in every format; returns what to import."""
    x1, y1, x2, y2 = BOX_PX
    if kind == "voc":
        write_country(root, "Czech", {"Czech_000001": voc_xml(("D40", BOX_PX))})
        return root
    if kind == "yolo":
        write_image(root / "images/train/a.jpg", WIDTH_PX, HEIGHT_PX)
        (root / "labels/train").mkdir(parents=True)
        (root / "labels/train/a.txt").write_text("3 0.2 0.55 0.2 0.5\n")
        lines = ["train: images/train", "names:", *(f"  {n}: {name}" for n, name in enumerate(NAMES))]
        (root / "data.yaml").write_text("\n".join(lines))
        return root
    if kind == "masks":
        write_image(root / "images/a.jpg", WIDTH_PX, HEIGHT_PX)
        mask = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
        mask[y1:y2, x1:x2] = 4
        (root / "masks").mkdir()
        assert cv2.imwrite(str(root / "masks/a.png"), mask)
        return root
    write_image(root / "images/a.jpg", WIDTH_PX, HEIGHT_PX)
    if kind == "coco":
        (root / "train.json").write_text(json.dumps(coco_of("a.jpg", "D40", BOX_PX)))
        return root / "train.json"
    if kind == "cvat":
        (root / "annotations.xml").write_text(
            f'<annotations><image id="0" name="a.jpg" width="{WIDTH_PX}" height="{HEIGHT_PX}">'
            f'<box label="D40" xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}"/></image></annotations>'
        )
        return root
    path = root / "export.json"
    path.write_text(json.dumps(label_studio_of("/data/upload/1/0a1b2c3d-a.jpg", "D40", BOX_PX)))
    return path


def the_only_label(folder, split="train"):
    (image,) = images_of(read_data_yaml(folder / "data.yaml"), split)
    return image, read_labels(image, 4)


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


KINDS = ("voc", "coco", "yolo", "cvat", "label-studio", "masks")


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_the_same_box_and_the_source_stays_as_it_was(kind, tmp_path):
    source = write_source(kind, tmp_path / "source")
    before = listing(tmp_path / "source")
    mapping = ClassMapping(classes={"4": "D40"})

    import_source(Job(kind, source, tmp_path / "out", mapping))

    image, labels = the_only_label(tmp_path / "out")
    assert labels.classes.tolist() == [3]
    np.testing.assert_allclose(labels.boxes_unit, [BOX_UNIT], atol=1e-6)
    assert image.read_bytes() in before.values()
    assert listing(tmp_path / "source") == before


@pytest.mark.parametrize("kind", ["yolo", "coco", "cvat"])
def test_what_is_exported_comes_back_with_the_same_boxes(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("WEGEWART_DATA", raising=False)
    texts = {"a": "0 0.5 0.5 0.25 0.125\n3 0.1 0.1 0.1 0.1\n", "b": ""}
    data_yaml = write_yolo_set(tmp_path / "roads", {"train": texts, "val": {"c": "2 0.5 0.5 1 1\n"}})

    assert main(["export", kind, str(data_yaml), "--out", str(tmp_path / "exported")]) == 0
    assert main(["import", kind, str(tmp_path / "exported"), "--out", str(tmp_path / "back")]) == 0

    before, after = read_data_yaml(data_yaml), read_data_yaml(tmp_path / "back/data.yaml")
    for split in ("train", "val"):
        for one, other in zip(images_of(before, split), images_of(after, split), strict=True):
            assert one.name == other.name
            expected, found = read_labels(one, 4), read_labels(other, 4)
            np.testing.assert_array_equal(found.classes, expected.classes)
            np.testing.assert_allclose(found.boxes_unit, expected.boxes_unit, atol=2e-5)


@pytest.mark.parametrize("kind", ["yolo", "coco", "cvat"])
def test_groups_of_what_is_exported_go_along(kind, tmp_path, monkeypatch):
    monkeypatch.delenv("WEGEWART_DATA", raising=False)
    data_yaml = write_yolo_set(tmp_path / "roads", {"train": {"a": "", "b": ""}, "val": {"c": ""}})
    (tmp_path / "roads/extra").mkdir()
    table = "image,group,source\na.jpg,bridge,ours\nb.jpg,hill,ours\nc.jpg,wood,ours\n"
    (tmp_path / "roads/extra/groups.csv").write_text(table)
    out = tmp_path / "exported"

    assert main(["export", kind, str(data_yaml), "--out", str(out), "--split", "train"]) == 0

    assert groups_of(out / "extra/groups.csv") == {"a.jpg": "bridge", "b.jpg": "hill"}
    assert groups_of(out / "extra/groups.csv", "source") == {"a.jpg": "ours", "b.jpg": "ours"}


def test_countries_are_imported_together_and_pictures_without_xml_are_not_taken_as_undamaged(tmp_path):
    write_country(tmp_path / "rdd", "Czech", {"Czech_000001": voc_xml(("D00", BOX_PX))})
    write_country(tmp_path / "rdd", "Norway", {"Norway_000001": voc_xml()})
    write_image(tmp_path / "rdd/Norway/train/images/Norway_000002.jpg")

    report = import_source(Job("voc", tmp_path / "rdd", tmp_path / "out", read_mapping("rdd2022")))

    assert report.images == {"train": 2}
    assert {row["source"] for row in rows_of(tmp_path / "out/extra/groups.csv")} == {"Czech", "Norway"}
    (left,) = rows_of(tmp_path / "out/extra/left_out.csv")
    assert left["what"].endswith("Norway_000002.jpg")
    assert left["reason"] == "unlabelled: no annotation file"


def test_the_source_of_an_imported_image_is_its_name_before_the_number(tmp_path):
    stems = ("China_Drone_000001", "China_MotorBike_000002", "IMG-0001", "IMG-0002")
    write_country(tmp_path / "rdd", "mixed", dict.fromkeys(stems, voc_xml(("D00", BOX_PX))))

    import_source(Job("voc", tmp_path / "rdd", tmp_path / "out", ClassMapping()))

    sources = [row["source"] for row in rows_of(tmp_path / "out/extra/groups.csv")]
    assert sources == ["China_Drone", "China_MotorBike", "IMG", "IMG"]


def test_unknown_classes_are_counted_and_kept_but_not_labelled(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("WEGEWART_DATA", raising=False)
    objects = [("D40", BOX_PX), ("Kanaldeckel", BOX_PX), ("Kanaldeckel", (0, 0, 9, 9)), ("Repair", BOX_PX)]
    country = {"Czech_000001": voc_xml(*objects), "Czech_000002": voc_xml()}
    write_country(tmp_path / "rdd", "Czech", country)
    command = ["import", "voc", str(tmp_path / "rdd"), "--out", str(tmp_path / "out")]

    assert main([*command, "--mapping", "rdd2022"]) == 0

    said = capsys.readouterr()
    assert "unknown classes: Kanaldeckel 2" in said.err
    assert "kept aside: Repair 1" in said.out
    assert "images train 2, 1 without a box; boxes D00 0" in said.out
    rows = rows_of(tmp_path / "out/extra/other_boxes.csv")
    assert [(row["class"], row["reason"]) for row in rows] == [
        ("Kanaldeckel", "unknown"),
        ("Kanaldeckel", "unknown"),
        ("Repair", "aside"),
    ]
    first, _ = images_of(read_data_yaml(tmp_path / "out/data.yaml"), "train")
    assert read_labels(first, 4).classes.tolist() == [3]


def test_boxes_over_the_edge_are_cut_and_boxes_without_extent_are_kept_aside(tmp_path):
    objects = [("D00", (150, 50, 250, 120)), ("D10", (10, 10, 10, 50)), ("D20", (300, 10, 350, 50))]
    write_country(tmp_path / "rdd", "Czech", {"Czech_000001": voc_xml(*objects)})

    report = import_source(Job("voc", tmp_path / "rdd", tmp_path / "out", ClassMapping()))

    _, labels = the_only_label(tmp_path / "out")
    np.testing.assert_allclose(labels.boxes_px(WIDTH_PX, HEIGHT_PX), [[150, 50, 200, 100]], atol=1e-3)
    assert report.clipped == 1
    assert report.unusable == {"D10": 1, "D20": 1}


def test_labels_for_another_picture_size_shape_are_left_out_with_both_sizes(tmp_path):
    country = {
        "Czech_000001": voc_xml(("D00", BOX_PX), size=(HEIGHT_PX, WIDTH_PX)),
        "Czech_000002": voc_xml(("D00", BOX_PX)),
    }
    write_country(tmp_path / "rdd", "Czech", country)

    import_source(Job("voc", tmp_path / "rdd", tmp_path / "out", ClassMapping()))

    (left,) = rows_of(tmp_path / "out/extra/left_out.csv")
    assert left["reason"] == "its labels are for 100x200, the image has 200x100 pixels"


@pytest.mark.parametrize("kind", ["voc", "coco", "cvat"])
def test_labels_that_state_no_picture_size_are_taken_in_the_pictures_own_pixels(kind, tmp_path):
    source = write_source(kind, tmp_path / "source")
    for path in (tmp_path / "source").rglob("*"):
        if path.suffix in {".xml", ".json"}:
            text = path.read_text()
            for side, value in (("width", WIDTH_PX), ("height", HEIGHT_PX)):
                for form in (f"<{side}>{{}}<", f'"{side}": {{}}', f'{side}="{{}}"'):
                    text = text.replace(form.format(value), form.format(0))
            path.write_text(text)

    import_source(Job(kind, source, tmp_path / "out", ClassMapping()))

    np.testing.assert_allclose(the_only_label(tmp_path / "out")[1].boxes_unit, [BOX_UNIT], atol=1e-6)


def test_a_box_with_two_labels_is_a_box_of_each(tmp_path):
    source = write_source("label-studio", tmp_path / "source")
    source.write_text(source.read_text().replace('["D40"]', '["D40", "D20"]'))

    import_source(Job("label-studio", source, tmp_path / "out", ClassMapping()))

    _, labels = the_only_label(tmp_path / "out")
    assert labels.classes.tolist() == [3, 2]
    np.testing.assert_allclose(labels.boxes_unit, [BOX_UNIT] * 2, atol=1e-6)


def test_percents_of_a_picture_without_a_size_are_refused(tmp_path):
    source = write_source("label-studio", tmp_path / "source")
    source.write_text(source.read_text().replace('"original_width": 200', '"original_width": 0'))

    with pytest.raises(DatasetInvalid, match="its image has 0x100 pixels"):
        import_source(Job("label-studio", source, tmp_path / "out", ClassMapping()))


def test_broken_pictures_and_broken_xml_are_left_out_and_named(tmp_path):
    texts = {f"Czech_00000{number}": voc_xml(("D00", BOX_PX)) for number in range(3)}
    write_country(tmp_path / "rdd", "Czech", texts)
    (tmp_path / "rdd/Czech/train/images/Czech_000000.jpg").write_bytes(b"no picture")
    (tmp_path / "rdd/Czech/train/annotations/xmls/Czech_000001.xml").write_text("<annotation><obj")

    report = import_source(Job("voc", tmp_path / "rdd", tmp_path / "out", ClassMapping()))

    assert report.images == {"train": 1}
    reasons = "\n".join(row["reason"] for row in rows_of(tmp_path / "out/extra/left_out.csv"))
    assert "the image cannot be decoded" in reasons
    assert "cannot be read as XML" in reasons


def test_entities_in_xml_are_refused_before_they_grow(tmp_path):
    bomb = '<!DOCTYPE a [<!ENTITY b "boom"><!ENTITY c "&b;&b;&b;">]><annotation>&c;</annotation>'
    write_country(tmp_path / "rdd", "Czech", {"Czech_000001": bomb})

    with pytest.raises(DatasetInvalid, match="no image was taken"):
        import_source(Job("voc", tmp_path / "rdd", tmp_path / "out", ClassMapping()))

    (left,) = rows_of(tmp_path / "out/extra/left_out.csv")
    assert "declares a document type" in left["reason"]


def test_a_file_name_that_leads_out_of_the_source_is_refused(tmp_path):
    write_image(tmp_path / "secret.jpg", WIDTH_PX, HEIGHT_PX)
    (tmp_path / "source").mkdir()
    (tmp_path / "source/train.json").write_text(json.dumps(coco_of("../secret.jpg", "D40", BOX_PX)))

    with pytest.raises(DatasetInvalid, match="leads out of"):
        import_source(Job("coco", tmp_path / "source", tmp_path / "out", ClassMapping()))


def test_a_killed_import_goes_on_behind_its_journal_and_ends_as_if_nothing_had_happened(tmp_path):
    texts = {f"Czech_{number:06}": voc_xml(("D00", BOX_PX), ("Repair", BOX_PX)) for number in range(6)}
    write_country(tmp_path / "rdd", "Czech", texts)
    whole = Job("voc", tmp_path / "rdd", tmp_path / "whole", ClassMapping())
    import_source(whole)
    killed = Job("voc", tmp_path / "rdd", tmp_path / "killed", ClassMapping())
    import_source(killed)
    lines = (tmp_path / "killed" / JOURNAL).read_text().splitlines(keepends=True)
    (tmp_path / "killed" / JOURNAL).write_text("".join(lines[:3]) + lines[3][:20])  # torn in line 4
    kept = tmp_path / "killed/images/train/Czech_000000.jpg"
    written_before = kept.stat().st_mtime_ns

    import_source(killed)

    assert kept.stat().st_mtime_ns == written_before
    assert listing(tmp_path / "killed") == listing(tmp_path / "whole")


def test_a_repeated_import_takes_what_was_repaired_and_forgets_what_was_wrong_with_it(tmp_path):
    texts = {f"Czech_00000{number}": voc_xml(("D00", BOX_PX)) for number in range(3)}
    write_country(tmp_path / "rdd", "Czech", texts)
    image = tmp_path / "rdd/Czech/train/images/Czech_000000.jpg"
    xml = tmp_path / "rdd/Czech/train/annotations/xmls/Czech_000001.xml"
    image.write_bytes(b"no picture")
    xml.write_text("<annotation><obj")
    job = Job("voc", tmp_path / "rdd", tmp_path / "out", ClassMapping())
    assert import_source(job).images == {"train": 1}

    write_image(image, WIDTH_PX, HEIGHT_PX)
    xml.write_text(texts["Czech_000001"])
    report = import_source(job)

    assert (report.images, report.boxes, report.left_out) == ({"train": 3}, {"D00": 3}, {})
    assert rows_of(tmp_path / "out/extra/left_out.csv") == []


def with_another_box(source):
    path = source / "Czech/train/annotations/xmls/Czech_000001.xml"
    path.write_text(voc_xml(("D40", BOX_PX)))


def with_another_picture(source):
    write_image(source / "Czech/train/images/Czech_000001.jpg", WIDTH_PX, HEIGHT_PX)


def without_its_label(source):
    (source / "Czech/train/annotations/xmls/Czech_000001.xml").unlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_another_box, "or its labels changed since it was taken"),
        (with_another_picture, "or its labels changed since it was taken"),
        (without_its_label, "1 images that were taken are no longer in"),
    ],
)
def test_a_repeated_import_refuses_what_changed_after_it_was_taken(change, said, tmp_path):
    texts = dict.fromkeys(("Czech_000001", "Czech_000002"), voc_xml(("D00", BOX_PX)))
    write_country(tmp_path / "rdd", "Czech", texts)
    job = Job("voc", tmp_path / "rdd", tmp_path / "out", ClassMapping())
    import_source(job)

    change(tmp_path / "rdd")

    with pytest.raises(DatasetInvalid, match=f"{said}.*Czech_000001|Czech_000001.*{said}"):
        import_source(job)


def test_another_import_into_the_same_folder_is_refused(tmp_path):
    write_country(tmp_path / "rdd", "Czech", {"Czech_000001": voc_xml(("D00", BOX_PX))})
    import_source(Job("voc", tmp_path / "rdd", tmp_path / "out", ClassMapping()))

    with pytest.raises(DatasetInvalid, match="choose a new folder"):
        import_source(Job("voc", tmp_path / "rdd", tmp_path / "out", read_mapping("rdd2022")))


def test_equal_names_in_two_folders_stay_two_pictures(tmp_path):
    write_country(tmp_path / "rdd", "one", {"a": voc_xml(("D00", BOX_PX))})
    write_country(tmp_path / "rdd", "two", {"a": voc_xml(("D40", BOX_PX))})

    import_source(Job("voc", tmp_path / "rdd", tmp_path / "out", ClassMapping()))

    images = images_of(read_data_yaml(tmp_path / "out/data.yaml"), "train")
    assert [image.name for image in images] == ["a.jpg", "two__train__images__a.jpg"]
    assert [int(read_labels(image, 4).classes[0]) for image in images] == [0, 3]


def test_the_folder_of_an_image_is_noted_since_it_may_name_the_drive(tmp_path):
    for drive in ("drive_01", "drive_02"):
        write_country(tmp_path / "rdd", drive, {"frame_000123": voc_xml(("D00", BOX_PX))})

    import_source(Job("voc", tmp_path / "rdd", tmp_path / "out", ClassMapping()))

    assert groups_of(tmp_path / "out/extra/groups.csv", "folder") == {
        "frame_000123.jpg": "drive_01/train/images",
        "drive_02__train__images__frame_000123.jpg": "drive_02/train/images",
    }


def test_a_dry_run_says_what_each_class_would_become_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("WEGEWART_DATA", raising=False)
    source = write_source("coco", tmp_path / "source")

    assert main(["import", "coco", str(source), "--out", str(tmp_path / "out"), "--dry-run"]) == 0

    assert "'D40': 1 boxes -> D40" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_an_import_with_licence_and_source_writes_a_manifest_under_which_it_is_found(
    tmp_path, monkeypatch, capsys
):
    source = write_source("cvat", tmp_path / "source")
    monkeypatch.setenv("WEGEWART_DATA", str(tmp_path))
    monkeypatch.setenv("WEGEWART_MANIFESTS", str(tmp_path / "Our_Roads"))
    words = ["--licence", "CC BY 4.0", "--source-text", 'own "test" drive']

    assert main(["import", "cvat", str(source), "--out", str(tmp_path / "Our_Roads"), *words]) == 0
    assert main(["check", "our-roads"]) == 0

    assert "D40 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("shape", "expected_px"),
    [
        ('<polygon label="D40" points="20,30;60,40;50,80"/>', [[20, 30, 60, 80]]),
        ('<box label="D40" xtl="40" ytl="40" xbr="80" ybr="60" rotation="90"/>', [[50, 30, 70, 70]]),
        ('<mask label="D40" rle="1" left="20" top="30" width="40" height="50"/>', [[20, 30, 60, 80]]),
        ('<points label="D40" points="20,30"/><points label="D40" points="50,60"/>', []),
    ],
    ids=["polygon", "turned-box", "mask", "points"],
)
def test_shapes_of_cvat_become_the_upright_box_around_them(shape, expected_px, tmp_path):
    write_image(tmp_path / "source/a.jpg", WIDTH_PX, HEIGHT_PX)
    (tmp_path / "source/annotations.xml").write_text(
        f'<annotations><image id="0" name="a.jpg" width="200" height="100">{shape}</image></annotations>'
    )

    report = import_source(Job("cvat", tmp_path / "source", tmp_path / "out", ClassMapping()))

    boxes_px = the_only_label(tmp_path / "out")[1].boxes_px(WIDTH_PX, HEIGHT_PX)
    np.testing.assert_allclose(boxes_px, np.reshape(expected_px, (-1, 4)), atol=1e-3)
    assert report.left_out.total() == (0 if expected_px else 2)


def test_a_box_turned_by_90_degrees_clockwise_around_its_upper_left_corner_lies_to_the_left_of_it():
    box = turned_box("D40", (10, 10), (10, 10), (30, 5), 90)

    np.testing.assert_allclose((box.x1, box.y1, box.x2, box.y2), (5, 10, 10, 40), atol=1e-9)


@pytest.mark.parametrize(("join_px", "count"), [(0, 2), (4, 2), (5, 1)], ids=["touch", "below", "gap"])
def test_mask_regions_are_joined_up_to_the_stated_gap(join_px, count):
    mask = np.zeros((20, 40), bool)
    mask[5:10, 5:10] = True
    mask[5:10, 15:20] = True  # five free pixels between: 10, 11, 12, 13, 14

    boxes = boxes_of_mask(mask, "D40", MaskRule(join_px=join_px))

    assert len(boxes) == count
    assert (boxes[0].x1, boxes[0].y1, boxes[-1].x2, boxes[-1].y2) == (5, 5, 20, 10)


def test_specks_of_a_mask_are_kept_aside(tmp_path):
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    mask[10:30, 10:30] = 255
    mask[80:82, 80:82] = 255
    write_image(tmp_path / "dnit/1/1_RAW.jpg", WIDTH_PX, HEIGHT_PX)
    assert cv2.imwrite(str(tmp_path / "dnit/1/1_POTHOLE.png"), mask)

    report = import_source(Job("masks", tmp_path / "dnit", tmp_path / "out", read_mapping("dnit-masks")))

    assert report.boxes == {"D40": 1}
    assert report.aside == {"speck of POTHOLE": 1}


def test_a_mask_of_16_bits_gives_the_same_boxes_and_one_in_colour_is_left_out(tmp_path):
    deep, colour = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint16), np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    x1, y1, x2, y2 = BOX_PX
    deep[y1:y2, x1:x2], colour[y1:y2, x1:x2] = 4, (0, 0, 255)
    (tmp_path / "source/masks").mkdir(parents=True)
    for name, mask in (("deep", deep), ("colour", colour)):
        write_image(tmp_path / f"source/images/{name}.jpg", WIDTH_PX, HEIGHT_PX)
        assert cv2.imwrite(str(tmp_path / f"source/masks/{name}.png"), mask)

    mapping = ClassMapping(classes={"4": "D40"})
    import_source(Job("masks", tmp_path / "source", tmp_path / "out", mapping))

    np.testing.assert_allclose(the_only_label(tmp_path / "out")[1].boxes_unit, [BOX_UNIT], atol=1e-6)
    (left,) = rows_of(tmp_path / "out/extra/left_out.csv")
    assert left["reason"] == "unlabelled: colour.png has colours, each grey value must name a class"


def test_a_class_mask_of_16_bits_counts_from_the_value_1_on(tmp_path):
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint16)
    mask[10:30, 10:30] = 1
    write_image(tmp_path / "dnit/1/1_RAW.jpg", WIDTH_PX, HEIGHT_PX)
    assert cv2.imwrite(str(tmp_path / "dnit/1/1_POTHOLE.png"), mask)

    report = import_source(Job("masks", tmp_path / "dnit", tmp_path / "out", read_mapping("dnit-masks")))

    assert report.boxes == {"D40": 1}


def test_a_mapping_to_a_class_that_the_taxonomy_lacks_is_refused(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text('[classes]\nhole = "D99"\n')

    with pytest.raises(DatasetInvalid, match="'hole' is mapped to 'D99'"):
        read_mapping(str(path))


def test_an_image_that_is_listed_in_two_splits_is_taken_once_and_named(tmp_path):
    write_image(tmp_path / "coco/a.jpg", WIDTH_PX, HEIGHT_PX)
    for split in ("train", "val"):
        (tmp_path / f"coco/{split}.json").write_text(json.dumps(coco_of("a.jpg", "D40", BOX_PX)))
    job = Job("coco", tmp_path / "coco", tmp_path / "out", ClassMapping())

    report = import_source(job)

    assert report.images == {"train": 1}
    (left,) = rows_of(tmp_path / "out/extra/left_out.csv")
    assert left["reason"] == "listed twice: again in val, the first counts"
    assert import_source(job) == report  # repeating adds nothing
