"""Positions of a receiver as `Fix` values, whatever they were recorded in.

What a source does not say stays None; only the accuracy has a fallback, given by the drive.
"""

from wegewart_edge.gnss.fix import Fix, parse_moment
from wegewart_edge.gnss.reading import read_fixes

__all__ = ["Fix", "parse_moment", "read_fixes"]
