"""What a command says to people, German first."""

from collections.abc import Mapping, Sequence

from wegewart_edge.outbox import SetAside
from wegewart_edge.pipeline import Replayed, Tally
from wegewart_edge.replay import Outcome
from wegewart_edge.uplink import Delivery

NAMED_AT_MOST = 5


def summary_lines(outcome: Outcome) -> list[str]:
    """All that a replay did, and what to do if something waits."""
    lines = tally_lines(outcome.tally)
    if outcome.delivery is None:
        lines.append("Nicht gesendet (--offline) · not sent (--offline)")
    else:
        lines += delivery_lines(outcome.delivery)
    waiting = sum(outcome.waiting.values())
    if waiting:
        lines.append(
            f"{waiting} warten in der Warteschlange: später denselben Befehl noch einmal ausführen · "
            f"{waiting} wait in the outbox: run the same command again later"
        )
    refused = sum(outcome.set_aside.values())
    if refused:
        lines.append(
            f"{refused} vom Server abgelehnt: `wegewart-edge outbox status` nennt die Gründe · "
            f"{refused} refused by the server: `wegewart-edge outbox status` names the reasons"
        )
    return lines


def tally_lines(tally: Tally) -> list[str]:
    """What was read, seen and made, with every reason for what was left out."""
    lines = [
        (
            f"Bilder: {tally.frames_read} gelesen, {tally.frames_used} genutzt · "
            f"frames: {tally.frames_read} read, {tally.frames_used} used"
        ),
        (
            f"Funde: {tally.detections}, Beobachtungen: {tally.observations} · "
            f"detections: {tally.detections}, observations: {tally.observations}"
        ),
    ]
    if tally.frames_between:
        lines.append(f"zu dicht am letzten Bild · too near to the last frame: {tally.frames_between}")
    lines += [
        f"nicht genutzt · not used, {reason}: {count}" for reason, count in sorted(tally.rejected.items())
    ]
    lines += [f"  {detail}" for detail in tally.rejected_details[:NAMED_AT_MOST]]
    if len(tally.rejected_details) > NAMED_AT_MOST:
        lines.append(f"  … +{len(tally.rejected_details) - NAMED_AT_MOST}")
    lines += [
        f"ohne Ort · without a place, {reason}: {count}" for reason, count in sorted(tally.unplaced.items())
    ]
    if tally.only_cut:
        lines.append(
            "Schäden ohne Ort, nur angeschnitten gesehen · "
            f"damages without a place, seen only cut by the frame's edge: {tally.only_cut}"
        )
    lines += [
        f"ohne Bild · without a picture, {reason}: {count}"
        for reason, count in sorted(tally.without_picture.items())
    ]
    return lines


def no_place_table(replayed: Replayed) -> str:
    """CSV of the boxes that gave no place, and why; damages that have none at all are marked.

    A cut box is marked where no other look at its damage had a place: that damage is no observation.
    """
    lost = {(damage.first_sequence, damage.first_number) for damage in replayed.only_cut}
    rows = [
        f"{box.sequence},{box.number},{box.class_code},{box.reason.value},"
        f"{'yes' if (box.sequence, box.number) in lost else 'no'}"
        for box in replayed.without_place
    ]
    return "\n".join(["sequence,number,class,reason,first_of_a_damage_only_seen_cut", *rows]) + "\n"


def tilt_table(replayed: Replayed) -> str:
    """CSV of the camera's tilt per frame as the drive told it; `estimated` is no where it told nothing."""
    rows = [
        f"{tilt.sequence},{tilt.tilt_down_deg:.4f},{tilt.sigma_deg:.4f},{'yes' if tilt.estimated else 'no'}"
        for tilt in replayed.tilts
    ]
    return "\n".join(["sequence,tilt_down_deg,sigma_deg,estimated", *rows]) + "\n"


def delivery_lines(delivery: Delivery) -> list[str]:
    """What the server took, knew and refused."""
    lines = [
        (
            f"Server: {delivery.stored} gespeichert, {delivery.known} bekannt, "
            f"{delivery.set_aside} abgelehnt · {delivery.stored} stored, {delivery.known} known, "
            f"{delivery.set_aside} refused"
        ),
        (
            f"Fotos · pictures: {delivery.pictures_stored} + {delivery.pictures_known} bekannt · known, "
            f"{delivery.pictures_set_aside} abgelehnt · refused"
        ),
    ]
    lines += [f"  {reason}" for reason in delivery.reasons[:NAMED_AT_MOST]]
    if delivery.stopped is not None:
        lines.append(f"Abgebrochen · stopped: {delivery.stopped}")
    return lines


def status_lines(counts: Mapping[str, Mapping[str, int]], refused: Sequence[SetAside]) -> list[str]:
    """Rows of the outbox by kind and state, and what was refused."""
    lines = [
        f"{kind}: " + (", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "0")
        for kind, states in counts.items()
    ]
    return lines + [f"{each.kind} {each.key}: {each.reason}" for each in refused]
