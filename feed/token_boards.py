"""Boards of one token each, for clients that look at that token. Pure.

    catalogue --publish_changes, every delta interval--> changes of `token:<mint>`

Such a board holds the token, or nothing while it is not tracked; it is folded as the others are. It
lives while somebody follows it, and is made once for all who do. There is no history to resume
from: a snapshot of one item is hardly larger. What was told again by the same sources is published,
too, since whoever looks at one token wants to know how old its figures are.
"""

from collections.abc import Container, Mapping

from attrs import define, field

from domain.token import Token
from domain.values import Mint
from feed.wire import ItemCache, ShownToken, encode_json, find_changes

PREFIX = "token:"


def name_token_board(mint: Mint) -> str:
    """The board of a token."""
    return f"{PREFIX}{mint}"


def is_token_board(board: str) -> bool:
    """True for the board of a token."""
    return board.startswith(PREFIX)


@define(eq=False)
class TokenBoard:
    """One token as last published, and the clients that follow it."""

    shown: ShownToken | None
    clients: dict[int, None] = field(factory=dict)  # by number, in the order they came

    def publish_change(self, mint: Mint, token: Token | None, items: ItemCache) -> bytes | None:
        """The change that shows the token as it is now; None where there is nothing to show."""
        before = self.shown
        self.shown = after = None if token is None else items.show(token)
        if after is None:
            return None if before is None else encode_json({"mint": mint, "removed": True})
        if before is None:
            return after.to_json()
        changes = find_changes(before.item, after.item)
        return encode_json({"mint": mint, **changes}) if changes else None


@define(eq=False)
class TokenBoards:
    """The boards of all tokens that somebody follows."""

    tokens: Mapping[Mint, Token]  # every tracked one
    items: ItemCache
    living: dict[Mint, TokenBoard] = field(init=False, factory=dict)
    # Whose trading was told of since it was asked for last: there are new trades on the tape.
    _traded: dict[Mint, None] = field(init=False, factory=dict)

    def follow(self, mint: Mint, client: int) -> None:
        """Count a client as one who follows a token."""
        board = self.living.get(mint)
        if board is None:
            token = self.tokens.get(mint)
            board = TokenBoard(None if token is None else self.items.show(token))
            self.living[mint] = board
        board.clients[client] = None

    def unfollow(self, mint: Mint, client: int) -> None:
        """Count it no more; a board that nobody follows is forgotten."""
        board = self.living.get(mint)
        if board is not None:
            board.clients.pop(client, None)
            if not board.clients:
                del self.living[mint]
                self._traded.pop(mint, None)

    def list_clients(self, mint: Mint) -> list[int]:
        """Who follows a token."""
        board = self.living.get(mint)
        return [] if board is None else list(board.clients)

    def list_items(self, mint: Mint) -> list[bytes]:
        """What is published of a token: its item as JSON, or nothing."""
        board = self.living.get(mint)
        return [] if board is None or board.shown is None else [board.shown.to_json()]

    def publish_changes(self, changed: Container[Mint]) -> dict[str, list[bytes]]:
        """The changes by board, of those that have changed."""
        changes: dict[str, list[bytes]] = {}
        for mint, board in self.living.items():
            if mint not in changed:
                continue
            token = self.tokens.get(mint)
            if _was_traded(board.shown, token):
                self._traded[mint] = None
            change = board.publish_change(mint, token, self.items)
            if change is not None:
                changes[name_token_board(mint)] = [change]
        return changes

    def take_traded(self) -> list[Mint]:
        """The followed tokens that have been traded since the last call."""
        traded, self._traded = self._traded, {}
        return list(traded)


def _was_traded(before: ShownToken | None, token: Token | None) -> bool:
    if token is None or token.statistics is None:
        return False
    return before is None or before.token.statistics is not token.statistics
