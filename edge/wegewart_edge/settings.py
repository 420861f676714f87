"""Every setting of the vehicle: one frozen class, read once at the entry point.

Order of precedence: command line, then WEGEWART_DEVICE_TOKEN for the token, then vehicle.toml, then the
defaults below. `edge/vehicle.example.toml` documents each of them; a test holds it to that.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from wegewart.errors import SettingsInvalid

TOKEN_VARIABLE = "WEGEWART_DEVICE_TOKEN"  # noqa: S105 - the name of a variable, not a secret

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """Base of all sections: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(Section):
    """Where observations go."""

    url: str | None = Field(default=None, pattern=r"^https?://[^/]+")
    device_token: SecretStr | None = None
    token_file: Path | None = None
    timeout_s: Positive = 30.0
    attempts: int = Field(default=5, ge=1, description="tries per request before it is left for later")
    backoff_s: Positive = 0.5
    backoff_max_s: Positive = 30.0
    batch: int = Field(default=100, ge=1, le=200)


class ModelSettings(Section):
    """Which model bundles look."""

    folder: Path = Path("models")
    damage: Path | None = Field(
        default=None, description="a bundle's folder; else models/default.toml names it"
    )
    mask: Path | None = Field(
        default=None, description="a bundle's folder; else models/default.toml names it"
    )
    threads: int = Field(default=1, ge=1)
    allow_unsigned: bool = Field(default=False, description="take bundles without a valid signature")


class GateSettings(Section):
    """Which frames are looked at."""

    distance_m: NotNegative = 0.0
    standing_mps: NotNegative = 0.3
    max_speed_mps: Positive = 28.0
    dark_below: float = Field(default=20.0, ge=0, le=255)
    uniform_below: NotNegative = 4.0


class PoseSettings(Section):
    """How positions, wheels and gyro become poses."""

    max_gap_s: Positive = 60.0
    max_drift_m: Positive = 3.0
    max_extrapolation_s: NotNegative = 0.3
    bias_correlation_m: Positive = 750.0
    bias_correlation_s: Positive = 1800.0
    noise_floor_m: Positive = 0.02
    course_velocity_sigma_mps: Positive = 0.05
    wheel_speed_sigma_mps: Positive = 0.1
    wheel_scale_sigma: Positive = 0.02
    gyro_sigma_dps: Positive = 0.3
    gyro_bias_sigma_dps: Positive = 1.0
    acceleration_sigma_mps2: Positive = 1.0
    side_acceleration_sigma_mps2: Positive = 1.0
    outlier_gate: Positive = 13.8
    jump_after_s: Positive = 2.0
    live_lag_s: Positive = 2.0


class LocateSettings(Section):
    """How boxes become places."""

    near_m: NotNegative = 0.0
    far_m: Positive = 15.0
    half_width_m: Positive = 4.0
    pixel_sigma_px: Positive = 3.0
    box_edge_share: float = Field(default=0.12, ge=0, lt=1)
    slope_sigma_deg: Positive = 0.3
    horizon_sigmas: NotNegative = 3.0
    frame_edge_px: NotNegative = 2.0
    cut_sigma_m: Positive = 1.0
    middle_share: float = Field(default=0.8, ge=0, le=1)
    middle_share_sigma: NotNegative = 0.3


class TrackSettings(Section):
    """How looks become one damage."""

    gate: Positive = 13.8
    class_change_cost: NotNegative = 4.0
    first_looks: int = Field(default=60, ge=1)
    first_frames: int = Field(default=200, ge=1)
    forget_after_m: Positive = 30.0
    max_active: int = Field(default=500, ge=1)


class EvidenceSettings(Section):
    """How the picture of a damage is made."""

    min_width_px: int = Field(default=1280, ge=640)
    below_horizon: float = Field(default=0.02, ge=0, lt=0.5)
    mask_margin: float = Field(default=0.15, ge=0, le=1)
    jpeg_quality: int = Field(default=88, ge=50, le=100)


class OutboxSettings(Section):
    """Where observations wait."""

    file: Path = Path("outbox.sqlite")
    budget_mib: Positive = 8192.0


class EdgeSettings(Section):
    """All of them."""

    server: ServerSettings = ServerSettings()
    models: ModelSettings = ModelSettings()
    gate: GateSettings = GateSettings()
    pose: PoseSettings = PoseSettings()
    locate: LocateSettings = LocateSettings()
    track: TrackSettings = TrackSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    outbox: OutboxSettings = OutboxSettings()

    @model_validator(mode="after")
    def _zone_has_an_area(self) -> Self:
        if self.locate.near_m >= self.locate.far_m:
            raise ValueError("locate.near_m must be below locate.far_m")
        return self

    @classmethod
    def load(
        cls,
        config: Path | None,
        overrides: Mapping[str, Mapping[str, object]],
        environment: Mapping[str, str],
        defaults: Mapping[str, Mapping[str, object]] | None = None,
    ) -> Self:
        """Settings from file, environment and command line, the later ones winning.

        Args:
            config: vehicle.toml, or None for the defaults.
            overrides: By section and key, what the command line gave; None counts as not given.
            environment: Of the process; only the token's variable is read.
            defaults: By section and key, what this installation knows better than the class.
        Raises:
            SettingsInvalid: If the file is missing, is no TOML, or a value is unknown or out of range.
        """
        from_file = _read_toml(config) if config else {}
        from_environment = {"server": {"device_token": environment.get(TOKEN_VARIABLE) or None}}
        merged: dict[str, dict[str, object]] = {}
        for layer in (defaults or {}, from_file, from_environment, overrides):
            for section, values in layer.items():
                if not isinstance(values, Mapping):
                    raise SettingsInvalid(f"{config}: {section} must be a table, [{section}]")
                merged.setdefault(section, {}).update(_given(values))
        try:
            return cls.model_validate(merged)
        except ValidationError as error:
            where = config or "command line"
            raise SettingsInvalid(
                f"{where}: {_readable(error)}; edge/vehicle.example.toml lists all settings"
            ) from error

    def token(self) -> str | None:
        """The device's token, from the setting itself or from the file it names.

        Raises:
            SettingsInvalid: If the token file cannot be read or is empty.
        """
        if self.server.token_file is not None:
            try:
                token = self.server.token_file.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise SettingsInvalid(f"token file {self.server.token_file}: {error.strerror}") from error
            if not token:
                raise SettingsInvalid(f"token file {self.server.token_file} is empty")
            return token
        return self.server.device_token.get_secret_value() if self.server.device_token else None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsInvalid(f"{path}: {error.strerror}; give an existing file with --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{path} is no TOML: {error}") from error


def _given(values: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in values.items() if value is not None}


def _readable(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}" for problem in error.errors()
    )
