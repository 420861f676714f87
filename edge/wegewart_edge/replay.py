"""The commands behind the command line: replay a drive to a server, or locate given boxes."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from wegewart.damage import Taxonomy, shipped_taxonomy
from wegewart.errors import BundleInvalid, ModelMismatch, ServerRefused, ServerUnreachable
from wegewart.observation import Observation
from wegewart.wire import BundleRef
from wegewart_edge.drive_reader import FrameLoader, RecordedDrive, read_drive
from wegewart_edge.looking import ModelEyes, read_given_boxes, run_name
from wegewart_edge.observe import DriveContext
from wegewart_edge.outbox import Outbox
from wegewart_edge.pipeline import Photographer, Progress, Replay, Replayed, Tally
from wegewart_edge.privacy import Picture, Privacy
from wegewart_edge.settings import EdgeSettings
from wegewart_edge.uplink import Delivery, Uplink
from wegewart_inference.detector import Detector
from wegewart_inference.model_bundle import Bundle, Role, default_bundles, read_bundle

logger = logging.getLogger(__name__)

MIB = 2**20


@dataclass(frozen=True)
class Outcome:
    """What a replay did, and where its messages stand now."""

    drive_id: str
    bundle: str
    tally: Tally
    delivery: Delivery | None
    waiting: dict[str, int]
    set_aside: dict[str, int]

    @property
    def delivered(self) -> bool:
        """Whether the server has everything."""
        return not any(self.waiting.values()) and not any(self.set_aside.values())

    def as_json(self) -> dict[str, object]:
        """The same for scripts."""
        tally = asdict(self.tally)
        return {
            "drive_id": self.drive_id,
            "bundle": self.bundle,
            **tally,
            "stage_s": {stage: round(seconds, 3) for stage, seconds in self.tally.stage_s.items()},
            "delivery": None if self.delivery is None else asdict(self.delivery),
            "waiting": self.waiting,
            "set_aside": self.set_aside,
            "delivered": self.delivered,
        }


def replay(folder: Path, settings: EdgeSettings, progress: Progress, *, offline: bool) -> Outcome:
    """Look at a recorded drive, keep its observations, and send them unless offline."""
    drive = read_drive(folder)
    bundle = damage_bundle(settings)
    detector = Detector(bundle, settings.models.threads)
    run = run_name(drive, bundle.ref, settings.gate)
    with Outbox(settings.outbox.file, int(settings.outbox.budget_mib * MIB)) as outbox:
        uplink = None if offline else Uplink(outbox, settings.server, settings.token())
        try:
            if uplink is not None:
                _offer_again_what_is_missing(uplink, outbox, drive, bundle.ref)
            loader = FrameLoader(drive)
            replayed = Replay(
                drive,
                _context(drive, bundle.ref, shipped_taxonomy(bundle.card.taxonomy), bundle.card.thresholds),
                ModelEyes(detector, loader, settings, outbox, run),
                Photographer(loader, Privacy(mask_detector(settings), settings.evidence), drive),
                outbox.keep,
                settings,
            ).run(progress)
            outbox.keep_drive(replayed.track)
            with replayed.tally.timed("send"):
                delivery = uplink.deliver() if uplink is not None else None
        finally:
            if uplink is not None:
                uplink.close()
        counts = outbox.counts(drive.about.drive_id)
        outcome = Outcome(
            drive_id=str(drive.about.drive_id),
            bundle=bundle.ref.id,
            tally=replayed.tally,
            delivery=delivery,
            waiting={kind: states.get("pending", 0) for kind, states in counts.items()},
            set_aside={kind: states.get("set_aside", 0) for kind, states in counts.items()},
        )
        if outcome.delivered:
            outbox.forget_looks(run)
        return outcome


def locate_given(
    folder: Path, boxes: Path, settings: EdgeSettings, keep: Callable[[Observation], None], progress: Progress
) -> Replayed:
    """Observations of given boxes, and the drive's track; neither images nor a model are needed."""
    drive = read_drive(folder, with_images=False)
    taxonomy = shipped_taxonomy()
    eyes, bundle = read_given_boxes(boxes, drive, taxonomy)
    context = _context(drive, bundle, taxonomy, dict.fromkeys(taxonomy.codes, 0.0))

    def kept(observation: Observation, _: Picture | None) -> None:
        keep(observation)

    return Replay(drive, context, eyes, None, kept, settings).run(progress)


def damage_bundle(settings: EdgeSettings) -> Bundle:
    """The damage bundle that the settings name, or models/default.toml.

    Raises:
        BundleInvalid: If there is none, or its files are not those of its card.
        ModelMismatch: If it is no damage bundle.
    """
    named = settings.models.damage
    folder = named or default_bundles(settings.models.folder).damage
    return read_bundle(folder, Role.DAMAGE, allow_unsigned=settings.models.allow_unsigned)


def mask_detector(settings: EdgeSettings) -> Detector | None:
    """Detector of people and vehicles; None, with a warning, where models/default.toml gives no usable one.

    Raises:
        BundleInvalid: If a bundle named on purpose is not usable.
        ModelMismatch: If it is no mask bundle.
    """
    named = settings.models.mask
    try:
        folder = named or default_bundles(settings.models.folder).mask
        bundle = read_bundle(folder, Role.MASK, allow_unsigned=settings.models.allow_unsigned)
        return Detector(bundle, settings.models.threads)
    except (BundleInvalid, ModelMismatch) as error:
        if named is not None:
            raise
        logger.warning("no picture will be kept, because there is no mask bundle: %s", error)
        return None


def _context(
    drive: RecordedDrive, bundle: BundleRef, taxonomy: Taxonomy, thresholds: dict[str, float]
) -> DriveContext:
    return DriveContext(
        drive_id=drive.about.drive_id,
        device_id=drive.about.device_id,
        datum=drive.about.datum,
        bundle=bundle,
        taxonomy=taxonomy,
        thresholds=thresholds,
        time_sigma_s=drive.about.frames.time_sigma_s,
    )


def _offer_again_what_is_missing(
    uplink: Uplink, outbox: Outbox, drive: RecordedDrive, bundle: BundleRef
) -> None:
    """Where the outbox says "sent" but the server (a restored or new one) lacks it, it is queued again."""
    sent = outbox.counts(drive.about.drive_id)["observation"].get("sent", 0)
    if not sent:
        return
    try:
        stored = uplink.stored_of(drive.about.drive_id, bundle.sha256)
    except (ServerUnreachable, ServerRefused) as error:
        logger.warning("the server could not say what it has: %s", error)
        return
    if stored is None or stored.get("observations_stored", 0) < sent or stored.get("evidence_missing"):
        logger.info("the server lacks observations of drive %s: offered again", drive.about.drive_id)
        outbox.forget_confirmation(drive.about.drive_id)
