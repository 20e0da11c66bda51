"""How a room is transcribed. Does no I/O. https://www.twilio.com/docs/video/api/transcriptions"""

from dataclasses import dataclass

from gateway.core.errors import InvalidArgument

HINTS_LIMIT = 500
HINT_LENGTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionsConfiguration:
    """None leaves the engine's default."""

    transcription_engine: str | None = None
    speech_model: str | None = None
    language_code: str | None = None
    partial_results: bool | None = None
    profanity_filter: bool | None = None
    hints: tuple[str, ...] | None = None
    enable_automatic_punctuation: bool | None = None

    def __post_init__(self) -> None:
        if self.hints is not None and len(self.hints) > HINTS_LIMIT:
            raise InvalidArgument(f"hints has {len(self.hints)} phrases; give up to {HINTS_LIMIT}")
        if self.hints is not None and any(len(hint) > HINT_LENGTH for hint in self.hints):
            raise InvalidArgument(f"a hint is longer than {HINT_LENGTH} characters; shorten it")
