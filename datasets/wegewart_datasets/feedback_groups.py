"""Groups of pictures that must stay in one split: one drive, one damage on the street, one place."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from enum import StrEnum

from wegewart.feedback import Feedback
from wegewart_datasets.feedback_deciding import FrameKey, frame_of


class GroupBy(StrEnum):
    """What holds pictures together."""

    BOTH = "both"
    """Drives and places: whatever shares one of them, directly or through others."""
    PLACE = "place"
    """Place, else damage, else drive: drives share roads, and soon everything would be one group."""
    DRIVE = "drive"


def place_of(decisions: Sequence[Feedback]) -> str:
    """Place as the office names it, else the damage on the street, else nothing."""
    named = sorted({f"place-{one.place}" for one in decisions if one.place is not None})
    damages = sorted({f"defect-{one.defect_id}" for one in decisions if one.defect_id is not None})
    return next(iter([*named, *damages]), "")


def drive_of(decisions: Sequence[Feedback]) -> str:
    """The drive on which the picture was taken."""
    return f"drive-{decisions[0].drive_id}"


def groups_of_pictures(pictures: Sequence[Sequence[Feedback]], by: GroupBy) -> list[str]:
    """Group of each picture, given the decisions about it."""
    match by:
        case GroupBy.DRIVE:
            return [drive_of(decisions) for decisions in pictures]
        case GroupBy.PLACE:
            return _joined(list(_places_or_drives(pictures)))
        case GroupBy.BOTH:
            return _joined([[drive_of(decisions), *_places(decisions)] for decisions in pictures])


def _places(decisions: Sequence[Feedback]) -> list[str]:
    """Everything that says where it is: several pictures of one damage may lie in two cells."""
    named = {f"place-{one.place}" for one in decisions if one.place is not None}
    return sorted(named | {f"defect-{one.defect_id}" for one in decisions if one.defect_id is not None})


def _places_or_drives(pictures: Sequence[Sequence[Feedback]]) -> Iterator[list[str]]:
    """Places of each picture and of the other cuts of its frame, which may overlap; else its drive."""
    of_frame: dict[FrameKey, set[str]] = defaultdict(set)
    for decisions in pictures:
        of_frame[frame_of(decisions[0])].update(_places(decisions))
    for decisions in pictures:
        yield sorted(of_frame[frame_of(decisions[0])]) or [drive_of(decisions)]


def _joined(keys: Sequence[Sequence[str]]) -> list[str]:
    """The smallest key of all that hang together."""
    above: dict[str, str] = {}

    def root(key: str) -> str:
        above.setdefault(key, key)
        while above[key] != key:
            above[key] = above[above[key]]
            key = above[key]
        return key

    for of_picture in keys:
        for key in of_picture:
            first, second = sorted((root(of_picture[0]), root(key)))
            above[second] = first
    return [root(of_picture[0]) for of_picture in keys]
