"""A finished track as the message that crosses the network; decimals chosen so that repeated runs agree.

Decimals (docs/frames.md): positions 1e-8 degrees (1 mm), metres and m² 3, covariances 6, angles 2,
probabilities 4. Boxes and confidences were rounded before they entered (0.1 px, 0.001), so that noise in
the last bits of a detector does not reach the content.
"""

from dataclasses import dataclass
from uuid import UUID

from wegewart.damage import Taxonomy
from wegewart.geo import Datum
from wegewart.identity import observation_id
from wegewart.observation import BoxPx, Evidence, FrameSize, Observation
from wegewart.wire import BundleRef
from wegewart_edge.abeam import Abeam
from wegewart_edge.pose import rounded_covariance
from wegewart_edge.road_camera import RoadCamera
from wegewart_edge.road_tracker import RoadTrack

PRIOR_VOTE = 0.1  # of each class before any look: one sure look leaves about 7 % to each other class


@dataclass(frozen=True)
class DriveContext:
    """What all observations of one drive have in common."""

    drive_id: UUID
    device_id: str
    datum: Datum
    bundle: BundleRef
    taxonomy: Taxonomy
    thresholds: dict[str, float]
    time_sigma_s: float


def observation_from(
    track: RoadTrack, context: DriveContext, camera: RoadCamera, evidence: Evidence | str, abeam: Abeam
) -> Observation:
    """Observation of one track.

    Args:
        abeam: Where on the driven path it lies.
        evidence: Of its best view, or the reason why there is none.
    """
    best, size = track.best, track.size
    located = best.located
    intrinsics = camera.camera.intrinsics
    x1, y1, x2, y2 = located.box_px
    return Observation(
        id=observation_id(
            context.drive_id,
            camera.camera.camera_id,
            context.bundle.sha256,
            track.first_sequence,
            track.first_number,
        ),
        drive_id=context.drive_id,
        device_id=context.device_id,
        camera_id=camera.camera.camera_id,
        first_sequence=track.first_sequence,
        first_number=track.first_number,
        captured_at=best.pose.captured_at,
        time_sigma_s=context.time_sigma_s,
        best_sequence=best.sequence,
        lat=round(track.lat, 8),
        lon=round(track.lon, 8),
        datum=context.datum,
        heading_deg=round(best.pose.heading_deg, 2) % 360.0,
        station_m=round(abeam.station_m, 3),
        offset_right_m=round(abeam.offset_right_m, 3),
        cov_relative_m2=rounded_covariance(track.cov_relative),
        cov_gnss_m2=rounded_covariance(best.pose.cov_gnss),
        taxonomy=context.taxonomy.id,
        class_probabilities=class_probabilities(track.votes, context.taxonomy),
        confidence=located.confidence,
        length_m=_rounded(size.length_m),
        length_sigma_m=_rounded(size.length_sigma_m),
        width_m=_rounded(size.width_m),
        width_sigma_m=_rounded(size.width_sigma_m),
        area_m2=_rounded(size.area_m2),
        area_sigma_m2=_rounded(size.area_sigma_m2),
        looks=track.looks,
        nearest_m=round(track.nearest_m, 3),
        frame_size_px=FrameSize(width=intrinsics.width_px, height=intrinsics.height_px),
        box_px=BoxPx(x1=x1, y1=y1, x2=x2, y2=y2),
        bundle=context.bundle,
        threshold=context.thresholds[located.class_code],
        evidence=evidence if isinstance(evidence, Evidence) else None,
        no_evidence_reason=evidence if isinstance(evidence, str) else None,
    )


def class_probabilities(votes: dict[str, float], taxonomy: Taxonomy) -> dict[str, float]:
    """Votes as probabilities: confidence-weighted counts over a weak equal prior (Dirichlet mean)."""
    total = sum(votes.values()) + PRIOR_VOTE * len(taxonomy.codes)
    shares = {code: round((votes.get(code, 0.0) + PRIOR_VOTE) / total, 4) for code in taxonomy.codes}
    likeliest = max(shares, key=lambda code: shares[code])
    shares[likeliest] = round(1.0 - sum(share for code, share in shares.items() if code != likeliest), 4)
    return shares


def _rounded(size: float | None) -> float | None:
    return None if size is None else round(size, 3)
