"""The same place in two photographs: SIFT points that agree on one homography, whatever the spot or the crop.

A perceptual hash finds copies and neighbouring frames; this finds a place that was driven past again. Points
that stand still in the picture (bonnet, sun strip) belong to the vehicle and do not count.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from wegewart.errors import DatasetInvalid

Array = npt.NDArray[np.float32]

POINTS = 600  # strongest SIFT points of an image
STILL_PX = 5.0  # a point that moved less belongs to the vehicle
NEIGHBOURS = 5  # best known points that a point votes with
BETTER_THAN_NEXT = 0.85  # of the distance to the neighbour after those: else the vote says nothing
RATIO = 0.8  # Lowe's test between two images
CANDIDATES = 8  # images with most votes that are matched one to one
HOMOGRAPHY_PX = 5.0
FEWEST_PAIRS = 6  # four decide a homography, two more speak for it


@dataclass(frozen=True)
class Points:
    """Key points of one image: (N, 2) pixels and (N, 128) descriptors."""

    at_px: Array
    descriptors: Array


@dataclass(frozen=True)
class SamePlace:
    """A photograph, the known one that shares most points with it, and how many (0: none found)."""

    image: Path
    other: Path | None
    matches: int


def points_of(image: Path, rows: tuple[float, float] = (0.0, 1.0)) -> Points:
    """SIFT points between two shares of the height; square roots of descriptors (Arandjelović 2012).

    Raises:
        DatasetInvalid: If the image cannot be read.
    """
    picture = cv2.imread(str(image), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise DatasetInvalid(f"{image} cannot be read as an image: take it out of the data set")
    mask = np.zeros_like(picture)
    top, bottom = (int(share * picture.shape[0]) for share in rows)
    mask[top:bottom] = 255
    found, descriptors = cv2.SIFT.create(nfeatures=POINTS).detectAndCompute(picture, mask)
    if descriptors is None:
        return Points(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    scaled = np.sqrt(descriptors / (descriptors.sum(axis=1, keepdims=True) + 1e-7))
    return Points(np.array([point.pt for point in found], np.float32), scaled.astype(np.float32))


def matched_points(one: Points, other: Points) -> int:
    """How many points of two images agree on one homography, each counted once."""
    if min(len(one.at_px), len(other.at_px)) < FEWEST_PAIRS:
        return 0
    pairs = cv2.BFMatcher().knnMatch(one.descriptors, other.descriptors, k=2)
    good = [
        best
        for best, second in pairs
        if best.distance < RATIO * second.distance
        and np.abs(one.at_px[best.queryIdx] - other.at_px[best.trainIdx]).max() > STILL_PX
    ]
    if len(good) < FEWEST_PAIRS:
        return 0
    sources = one.at_px[[pair.queryIdx for pair in good]]
    targets = other.at_px[[pair.trainIdx for pair in good]]
    _, inside = cv2.findHomography(sources, targets, cv2.RANSAC, HOMOGRAPHY_PX)
    if inside is None:
        return 0
    return len({good[index].trainIdx for index in np.flatnonzero(inside.ravel())})


def same_places(
    images: Sequence[Path],
    known: Sequence[Path],
    rows: tuple[float, float] = (0.0, 1.0),
    progress: Callable[[Sequence[Path]], Iterator[Path]] = iter,
) -> Iterator[SamePlace]:
    """For each image the known photograph that most likely shows the same place.

    Args:
        images: Photographs to be checked.
        known: Photographs they are checked against, as those kept for scoring; their points stay in memory,
            about 0.3 MB each.
        rows: Share of the height from and to which points are taken: without sun strip and bonnet.
        progress: Wraps the images to show how far it is.
    """
    remembered = {path: points_of(path, rows) for path in known}
    index = _Index(remembered) if any(len(points.at_px) for points in remembered.values()) else None
    for image in progress(images):
        points = points_of(image, rows)
        best = SamePlace(image, None, 0)
        for other in index.candidates(points) if index else ():
            count = matched_points(points, remembered[other])
            if count > best.matches:
                best = SamePlace(image, other, count)
        yield best


class _Index:
    """All points of the known images, so that a new one finds those that look most like it."""

    def __init__(self, known: Mapping[Path, Points]) -> None:
        self._paths = [path for path, points in known.items() if len(points.at_px)]
        kept = [known[path] for path in self._paths]
        self._at_px = np.concatenate([points.at_px for points in kept])
        self._owner = np.repeat(np.arange(len(kept)), [len(points.at_px) for points in kept])
        cv2.setRNGSeed(0)
        self._trees = cv2.FlannBasedMatcher({"algorithm": 1, "trees": 4}, {"checks": 64})
        self._trees.add([np.concatenate([points.descriptors for points in kept])])
        self._trees.train()

    def candidates(self, points: Points) -> list[Path]:
        """Known images with most votes: a point votes where it is clearly nearer than to the rest."""
        if not len(points.at_px):
            return []
        votes: Counter[int] = Counter()
        for neighbours in self._trees.knnMatch(points.descriptors, k=min(NEIGHBOURS + 1, len(self._owner))):
            clear = BETTER_THAN_NEXT * neighbours[-1].distance
            voted = {
                int(self._owner[pair.trainIdx])
                for pair in neighbours[:-1]
                if pair.distance < clear
                and np.abs(points.at_px[pair.queryIdx] - self._at_px[pair.trainIdx]).max() > STILL_PX
            }
            votes.update(voted)
        return [self._paths[owner] for owner, _ in votes.most_common(CANDIDATES)]
