"""Whether a damage is (still) there: log odds from passes that saw it, or looked and did not.

Counted per pass, never per frame: the frames of one pass fail together (FORMULAS section 4).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

SECONDS_PER_YEAR = 365.25 * 86_400


@dataclass(frozen=True, slots=True)
class ExistenceRules:
    """What one pass proves."""

    prior: float = 0.2
    """Probability before the first look that a place where a detector fires is damaged. An assumption until
    reviewed tickets give the rate; one sighting then makes 0.88, two 0.996."""
    detected: float = 0.6
    """pD: a pass that looks at a damage sees it (FORMULAS section 4)."""
    false_alarm: float = 0.02
    """pF: a pass that looks at a sound place reports a damage there (FORMULAS section 4)."""
    repairs_per_year: float = 0.5
    """Rate at which damages vanish without a word, so that old sightings fade. An assumption."""
    most_log_odds: float = 5.0
    """Beyond 0.993 further looks add nothing, so that a repair is believed in nine clean passes, not ninety:
    the + 5 to − 3 of FORMULAS section 4."""
    doubtful_below: float = 0.5
    """More likely gone than there."""
    gone_below: float = 0.05
    """Log odds of − 3 (FORMULAS section 4)."""


class DefectStatus(StrEnum):
    """What the office sees at a glance."""

    PRESENT = "present"
    DOUBTFUL = "doubtful"
    GONE = "gone"
    WITHDRAWN = "withdrawn"
    """No observation is left of it: another model looked at the same drive and saw nothing there."""


@dataclass(frozen=True, slots=True, order=True)
class Look:
    """One pass that saw a defect, or looked at its place and did not see it."""

    at: datetime
    seen: bool


def believe(looks: Sequence[Look], rules: ExistenceRules | None = None) -> float:
    """Log odds that a defect exists at the time of the last look, from all looks in order of time."""
    rules = rules or ExistenceRules()
    seen = math.log(rules.detected / rules.false_alarm)
    not_seen = math.log((1 - rules.detected) / (1 - rules.false_alarm))
    log_odds = math.log(rules.prior / (1 - rules.prior))
    before: datetime | None = None
    for look in sorted(looks):
        if before is not None:
            log_odds = faded(log_odds, (look.at - before).total_seconds(), rules)
        log_odds += seen if look.seen else not_seen
        log_odds = max(-rules.most_log_odds, min(rules.most_log_odds, log_odds))
        before = look.at
    return log_odds


def faded(log_odds: float, elapsed_s: float, rules: ExistenceRules | None = None) -> float:
    """Log odds after some time without a look: they drift to the prior with the repair rate."""
    rules = rules or ExistenceRules()
    kept = math.exp(-rules.repairs_per_year * max(elapsed_s, 0.0) / SECONDS_PER_YEAR)
    there = rules.prior + (probability(log_odds) - rules.prior) * kept
    return math.log(there / (1 - there))


def probability(log_odds: float) -> float:
    """Probability that belongs to log odds."""
    return 1 / (1 + math.exp(-log_odds))


def status_of(log_odds: float, observations: int, rules: ExistenceRules | None = None) -> DefectStatus:
    """Word for what is believed."""
    rules = rules or ExistenceRules()
    if observations == 0:
        return DefectStatus.WITHDRAWN
    exists = probability(log_odds)
    if exists < rules.gone_below:
        return DefectStatus.GONE
    return DefectStatus.DOUBTFUL if exists < rules.doubtful_below else DefectStatus.PRESENT
