"""Rain, wet road, low sun, shadow, dirt on the lens, blur and bad pictures, put over training images.

Every change leaves the pixels where they are, so boxes stay true. Albumentations draws all but the wet road.
"""

from typing import Any

import albumentations
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


class WetRoad(albumentations.ImageOnlyTransform):  # type: ignore[misc]
    """A darker road that mirrors what is above it, weaker towards the viewer.

    Args:
        strength_range: Share of the mirrored picture in the lower half, from 0 to 1.
    """

    def __init__(self, strength_range: tuple[float, float] = (0.15, 0.4), p: float = 0.5) -> None:
        super().__init__(p=p)
        self.strength_range = strength_range

    def apply(self, img: Image, strength: float = 0.0, **_: object) -> Image:
        """The picture with a wet lower half."""
        height = img.shape[0] // 2
        if height < 2:
            return img
        mirrored = img[height - 1 :: -1][:height].astype(np.float32)
        road = img[-height:].astype(np.float32)
        fade = np.linspace(1.0, 0.2, height, dtype=np.float32)[:, None, None]
        wet = img.copy()
        darker = road * (1.0 - 0.3 * strength)
        wet[-height:] = np.clip(darker + strength * fade * (mirrored - darker), 0, 255).astype(np.uint8)
        return wet

    def get_params(self) -> dict[str, Any]:
        """How strong it is this time."""
        return {"strength": self.py_random.uniform(*self.strength_range)}


def road_weather(often: float) -> list[albumentations.BasicTransform]:
    """Changes of an image, each at a chance that grows with `often` (0 to 1); at 1 most images meet one."""
    return [
        albumentations.OneOf(
            [
                albumentations.MotionBlur(
                    blur_limit=(3, 9), angle_range=(60, 120), p=1.0
                ),  # along the drive: upright
                albumentations.GaussNoise(std_range=(0.02, 0.08), p=1.0),
                albumentations.ImageCompression(quality_range=(35, 80), p=1.0),
            ],
            p=0.4 * often,
        ),
        albumentations.OneOf(
            [
                albumentations.RandomBrightnessContrast((-0.35, 0.3), (-0.3, 0.3), p=1.0),  # exposure
                albumentations.RandomShadow(
                    shadow_roi=(0, 0.3, 1, 1), shadow_intensity_range=(0.3, 0.6), p=1.0
                ),
                albumentations.RandomSunFlare(flare_roi=(0, 0, 1, 0.4), src_radius=150, p=1.0),
            ],
            p=0.4 * often,
        ),
        albumentations.OneOf(
            [
                albumentations.RandomRain(rain_type="drizzle", blur_value=3, p=1.0),
                WetRoad(p=1.0),
                albumentations.Spatter(mode="mud", p=1.0),
                albumentations.Spatter(mode="rain", p=1.0),
            ],
            p=0.15 * often,
        ),
    ]
