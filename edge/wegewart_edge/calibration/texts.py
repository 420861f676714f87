"""What a calibration says to people, German first, English second; the sentences stand in texts.toml."""

import tomllib
from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from importlib.resources import files


class Text(StrEnum):
    """A sentence of the catalogue, by its key."""

    REFUSED = "refused"
    NO_BOARD = "no_board"
    TOO_FEW_VIEWS = "too_few_views"
    VIEWS_TOO_ALIKE = "views_too_alike"
    FOCAL_UNSURE = "focal_unsure"
    NOT_COVERED = "not_covered"
    RESIDUAL_TOO_HIGH = "residual_too_high"
    LENS_FOLDS = "lens_folds"
    SIZES_DIFFER = "sizes_differ"
    LENS_FOUND = "lens_found"
    LENS_RESIDUAL = "lens_residual"
    VIEWS_LEFT_OUT = "views_left_out"
    BROKEN_PICTURES = "broken_pictures"
    STANDING = "standing"
    FRAMES_TOO_FAR_APART = "frames_too_far_apart"
    ONLY_CURVES = "only_curves"
    NO_TEXTURE = "no_texture"
    ANGLE_UNSURE = "angle_unsure"
    HEIGHT_UNSURE = "height_unsure"
    HEIGHTS_CONTRADICT = "heights_contradict"
    ROAD_RESIDUAL_TOO_HIGH = "road_residual_too_high"
    NO_LANE = "no_lane"
    MOUNT_FOUND = "mount_found"
    MOUNT_RESIDUAL = "mount_residual"
    MOUNT_SWAY = "mount_sway"
    HEIGHT_BY = "height_by"
    WRITTEN = "written"
    ANGLE_TILT = "angle_tilt"
    ANGLE_ROLL = "angle_roll"
    ANGLE_YAW = "angle_yaw"
    REGION_UPPER_LEFT = "region_upper_left"
    REGION_UPPER_MIDDLE = "region_upper_middle"
    REGION_UPPER_RIGHT = "region_upper_right"
    REGION_LOWER_LEFT = "region_lower_left"
    REGION_LOWER_MIDDLE = "region_lower_middle"
    REGION_LOWER_RIGHT = "region_lower_right"

    def say(self, **values: object) -> str:
        """The sentence in German and English, with its figures."""
        german, english = self.sentences
        return f"{german.format(**values)} · {english.format(**values)}"

    @property
    def sentences(self) -> tuple[str, str]:
        """German and English, with fields in braces."""
        entry = _catalogue()[self]
        return entry["de"], entry["en"]


def listed(reasons: Sequence[str]) -> str:
    """Reasons as one message, one below the other."""
    return "\n  - ".join([Text.REFUSED.say(), *reasons])


@cache
def _catalogue() -> dict[str, dict[str, str]]:
    text = files("wegewart_edge.calibration").joinpath("texts.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
