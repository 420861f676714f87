"""Streets and addresses as a file brings them, before they are stored."""

from dataclasses import dataclass

from wegewart.errors import WegewartError

LonLat = tuple[float, float]


class StreetsInvalid(WegewartError):
    """A file of streets that cannot be read, or holds neither streets nor addresses."""


@dataclass(frozen=True, slots=True)
class StreetLine:
    """One way of the network; positions stand lon lat, as in the files."""

    source_id: str
    name: str | None
    ref: str | None
    highway: str
    line: tuple[LonLat, ...]


@dataclass(frozen=True, slots=True)
class Address:
    """One house number."""

    source_id: str
    street_name: str
    house_number: str
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Network:
    """What a file holds, and how many of its features were left out as unusable."""

    streets: tuple[StreetLine, ...]
    addresses: tuple[Address, ...]
    left_out: int


# Ways on which nobody drives yet, or that are no ways (OSM wiki, Key:highway).
NO_STREET = frozenset({
    "bus_stop", "construction", "corridor", "elevator", "emergency_bay", "platform", "proposed", "raceway",
    "razed", "rest_area", "services", "abandoned",
})  # fmt: skip
NAME_LENGTH, REF_LENGTH, NUMBER_LENGTH, HIGHWAY_LENGTH = 200, 64, 32, 32  # of the columns
