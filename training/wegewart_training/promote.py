"""Promotion: a candidate becomes the model in use only where paired measurement says that it is better."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wegewart.errors import CalledWrongly
from wegewart_inference.detector import Detector
from wegewart_inference.model_bundle import BundleCard
from wegewart_training.comparison import Comparison, Difference, compare
from wegewart_training.evaluate import look_at, scored_codes, scored_thresholds
from wegewart_training.evaluation import Evaluation, evaluate_images
from wegewart_training.judged import ScoredImage
from wegewart_training.registry import version_of

LEAST_BOXES = 50  # of a class in the truth; below, its interval says too little to stop a release


@dataclass(frozen=True)
class Verdict:
    """Whether the candidate may replace the model in use, and every reason against it."""

    candidate: str
    current: str
    overall: Difference
    by_class: dict[str, Difference]
    reasons: tuple[str, ...]

    @property
    def promoted(self) -> bool:
        """Nothing speaks against it."""
        return not self.reasons


def paired(candidate: Detector, current: Detector, data_yamls: Sequence[Path], split: str) -> Verdict:
    """Both on the same images of all data sets together, differences over paired resamples."""
    pair = compare(_evaluation(candidate, data_yamls, split), _evaluation(current, data_yamls, split))
    return verdict_of(pair)


def check_version(candidate: BundleCard, current: BundleCard) -> None:
    """Refuse a version that does not rise; models of different names are not compared by version.

    Raises:
        CalledWrongly: If the candidate's is not above that of the model in use.
    """
    if candidate.name == current.name and version_of(candidate.version) <= version_of(current.version):
        raise CalledWrongly(
            f"{candidate.id} is not above {current.id}: versions only rise, give the candidate a higher one"
        )


def verdict_of(pair: Comparison) -> Verdict:
    """The rule: mAP50 better at the lower end, no class with enough boxes worse at the upper end.

    Raises:
        CalledWrongly: If the images hold no labelled damage.
    """
    differences = pair.differences()
    if "map50" not in differences or differences["map50"].interval is None:
        raise CalledWrongly("the images hold no labelled damage: give --data that can tell two models apart")
    overall = differences["map50"]
    boxes = {
        code: int((pair.ours.judged.truth_classes == index).sum())
        for index, code in enumerate(pair.ours.codes)
    }
    by_class = {code: differences[f"ap50_{code}"] for code in boxes if f"ap50_{code}" in differences}
    return Verdict(
        candidate=pair.ours.model,
        current=pair.other.model,
        overall=overall,
        by_class=by_class,
        reasons=tuple(_reasons(overall, by_class, boxes)),
    )


def _reasons(overall: Difference, by_class: dict[str, Difference], boxes: dict[str, int]) -> list[str]:
    reasons = []
    if overall.interval is None or overall.interval[0] <= 0:
        reasons.append(f"overall gain not shown: mAP50 {_text(overall)}, its lower end is not above 0")
    for code, difference in by_class.items():
        if boxes[code] >= LEAST_BOXES and difference.interval is not None and difference.interval[1] < 0:
            reasons.append(f"{code} is worse: AP50 {_text(difference)} on {boxes[code]} boxes")
    return reasons


def verdict_table(verdict: Verdict) -> str:
    """The verdict for people."""
    lines = [f"{verdict.candidate} against {verdict.current}, differences with 95 % intervals (paired)"]
    lines.append(f"  mAP50   {_text(verdict.overall)}")
    lines += [f"  {code:<6}  {_text(difference)}" for code, difference in verdict.by_class.items()]
    lines += [f"refused: {reason}" for reason in verdict.reasons] or ["nothing speaks against it"]
    return "\n".join(lines)


def write_default(models_dir: Path, damage: str) -> None:
    """Name another damage bundle in models/default.toml, in one step; what else it says stays."""
    path = models_dir / "default.toml"
    lines = path.read_text(encoding="utf-8").splitlines()
    changed = [f"damage = {json.dumps(damage)}" if line.startswith("damage") else line for line in lines]
    text = "\n".join(changed) + "\n"
    if tomllib.loads(text).get("damage") != damage:
        raise CalledWrongly(f'{path} has no line damage = "…": write it by hand')
    half = path.with_name("default.toml.half")
    half.write_text(text, encoding="utf-8")
    half.replace(path)


def _text(difference: Difference) -> str:
    if difference.interval is None:
        return f"{difference.value:+.4f}"
    low, high = difference.interval
    return f"{difference.value:+.4f} [{low:+.4f}, {high:+.4f}]"


def _evaluation(detector: Detector, data_yamls: Sequence[Path], split: str) -> Evaluation:
    images = [image for path in data_yamls for image in _images(detector, path, split)]
    return evaluate_images(
        "all", detector.card.id, images, scored_codes(detector), scored_thresholds(detector)
    )


def _images(detector: Detector, data_yaml: Path, split: str) -> Sequence[ScoredImage]:
    """Images whose groups are told apart from those of other data sets."""
    name = data_yaml.resolve().parent.name
    return [
        replace(image, group=f"{name}/{image.group}" if image.group else "")
        for image in look_at(detector, data_yaml, split)
    ]
