"""Run every benchmark, or those named: `python -m benchmarks [--quick] [name ...]`.

Full: under ten minutes. --quick: under one, with smaller numbers everywhere; its tables show
that everything works, and roughly the same ratios.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module

from benchmarks.results import Result
from domain.errors import TokenDiscoveryError

BENCHMARKS = {
    "storm": "the seeds' hour by strategy, with SQLAlchemy, Django and executemany beside",
    "storm_real": "the same at the real rates",
    "flush_cost": "a flush of 100 to 100,000 dirty tokens: time, client CPU, event loop",
    "total_tokens": "the same flush over ever more tokens that did not change",
    "whole_path": "updates a second from the mailbox to Postgres",
    "all_sources": "WAL of an hour with the sources of before, and with all of them",
    "trading_memory": "a day of trades in the trading actor: its memory, Redis' memory, CPU",
    "reader_queries": "the feed queries of existing readers: the view beside a plain table",
    "mailbox_hop": "a mailbox beside trio's own channel",
    "ingest_latency": "from a create frame to its commit, at 50 creates a second",
}


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = _parser().parse_args(arguments)
    for name in parsed.names or BENCHMARKS:
        benchmark: Callable[[bool], Result] = import_module(f"benchmarks.{name}").run
        print(f"== {name}: {BENCHMARKS[name]}\n", flush=True)
        started = time.monotonic()
        try:
            result = benchmark(parsed.quick)
        except TokenDiscoveryError as error:
            print(f"benchmarks: {name}: {error}", file=sys.stderr)
            return 1
        seconds = time.monotonic() - started
        file = result.save(seconds, parsed.quick)
        print(f"{result.shown()}\n({seconds:.0f} s; {file})\n", flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:<16}{what}" for name, what in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"{__doc__}\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="small numbers, under a minute")
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], metavar="name")
    return parser


if __name__ == "__main__":
    sys.exit(main())
