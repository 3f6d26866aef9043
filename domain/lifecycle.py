"""From birth to the pool: bonding progress, status, silence and retention.

Source of the formula: the pump.fun bonding curve starts with 1,073,000,000 virtual tokens and
30 virtual SOL, sells 793,100,000 tokens, and is complete at 279,900,000 virtual tokens.
"""

from domain.token import Status, Token
from domain.values import Sol, UnixSeconds

CURVE_TOKENS_AT_BIRTH = 1_073_000_000.0
CURVE_TOKENS_AT_COMPLETION = 279_900_000.0
CURVE_TOKENS_FOR_SALE = CURVE_TOKENS_AT_BIRTH - CURVE_TOKENS_AT_COMPLETION
CURVE_SOL_AT_BIRTH = 30.0
CURVE_PRODUCT = CURVE_TOKENS_AT_BIRTH * CURVE_SOL_AT_BIRTH
CURVE_SOL_AT_COMPLETION = CURVE_PRODUCT / CURVE_TOKENS_AT_COMPLETION  # 115.005 SOL
CURVE_FIELDS = frozenset({"bonding_curve_progress", "sol_raised", "sol_to_graduate"})

GRADUATING_FROM_PERCENT = 80.0
SILENT_AFTER_SECONDS = 4 * 3600
RETAIN_NEW_SECONDS = 48 * 3600
RETAIN_BONDED_SECONDS = 72 * 3600


def bonding_progress(curve_tokens: float) -> float:
    """Per cent of the curve's tokens that are sold, 0..100, to two decimals; 0 at birth."""
    sold = 1 - (curve_tokens - CURVE_TOKENS_AT_COMPLETION) / CURVE_TOKENS_FOR_SALE
    return round(min(max(sold * 100, 0.0), 100.0), 2)


def sol_raised(curve_sol: Sol) -> Sol:
    """SOL that buyers have put into the curve."""
    return Sol(max(curve_sol - CURVE_SOL_AT_BIRTH, 0.0))


def sol_to_graduate(curve_sol: Sol) -> Sol:
    """SOL that the curve still takes until it is complete."""
    return Sol(max(CURVE_SOL_AT_COMPLETION - curve_sol, 0.0))


def quote_raised(curve_tokens: float, curve_quote: float) -> float:
    """As `sol_raised`, of a curve in any quote: tokens times quote stay what they were at birth."""
    return max(curve_quote * (1 - curve_tokens / CURVE_TOKENS_AT_BIRTH), 0.0)


def quote_to_graduate(curve_tokens: float, curve_quote: float) -> float:
    """As `sol_to_graduate`, of a curve in any quote."""
    return max(curve_quote * (curve_tokens / CURVE_TOKENS_AT_COMPLETION - 1), 0.0)


def status_from_progress(progress: float) -> Status:
    """NEW or GRADUATING. BONDED takes a confirmed migration, never a percentage."""
    return Status.GRADUATING if progress >= GRADUATING_FROM_PERCENT else Status.NEW


def is_silent(token: Token, now: UnixSeconds) -> bool:
    """True when an unbonded token has not been traded for four hours."""
    last_sign = max(token.last_trade_at or token.first_seen_at, token.first_seen_at)
    return token.status < Status.BONDED and now - last_sign >= SILENT_AFTER_SECONDS


def is_retained(token: Token, now: UnixSeconds) -> bool:
    """True while a token belongs on the feed: 48 h from birth, 72 h from bonding."""
    if token.status is Status.BONDED:
        return now - (token.status_changed_at or token.first_seen_at) < RETAIN_BONDED_SECONDS
    return now - token.first_seen_at < RETAIN_NEW_SECONDS


def is_live(token: Token) -> bool:
    """False for an unbonded token that is silent."""
    return token.status is Status.BONDED or not token.silent


def shown_status(token: Token) -> str:
    """The status that readers see: NEW, GRADUATING, BONDED, or DEAD for a silent unbonded token."""
    return token.status.name if is_live(token) else "DEAD"
