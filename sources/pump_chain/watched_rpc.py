"""The RPC server beside the stream: what it cannot do is told by name, and a refusal is respected.

call_method -> JsonRpc -> the answer; `chain-rpc` is degraded while there is none
"""

from typing import Protocol

from attrs import define, field

from domain.errors import SourceClosed, SourceRefused, SourceUnavailable
from sources import SourceEnvironment
from sources.names import CHAIN
from sources.outages import SourceOutage, tell_refusal
from sources.refusals import LastingRefusal

NAME = "chain-rpc"


class RpcCalls(Protocol):
    """Calls methods of a JSON-RPC server."""

    async def call_method(self, method: str, parameters: list[object]) -> object:
        """The result of one call; `SourceUnavailable` where there is none."""


@define(kw_only=True)
class WatchedRpc:
    """Calls an RPC server; one that refuses for good is asked again each hour."""

    rpc: RpcCalls
    environment: SourceEnvironment
    refusal: LastingRefusal = field(
        factory=lambda: LastingRefusal(url_setting="ingest.chain_rpc_url"), init=False
    )
    outage: SourceOutage = field(init=False)

    @outage.default
    def _new_outage(self) -> SourceOutage:
        return SourceOutage(source=NAME, reporter=CHAIN, environment=self.environment)

    async def call_method(self, method: str, parameters: list[object]) -> object:
        """As `JsonRpc.call_method`; while the server refuses for good, it is not asked."""
        if not self.refusal.may_ask():
            raise SourceUnavailable(self.refusal.reason)
        try:
            result = await self.rpc.call_method(method, parameters)
        except SourceClosed as error:
            tell_refusal(self.refusal, error, self.outage)
            raise
        except SourceRefused:
            self._note_answer()  # it serves, if not this request
            raise
        except SourceUnavailable as error:
            self.refusal.note_failure()
            self.outage.note_problem(str(error))
            raise
        self._note_answer()
        return result

    def _note_answer(self) -> None:
        self.refusal.note_answer()
        self.outage.note_success()
