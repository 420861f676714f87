"""Other towns: one thing changed at a time, to see how far the stated uncertainty holds."""

from dataclasses import replace

from simulation.setting import CLASSES, GnssSetting, PitchKind, Setting

_BASE = Setting()
_SMALL = tuple(replace(each, width_m=0.4, length_m=0.4, log_sigma=0.1) for each in CLASSES)

VARIANTS: dict[str, Setting] = {
    "as in the table": _BASE,
    "pitch new with every frame": replace(_BASE, drive=replace(_BASE.drive, pitch_kind=PitchKind.WHITE)),
    "pitch 0.2°": replace(_BASE, drive=replace(_BASE.drive, pitch_sigma_deg=0.2)),
    "pitch 1.0°": replace(_BASE, drive=replace(_BASE.drive, pitch_sigma_deg=1.0)),
    "50 km/h": replace(_BASE, drive=replace(_BASE.drive, speed_mps=13.9)),
    "hills twice as high": replace(_BASE, street=replace(_BASE.street, rise_rms_m=0.3)),
    "small damages only (0.4 m)": replace(_BASE, damage=replace(_BASE.damage, classes=_SMALL)),
    "one damage per 50 m": replace(_BASE, damage=replace(_BASE.damage, spacing_m=50.0)),
    "boxes drawn as loosely as a model's": replace(_BASE, detector=replace(_BASE.detector, edge_share=0.12)),
    "looks at 2.5 to 14 m": replace(_BASE, detector=replace(_BASE.detector, near_m=2.5, far_m=14.0)),
    "positions only, 1 Hz": replace(_BASE, gnss=GnssSetting(rate_hz=1.0, says_course=False)),
    "one vehicle drives all passes": replace(_BASE, mount_per_drive=False),
}
