"""Entries of the quarantine: made of what could not be handled, and as JSON.

    token, update or message, with the reason  ->  QuarantineEntry  <->  JSON in Redis

The reason is made without secrets. The content is kept as it is, for it is to be handed back.
"""

from collections.abc import Mapping
from typing import Any

import attrs
import orjson

from config.redaction import redact_text
from domain.messages import BirthReplayed, UpdateReplayed
from domain.plain import Plain, to_plain
from domain.quarantine import EntryKind, QuarantineEntry, find_subject, make_entry_id
from domain.records import list_needed_fields
from domain.token import Token
from domain.values import Mint, UnixSeconds

LARGEST_CONTENT_BYTES = 65_536  # of JSON; a larger one is described
LONGEST_DESCRIPTION, LONGEST_REASON = 2000, 500  # characters
ENTRY_FIELDS = tuple(each.name for each in attrs.fields(QuarantineEntry))
NEEDED_FIELDS = list_needed_fields(QuarantineEntry)


def make_entry(
    subject: object,
    *,
    kind: EntryKind,
    place: str,
    reason: str,
    refused_at: UnixSeconds,
) -> QuarantineEntry:
    """An entry of anything; what plain values cannot say is described, and cannot be replayed."""
    content, is_replayable = _say_subject(subject)
    mint = getattr(subject, "mint", None)
    mint = Mint(_without_surrogates(mint)) if isinstance(mint, str) else None
    return QuarantineEntry(
        id=make_entry_id(kind, place, find_subject(kind, mint, content)),
        kind=kind,
        place=place,
        mint=mint,
        reason=_shorten_text(reason, LONGEST_REASON),
        refused_at=refused_at,
        content=content,
        is_replayable=is_replayable,
    )


def make_birth_entry(token: Token, *, reason: str, refused_at: UnixSeconds) -> QuarantineEntry:
    """An entry of a new token that Postgres refuses; it goes back to ingest."""
    subject = attrs.evolve(token, provenance={})  # told anew when it is admitted
    return make_entry(subject, kind="birth", place="ingest", reason=reason, refused_at=refused_at)


def make_message_entry(
    mailbox: str, message: object, *, reason: str, refused_at: UnixSeconds
) -> QuarantineEntry:
    """An entry of a message that has crashed its reader; of a replay, the entry replayed again."""
    told: Any = {"place": mailbox, "reason": reason, "refused_at": refused_at}
    match message:
        case BirthReplayed(entry_id=entry_id, token=token):
            return attrs.evolve(make_entry(token, kind="birth", **told), id=entry_id)
        case UpdateReplayed(entry_id=entry_id, update=update):
            return attrs.evolve(make_entry(update, kind="update", **told), id=entry_id)
        case _:
            return make_entry(message, kind="message", **told)


def _say_subject(subject: object) -> tuple[Plain, bool]:
    try:
        content = to_plain(subject)
        size = len(orjson.dumps(content))
    except (TypeError, ValueError) as error:
        return _describe_subject(subject, str(error)), False
    if size > LARGEST_CONTENT_BYTES:
        return _describe_subject(subject, f"{size} bytes are too many to be kept"), False
    return content, True


def _describe_subject(subject: object, obstacle: str) -> Plain:
    try:
        text = repr(subject)
    except Exception as error:  # it goes into quarantine all the same
        text = f"{type(subject).__name__}, whose repr raises {type(error).__name__}"
    return {
        "description": _shorten_text(text, LONGEST_DESCRIPTION),
        "obstacle": _shorten_text(obstacle, LONGEST_REASON),
    }


def _shorten_text(text: str, longest: int) -> str:
    # Cut only after that: half a secret would not be recognised.
    return _without_surrogates(redact_text(text))[:longest]


def _without_surrogates(text: str) -> str:
    """The text, in which JSON can say all characters."""
    return text.encode(errors="backslashreplace").decode()


def encode_entry(entry: QuarantineEntry) -> str:
    return orjson.dumps({name: getattr(entry, name) for name in ENTRY_FIELDS}).decode()


def decode_entry(row: Mapping[str, Any]) -> QuarantineEntry:
    """An entry; fields of a newer release of the service are left out.

    `ValueError` where it is none.
    """
    if not isinstance(row, Mapping) or not row.keys() >= NEEDED_FIELDS:
        raise ValueError("no entry of the quarantine")
    return QuarantineEntry(**{name: row[name] for name in ENTRY_FIELDS if name in row})
