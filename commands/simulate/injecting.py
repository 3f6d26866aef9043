"""Injecting: how each kind of fault begins, and how it ends.

Fault -> Injector -> links, servers, feeds, clients, clock, actors and processes of a Simulation
"""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

import trio
from attrs import define

from commands.simulate.clock import JumpingClock
from commands.simulate.faults import Fault
from commands.simulate.outside import LAG_SECONDS, REFUSED_ONE_IN

if TYPE_CHECKING:
    from commands.simulate.running import Simulation


@define(kw_only=True, eq=False)
class Injector:
    """Lets faults happen to one simulation."""

    simulation: "Simulation"
    clock: JumpingClock
    random: Random

    async def inject_fault(self, fault: Fault) -> None:
        """Let a fault begin at its time, and end."""
        await trio.sleep_until(fault.at_seconds)
        self.simulation.outcome.happened[f"fault: {fault.kind.value}"] += 1
        self.simulation.watch.note_fault(fault)
        begin = getattr(self, f"_begin_{fault.kind.name.lower()}")
        end: Callable[[], object] | None = begin(fault)
        if end is not None:
            await trio.sleep(fault.lasts_seconds)
            end()

    def _set(self, target: Any, **values: Any) -> Callable[[], object]:
        """Set attributes; what is returned sets them back."""
        before = {name: type(value)() for name, value in values.items()}
        for name, value in values.items():
            setattr(target, name, value)

        def restore() -> None:
            for name, value in before.items():
                setattr(target, name, value)

        return restore

    def _begin_postgres_down(self, *_: object) -> Callable[[], object]:
        return self._set(self.simulation.postgres, is_down=True)

    def _begin_postgres_slow(self, *_: object) -> Callable[[], object]:
        return self._set(self.simulation.postgres, is_slow=True)

    def _begin_postgres_hanging(self, *_: object) -> Callable[[], object]:
        return self._set(self.simulation.postgres, is_hanging=True)

    def _begin_postgres_reply_lost(self, *_: object) -> Callable[[], object]:
        return self._set(self.simulation.postgres, loses_replies=True)

    def _begin_postgres_commits_lost(self, *_: object) -> Callable[[], object]:
        database = self.simulation.universe.database
        database.make_replica()

        def promote_replica() -> None:
            self.simulation.watch.note_commits_lost()
            database.lose_commits()

        return promote_replica

    def _begin_postgres_read_only(self, *_: object) -> Callable[[], object]:
        return self._set(self.simulation.postgres, is_read_only=True)

    def _begin_postgres_locked(self, *_: object) -> Callable[[], object]:
        self.simulation.postgres.is_locked = True
        return self.simulation.postgres.unlock

    def _begin_postgres_refuses(self, *_: object) -> Callable[[], object]:
        return self.simulation.universe.begin_refusing(self.random.randrange(REFUSED_ONE_IN))

    def _begin_redis_down(self, *_: object) -> Callable[[], object]:
        return self._set(self.simulation.redis, is_down=True)

    def _begin_redis_slow(self, *_: object) -> Callable[[], object]:
        return self._set(self.simulation.redis, is_slow=True)

    def _begin_redis_hanging(self, *_: object) -> Callable[[], object]:
        return self._set(self.simulation.redis, is_hanging=True)

    def _begin_redis_reply_lost(self, *_: object) -> Callable[[], object]:
        return self._set(self.simulation.redis, loses_replies=True)

    def _begin_redis_emptied(self, *_: object) -> None:
        self.simulation.universe.redis.lose_all()

    def _begin_redis_keys_lost(self, *_: object) -> None:
        server = self.simulation.universe.redis
        mints = sorted(server.data.tokens)
        server.lose_hashes(self.random.sample(mints, len(mints) // 3))

    def _begin_redis_list_lost(self, *_: object) -> None:
        self.simulation.universe.redis.data.lose_dirty_list()
        self.simulation.universe.redis.note_loss()

    def _begin_redis_spool_lost(self, *_: object) -> None:
        spool = self.simulation.universe.redis.data.spool
        spool.lose_order()
        spool.lose_rows()
        self.simulation.universe.redis.note_loss()

    def _begin_redis_promoted(self, *_: object) -> Callable[[], object]:
        """The replica gets nothing from now on, and takes over at the fault's end."""
        server = self.simulation.universe.redis
        state = server.data.copy()
        return lambda: server.fall_back(state)

    def _begin_redis_read_only(self, *_: object) -> Callable[[], object]:
        return self._set_redis(is_read_only=True)

    def _begin_redis_full(self, *_: object) -> Callable[[], object]:
        return self._set_redis(is_full=True)

    def _set_redis(self, **values: bool) -> Callable[[], object]:
        server = self.simulation.universe.redis
        restore = self._set(server, **values)
        server.apply()

        def restore_all() -> None:
            restore()
            server.apply()

        return restore_all

    def _choose_feed(self) -> Any:
        return self.random.choice(self.simulation.universe.feeds)

    def _begin_source_silent(self, *_: object) -> Callable[[], object]:
        """Nothing comes, and never again on this connection."""
        feed = self._choose_feed()
        feed.is_deaf = True
        return self._set(feed, is_silent=True)

    def _begin_source_cut(self, *_: object) -> Callable[[], object]:
        feed = self._choose_feed()
        feed.cut()
        return self._set(feed, is_refusing=True)

    def _begin_source_garbage(self, *_: object) -> Callable[[], object]:
        return self._set(self._choose_feed(), garbage_share=0.3)

    def _begin_source_duplicates(self, *_: object) -> Callable[[], object]:
        return self._set(self._choose_feed(), duplicated_share=0.5)

    def _begin_source_disorder(self, *_: object) -> Callable[[], object]:
        return self._set(self._choose_feed(), is_disordered=True)

    def _begin_source_lag(self, *_: object) -> Callable[[], object]:
        return self._set(self._choose_feed(), lag_seconds=LAG_SECONDS)

    def _begin_provider_down(self, *_: object) -> Callable[[], object]:
        return self._set(
            self.random.choice((self.simulation.universe.quotes, self.simulation.universe.holders)),
            is_down=True,
        )

    def _begin_clients_slow(self, *_: object) -> Callable[[], object]:
        client = self.random.choice(self.simulation.clients)
        client.read_nothing()
        return client.read_again

    def _begin_clients_vanish(self, *_: object) -> None:
        for client in self.simulation.clients:
            client.vanish()

    def _begin_clients_away(self, *_: object) -> Callable[[], object]:
        ends = [self._set(client, is_away=True) for client in self.simulation.clients]
        self._begin_clients_vanish()

        def end_all() -> None:
            for end in ends:
                end()

        return end_all

    def _begin_clock_back(self, fault: Fault, *_: object) -> None:
        self.simulation.universe.wall.offset_seconds -= fault.lasts_seconds

    def _begin_clock_forward(self, fault: Fault, *_: object) -> None:
        self.simulation.universe.wall.offset_seconds += fault.lasts_seconds

    def _begin_loop_stalled(self, fault: Fault) -> None:
        self.clock.jump(fault.lasts_seconds)

    def _begin_actor_crashed(self, *_: object) -> None:
        if self.simulation.life is not None:
            self.simulation.life.crash_actor(self.random.getrandbits(16))

    def _begin_process_killed(self, *_: object) -> None:
        self.simulation.kill_process()

    def _begin_process_restarted(self, *_: object) -> None:
        if self.simulation.life is not None:
            self.simulation.life.supervisor.begin_drain()
