"""Every parameter of the simulation, its default, and why it has that value.

Sigmas are per axis. Where the vehicle's side has a matching setting (drive.toml, vehicle.toml), the simulator
draws the error from the sigma that the drive states, so that stated and true uncertainty can be compared.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum

from wegewart.camera import Camera, CameraIntrinsics, CameraMount


class PitchKind(StrEnum):
    """How the pitch of one frame is related to that of the next."""

    BODY = "body"
    """A damped oscillation, as the body of a car on its springs."""
    WHITE = "white"
    """New with every frame."""


@dataclass(frozen=True)
class StreetSetting:
    """Curving municipal streets; all waves are sums of a few random sinusoids, so that slopes are exact."""

    length_m: float = 120.0  # of road in which damages lie; the drive begins and ends `margin_m` outside
    margin_m: float = 20.0
    turn_rms_deg: float = 12.0  # of the heading around its mean; with the waves below, radii of 60 m and more
    turn_waves_m: tuple[float, float] = (120.0, 400.0)
    rise_rms_m: float = 0.15  # of the height; slope 0.6 % rms, change over 10 m of road about 0.08° rms
    rise_waves_m: tuple[float, float] = (60.0, 400.0)
    lane_m: float = 3.25  # RASt 06: usual lane of a main street


@dataclass(frozen=True)
class ClassSetting:
    """Share and size of one damage class: medians of extent across and along the lane, log-normal sigma."""

    code: str
    share: float
    width_m: float
    length_m: float
    log_sigma: float


CLASSES = (  # shares between those of RDD2022's Czechia and Norway; sizes of German municipal practice
    ClassSetting("D00", 0.38, 0.25, 2.5, 0.45),
    ClassSetting("D10", 0.17, 2.0, 0.25, 0.35),
    ClassSetting("D20", 0.25, 1.2, 1.8, 0.40),
    ClassSetting("D40", 0.20, 0.45, 0.45, 0.35),
)


@dataclass(frozen=True)
class DamageSetting:
    """Damages on one lane."""

    spacing_m: float = 20.0  # one per 20 m of lane, the dense case of FORMULAS section 4
    clumped: float = 0.3  # share that lies within a few metres of another one
    clump_sigma_m: float = 2.0
    classes: tuple[ClassSetting, ...] = CLASSES
    repaired_per_pass: float = 0.02
    appearing_per_pass: float = 0.01


@dataclass(frozen=True)
class DriveSetting:
    """How the vehicle drives and shakes."""

    speed_mps: float = 8.33  # 30 km/h
    speed_swing: float = 0.15  # slow changes of speed as a share of it
    frame_spacing_m: float = 2.0  # one frame per 2 m of road, FORMULAS section 2
    wander_m: float = 0.15  # from the lane's middle
    wander_waves_m: tuple[float, float] = (40.0, 150.0)
    pitch_kind: PitchKind = PitchKind.BODY
    pitch_sigma_deg: float = 0.5
    pitch_hz: float = 1.3  # heave and pitch of passenger cars: 1 to 1.5 Hz (Mitschke, Dynamik der Kfz) [R]
    pitch_damping: float = 0.3  # of critical; usual dampers 0.2 to 0.4 [R]
    roll_sigma_deg: float = 0.2  # of the body, same oscillation
    heave_sigma_m: float = 0.01
    tilt_drift_deg: float = 0.15  # of the mount: load, fuel, warmth, play
    tilt_drift_s: float = 300.0  # its time constant


@dataclass(frozen=True)
class GnssSetting:
    """A receiver. Its error is a bias that drifts with the driven way (Gauss-Markov), and a little noise."""

    sigma_m: float = 2.5
    correlation_m: float = 750.0
    white_m: float = 0.05  # noise from fix to fix; multipath and atmosphere are in the bias
    rate_hz: float = 5.0
    says_course: bool = True  # RMC and VTG do; a bare list of positions does not
    course_velocity_sigma_mps: float = (
        0.05  # Doppler across the driving direction: sigma of the course times v
    )
    course_correlation_s: float = 2.0
    speed_sigma_mps: float = 0.05

    @classmethod
    def of_sigma(cls, sigma_m: float) -> "GnssSetting":
        """A receiver with this sigma per axis; RTK (below 10 cm) is less noisy and not biased by more."""
        return cls(sigma_m=sigma_m, white_m=min(0.05, sigma_m / 2))


@dataclass(frozen=True)
class DetectorSetting:
    """What a detector makes of the damages in view."""

    near_m: float = 4.0  # of the damage's near end from the camera: looks at 4 to 12 m
    far_m: float = 12.0
    best_probability: float = 0.92
    half_size_px: float = 18.0  # root of the box's area at which half of `best_probability` is left
    size_power: float = 3.0
    class_confusion: float = 0.08
    edge_sigma_px: float = 3.0  # of each edge of each box, FORMULAS section 3
    edge_share: float = 0.0  # sigma of the edges as a share of the box, repeating in all looks of one drive
    false_objects_per_km: float = 4.0  # things on the road that look like damage, seen again in other frames
    false_object_probability: float = 0.5
    false_flickers_per_frame: float = 0.005
    leading_vehicle_share: float = 0.08  # of the way with a vehicle ahead, which hides all beyond 6 to 10 m
    parked_share: float = 0.05  # of the way with something at the right side that hides all right of 1 m
    hidden_stretch_m: float = 25.0


def example_camera() -> Camera:
    """FORMULAS' camera: 1920×1080, f 1104 px, 1.30 m high, with a lens that is not perfect."""
    return Camera(
        camera_id="front",
        intrinsics=CameraIntrinsics(
            width_px=1920,
            height_px=1080,
            focal_x_px=1104.0,
            focal_y_px=1104.0,
            centre_x_px=962.0,
            centre_y_px=537.0,
            distortion=(-0.12, 0.04, 0.0005, -0.0003, 0.0),
        ),
        mount=CameraMount(
            version="simulated",
            reference_point="middle of the rear axle",
            height_m=1.30,
            tilt_down_deg=5.0,
            roll_right_deg=0.4,
            yaw_right_deg=-0.6,
            forward_m=1.2,
            right_m=-0.1,
            height_sigma_m=0.03,
            tilt_sigma_deg=0.3,
            roll_sigma_deg=0.3,
            yaw_sigma_deg=0.3,
        ),
    )


@dataclass(frozen=True)
class Setting:
    """One simulated town."""

    camera: Camera = field(default_factory=example_camera)
    street: StreetSetting = StreetSetting()
    damage: DamageSetting = DamageSetting()
    drive: DriveSetting = DriveSetting()
    gnss: GnssSetting = GnssSetting()
    detector: DetectorSetting = DetectorSetting()
    passes: int = 10
    antenna_forward_m: float = -0.4
    antenna_right_m: float = 0.2
    time_sigma_s: float = 0.01  # FORMULAS section 3: stamp frames at exposure, below 10 ms
    time_jitter_s: float = 0.001
    mount_per_drive: bool = True
    """Whether each pass has a mount error of its own (many vehicles), or all have the same (one vehicle)."""

    @property
    def static_tilt_sigma_deg(self) -> float:
        """Of the calibration error: with the mount's drift it makes up the sigma that the mount states."""
        rest2 = self.camera.mount.tilt_sigma_deg**2 - self.drive.tilt_drift_deg**2
        return math.sqrt(max(rest2, 0.0))
