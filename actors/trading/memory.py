"""What trading keeps when it is restarted: everything it has counted."""

from attrs import Factory, define

from actors.trading.book import TradingBook
from domain.messages import WindowsQuoted
from domain.records import record
from domain.values import Mint, UnixSeconds

MOST_QUOTES = 20_000  # tokens whose windows a provider has told lately; the oldest go


@record
class TokenFacts:
    """What sync tells of a token that matters here."""

    first_seen_at: UnixSeconds
    venue: str | None
    holders: int | None


@define(kw_only=True)
class TradingMemory:
    """One for all lives of trading; held by its child spec."""

    limit: int  # tokens
    books: dict[Mint, TradingBook] = Factory(dict)  # the one traded longest ago is first
    quotes: dict[Mint, WindowsQuoted] = Factory(dict)  # the one quoted longest ago is first
    facts: dict[Mint, TokenFacts] = Factory(dict)  # the one heard of longest ago is first
    is_active: bool = True

    def open_book(self, mint: Mint) -> TradingBook:
        """The token's book, as the one traded last; beyond the limit another one goes."""
        book = self.books.pop(mint, None) or TradingBook()
        self.books[mint] = book
        if len(self.books) > self.limit:
            del self.books[next(iter(self.books))]
        return book

    def keep_quote(self, quoted: WindowsQuoted) -> None:
        """A provider's windows, which count where a token's trades are not covered."""
        self.quotes.pop(quoted.mint, None)
        self.quotes[quoted.mint] = quoted
        if len(self.quotes) > MOST_QUOTES:
            del self.quotes[next(iter(self.quotes))]

    def keep_facts(self, mint: Mint, facts: TokenFacts) -> None:
        self.facts.pop(mint, None)
        self.facts[mint] = facts
        if len(self.facts) > self.limit:
            del self.facts[next(iter(self.facts))]
