"""Recording rules. Does no I/O. https://www.twilio.com/docs/video/api/recording-rules"""

from dataclasses import dataclass
from enum import StrEnum

from gateway.core.errors import InvalidArgument

RULES_LIMIT = 20


class RuleType(StrEnum):
    INCLUDE = "include"
    EXCLUDE = "exclude"


class RecordedKind(StrEnum):
    AUDIO = "audio"
    VIDEO = "video"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRule:
    """Includes or excludes either all tracks, or those that match every filter given."""

    type: RuleType
    all: bool | None = None
    kind: RecordedKind | None = None
    publisher: str | None = None
    track: str | None = None

    def __post_init__(self) -> None:
        filters = [part for part in (self.kind, self.publisher, self.track) if part is not None]
        if self.all is False:
            raise InvalidArgument("a recording rule has all: false; leave it out or set it to true")
        if self.all and filters:
            raise InvalidArgument("a recording rule has all beside another filter; all stands alone")
        if not self.all and not filters:
            raise InvalidArgument("a recording rule has no filter; give all, kind, publisher or track")


def check_rules(rules: tuple[RecordingRule, ...]) -> None:
    """Raises InvalidArgument unless there are 1 to 20 of them."""
    if not 1 <= len(rules) <= RULES_LIMIT:
        raise InvalidArgument(f"recordingRules has {len(rules)} rules; give 1 to {RULES_LIMIT}")
