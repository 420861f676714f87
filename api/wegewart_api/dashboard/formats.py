"""Numbers, dates and degrees of belief as the reader's language writes them."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from wegewart.geo import Covariance
from wegewart_api.dashboard.text import Language, Words

ZONE = ZoneInfo("Europe/Berlin")  # the wall clock of the offices that read this
CHI2_95_2D = 5.991  # 95 % quantile of χ² with two degrees of freedom: the ellipse that holds the place
SIGMAS_95 = 1.96  # 95 % of a normal distribution lie within
MONTHS_EN = ("Jan", "Feb", "Mar", "Apr", "May", "June", "July", "Aug", "Sept", "Oct", "Nov", "Dec")
# Words for probabilities: Mastrandrea et al., IPCC guidance note on uncertainties (2010), table 1.
CHANCES = ((0.9, "very_likely"), (0.66, "likely"), (0.33, "even"), (0.1, "unlikely"), (0.0, "very_unlikely"))


@dataclass(frozen=True)
class Formats:
    """How one reader sees figures; templates call these methods."""

    words: Words
    now: datetime

    def number(self, figure: float, digits: int = 0) -> str:
        """Figure with the language's decimal sign and grouped thousands."""
        text = f"{figure:,.{digits}f}"
        if self.words.language is Language.DE:
            text = text.translate(str.maketrans(",.", ".,"))
        return text

    def percent(self, share: float) -> str:
        """Share as whole percent; what is neither none nor all is not rounded to it."""
        whole = round(share * 100)
        if whole == 0 and share > 0:
            return self.words("format.below_percent", percent=self.number(1))
        if whole == 100 and share < 1:
            return self.words("format.above_percent", percent=self.number(99))
        return self.words("format.percent", percent=self.number(whole))

    def date(self, moment: datetime) -> str:
        """Day in the office's time zone."""
        local = moment.astimezone(ZONE)
        if self.words.language is Language.DE:
            return f"{local:%d.%m.%Y}"
        return f"{local.day} {MONTHS_EN[local.month - 1]} {local.year}"

    def moment(self, moment: datetime) -> str:
        """Day and time in the office's time zone."""
        clock = f"{moment.astimezone(ZONE):%H:%M}"
        return self.words("format.moment", date=self.date(moment), time=clock)

    def age(self, moment: datetime) -> str:
        """How long ago, in whole days by the calendar."""
        days = (self.now.astimezone(ZONE).date() - moment.astimezone(ZONE).date()).days
        if days <= 0:
            return self.words("format.today")
        return self.words("format.days_ago", n=days)

    def chance(self, probability: float) -> str:
        """Probability as a word, with its figure: "likely (72 %)"."""
        word = next(name for least, name in CHANCES if probability >= least)
        return self.words(
            "format.chance", word=self.words.of("chance", word), percent=self.percent(probability)
        )

    def accuracy(self, covariance: Covariance) -> str:
        """Distance within which the place lies with 95 %, along the longer axis of its ellipse."""
        return self.words("format.accuracy", distance=self.number(radius_95_m(covariance), 1))

    def size(self, size: float, sigma: float | None, unit: str) -> str:
        """Size in its unit with the bounds that hold with 95 %, as far as they are known."""
        if sigma is None:
            return f"{self.number(size, 2)}\N{NO-BREAK SPACE}{unit}"
        return self.words(
            "format.size", size=self.number(size, 2), bound=self.number(SIGMAS_95 * sigma, 2), unit=unit
        )

    def duration(self, span: timedelta) -> str:
        """Span in hours and minutes, or in seconds below one minute."""
        if span < timedelta(minutes=1):
            return self.words("format.seconds", n=max(0, int(span.total_seconds())))
        minutes = max(0, round(span.total_seconds() / 60))
        if minutes < 60:
            return self.words("format.minutes", n=minutes)
        return self.words("format.hours", hours=self.number(minutes // 60), minutes=f"{minutes % 60:02d}")

    def kilometres(self, length_m: float) -> str:
        """Length on the road: metres below one kilometre."""
        if length_m < 1000:
            return f"{self.number(length_m)}\N{NO-BREAK SPACE}m"
        return f"{self.number(length_m / 1000, 1)}\N{NO-BREAK SPACE}km"


def ellipse_axes_m(covariance: Covariance) -> tuple[float, float, float]:
    """Half axes of the 95 % ellipse in metres, and the longer one's angle from east to north in radians."""
    mean = (covariance.ee + covariance.nn) / 2
    spread = math.hypot((covariance.ee - covariance.nn) / 2, covariance.en)
    angle = 0.5 * math.atan2(2 * covariance.en, covariance.ee - covariance.nn)
    longer_m = math.sqrt(CHI2_95_2D * (mean + spread))
    return longer_m, math.sqrt(CHI2_95_2D * max(mean - spread, 0.0)), angle


def radius_95_m(covariance: Covariance) -> float:
    """Longer half axis of the 95 % ellipse in metres."""
    return ellipse_axes_m(covariance)[0]
