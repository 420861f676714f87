"""How noisy a receiver's single fixes are, measured on the drive itself, without any reference.

A receiver states one accuracy; it does not say how much of it changes from fix to fix (which smoothing takes
out) and how much is common to a stretch (which it must not). The noise is what makes the receiver's readings
most likely under the filter (maximum likelihood over its innovations). The common part cannot be measured
from within: it stays as stated.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from wegewart_edge.motion_model import ReceiverNoise
from wegewart_edge.sensors import LeverArm, MotionAt, PlacedFix
from wegewart_edge.settings import PoseSettings
from wegewart_edge.smoothing import filtered

FEWEST_FIXES = 20  # below it a likelihood says little about a sigma
MOST_FIXES = 200  # enough for a sigma to ± 5 %; from the middle of the drive, where nobody starts or parks
POSITION_SHARES = (0.01, 0.03, 0.1, 0.3, 0.6, 1.0, 1.5, 2.5)
VELOCITY_FACTORS = (1.0, 3.0, 10.0, 30.0)
FIRST_GUESS_SHARE = 0.1
CLEARLY_HIGHER = 20.0  # of twice a log likelihood: no valley comes after such a rise


def first_guess(settings: PoseSettings) -> ReceiverNoise:
    """Noise of a receiver of which too little is known."""
    return ReceiverNoise(FIRST_GUESS_SHARE, settings.course_velocity_sigma_mps)


def measured_noise(
    fixes: Sequence[PlacedFix], motion: Sequence[MotionAt], settings: PoseSettings, lever: LeverArm
) -> ReceiverNoise:
    """The likeliest noise on a grid; a cautious guess where the drive has too few fixes to tell."""
    guess = first_guess(settings)
    if len(fixes) < FEWEST_FIXES:
        return guess
    first = max((len(fixes) - MOST_FIXES) // 2, 0)
    chosen = fixes[first : first + MOST_FIXES]
    around = [each for each in motion if chosen[0].at_s <= each.at_s <= chosen[-1].at_s]

    def surprise(noise: ReceiverNoise) -> float:
        return filtered(chosen, around, settings, lever, noise)[1]

    share = _lowest(POSITION_SHARES, lambda share: surprise(replace(guess, position_share=share)))
    best = replace(guess, position_share=share)
    if not any(placed.fix.speed_mps is not None or placed.fix.heading_deg is not None for placed in chosen):
        return best
    sigmas_mps = [factor * settings.course_velocity_sigma_mps for factor in VELOCITY_FACTORS]
    sigma_mps = _lowest(sigmas_mps, lambda sigma: surprise(replace(best, velocity_sigma_mps=sigma)))
    best = replace(best, velocity_sigma_mps=sigma_mps)
    if sigma_mps > sigmas_mps[0]:  # what was taken for noise of the positions was the velocity's
        share = _lowest(POSITION_SHARES, lambda share: surprise(replace(best, position_share=share)))
    return replace(best, position_share=share)


def _lowest(values: Sequence[float], height: Callable[[float], float]) -> float:
    """The value at the bottom of a valley: heights along it fall, then rise."""
    lowest, lowest_height = values[0], height(values[0])
    for value in values[1:]:
        here = height(value)
        if here > lowest_height + CLEARLY_HIGHER:
            break
        if here < lowest_height:
            lowest, lowest_height = value, here
    return lowest
