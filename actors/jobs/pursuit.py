"""Which tokens still want something that is fetched once each, and when to try again.

    TokensPublished -> learn_token (does it still want it?) -> pick_tokens -> note_success, _failure

A failure is followed by waits that double, with jitter; after `MOST_TRIES` of them, or one that
waiting cannot mend, the token is left alone for hours. What has succeeded is left alone as well,
so that a value which never shows in the token is not fetched for ever. All of it is bounded by the
roster: what the roster forgets is forgotten here.
"""

from attrs import Factory, define

from actors.jobs.roster import Roster
from config.settings import Settings
from domain.token import Token
from domain.values import Mint, UnixSeconds
from supervision.environment import Environment

MOST_TRIES = 3
FIRST_RETRY_SECONDS = 60.0  # doubles
REST_SECONDS = 6 * 3600.0


@define
class Pursuit:
    """The tokens that want one thing, by interest."""

    roster: Roster
    environment: Environment
    failures: dict[Mint, int] = Factory(dict)  # in a row

    @classmethod
    def from_settings(cls, settings: Settings, environment: Environment) -> "Pursuit":
        return cls(Roster.from_settings(settings), environment)

    def learn_token(self, token: Token, *, is_wanted: bool) -> None:
        """Take the token as it now is."""
        if is_wanted:
            self.roster.learn_token(token)
        else:
            self.roster.entries.pop(token.mint, None)
            self.failures.pop(token.mint, None)

    def pick_tokens(self, count: int, now: UnixSeconds) -> list[Token]:
        """`count` tokens that are due, the most interesting first."""
        self.roster.forget_unretained(now)
        for mint in self.failures.keys() - self.roster.entries.keys():
            del self.failures[mint]
        return self.roster.pick_tokens(count, now)

    def note_success(self, mint: Mint, again_at: float) -> None:
        """It has what it wants, unless the token still says otherwise at a time."""
        self.failures.pop(mint, None)
        self._put_off(mint, again_at)

    def note_failure(self, mint: Mint, now: UnixSeconds, *, is_final: bool) -> bool:
        """It could not be had; True if the token is left alone now."""
        tries = self.failures.get(mint, 0) + 1
        is_given_up = is_final or tries >= MOST_TRIES
        if is_given_up:
            self.failures.pop(mint, None)
            seconds = REST_SECONDS
        else:
            self.failures[mint] = tries
            seconds = FIRST_RETRY_SECONDS * 2.0 ** (tries - 1)
        self._put_off(mint, now + seconds * self.environment.random.uniform(0.5, 1.0))
        return is_given_up

    def _put_off(self, mint: Mint, due_at: float) -> None:
        if entry := self.roster.entries.get(mint):
            entry.due_at = due_at
