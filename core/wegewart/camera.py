"""A camera and how it is mounted; the frames of reference are those of docs/frames.md."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0)]
Sigma = Annotated[float, Field(ge=0)]

DISTORTION_LENGTHS = (0, 4, 5, 8, 12, 14)  # those of OpenCV's model; 0 is no distortion


def _of_a_known_length(distortion: tuple[float, ...]) -> tuple[float, ...]:
    if len(distortion) not in DISTORTION_LENGTHS:
        known = ", ".join(map(str, DISTORTION_LENGTHS))
        raise ValueError(f"distortion has {len(distortion)} values, OpenCV's model knows {known}")
    return distortion


Distortion = Annotated[tuple[float, ...], AfterValidator(_of_a_known_length)]


class CameraIntrinsics(BaseModel):
    """How a camera maps directions to pixels (OpenCV's pinhole model with distortion).

    Pixels: origin at the top left corner, x right, y down, pixel centres at .5.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    width_px: int = Field(gt=0)
    height_px: int = Field(gt=0)
    focal_x_px: Positive
    focal_y_px: Positive
    centre_x_px: float
    centre_y_px: float
    distortion: Distortion = Field(
        default=(), description="OpenCV order: k1, k2, p1, p2, k3, …; 0, 4, 5, 8, 12 or 14 values"
    )


class CameraMount(BaseModel):
    """Where a camera sits on the vehicle and where it looks, each with its sigma.

    The vehicle's frame: x forward, y right, z down, origin on the road under the reference point.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: str = Field(min_length=1, description="changes whenever the camera was moved or calibrated anew")
    reference_point: str = Field(
        default="GNSS antenna", description="the point of the vehicle under which the frame's origin lies"
    )
    height_m: Positive = Field(description="of the optical centre above the road")
    tilt_down_deg: float = Field(gt=-45, lt=90, description="positive when the camera looks down")
    roll_right_deg: float = Field(
        default=0.0, gt=-45, lt=45, description="positive when its right side is lower"
    )
    yaw_right_deg: float = Field(default=0.0, ge=-180, le=180, description="positive when it looks right")
    forward_m: float = Field(default=0.0, description="of the optical centre, ahead of the reference point")
    right_m: float = Field(default=0.0, description="of the optical centre, right of the reference point")
    height_sigma_m: Sigma = 0.03
    tilt_sigma_deg: Sigma = 0.5
    roll_sigma_deg: Sigma = 0.5
    yaw_sigma_deg: Sigma = 0.5


class Camera(BaseModel):
    """One camera of a vehicle."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    camera_id: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    intrinsics: CameraIntrinsics
    mount: CameraMount
