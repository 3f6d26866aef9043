"""Run every benchmark, or those named: `python -m benchmarks [--quick] [name ...]`.

Each figure is shown beside the one accepted last (benchmarks/accepted.json); `--accept [name ...]`
runs nothing and accepts what was measured last. The exit code is 1 when a figure that does not
depend on the machine got worse.

Full: half an hour. --quick: smaller numbers everywhere; its tables show that everything works, and
roughly the same ratios.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from benchmarks import guard
from benchmarks.results import NotMeasurable, Result
from domain.errors import TokenDiscoveryError

BENCHMARKS = {
    "storm": "the seeds' hour by strategy, with SQLAlchemy, Django and executemany beside",
    "storm_real": "the same at the real rates",
    "flush_cost": "a flush of 100 to 100,000 dirty tokens: time, client CPU, event loop",
    "total_tokens": "the same flush over ever more tokens that did not change",
    "whole_path": "updates a second from the mailbox to Postgres",
    "all_sources": "WAL of an hour with the sources of before, and with all of them",
    "trading_memory": "a day of trades in the trading actor: its memory, Redis' memory, CPU",
    "start": "a start with 100,000 tokens, in order and after crashes; memory a token",
    "reader_queries": "the feed queries of existing readers: the view beside a plain table",
    "fan_out": "deltas to 500 and 2,000 clients, with Node ws and websockets beside",
    "feed_queries": "queries of the feed over 100,000 tokens, beside a look at each of them",
    "views": "64 views over 100,000 tokens at 750 changes a second, beside one board",
    "page": "the feed page in Chromium at 750 changes a second, beside one that draws all anew",
    "alerts": "50 alert rules over 100,000 tokens at 750 changes a second, beside one rule",
    "mailbox_hop": "a mailbox beside trio's own channel",
    "wire_size": "snapshots and deltas plain and deflated: bytes, and CPU of a fan-out to 500",
    "idle_sockets": "deltas to 100 clients beside 10,000 idle ones, and the memory of these",
    "hot_path": "CPU of one event from the socket to the boards, by stage, beside its floor",
    "instructions": "instructions of the hot path's pure stages, counted by callgrind",
    "ingest_latency": "from a create frame to its commit, at 50 creates a second",
    "random_kills": "values that kills of the service, Redis and Postgres lose, under load",
}


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = _parser().parse_args(arguments)
    try:
        if parsed.accept:
            print(f"accepted: {', '.join(guard.accept(_list_results(parsed.names)))}")
            return 0
        comparisons = [each for name in parsed.names or BENCHMARKS for each in _run(name, parsed)]
    except TokenDiscoveryError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    failures = [comparison.name for comparison in comparisons if comparison.is_failure]
    if failures:
        print(f"benchmarks: worse than accepted: {', '.join(failures)}", file=sys.stderr)
    return 1 if failures else 0


def _run(name: str, parsed: argparse.Namespace) -> list[guard.Comparison]:
    """Run one benchmark, show its table, and its figures beside the accepted ones."""
    module = import_module(f"benchmarks.{name}")
    benchmark: Callable[..., Result] = module.run
    options = {option: getattr(parsed, option) for option in getattr(module, "OPTIONS", ())}
    print(f"== {name}: {BENCHMARKS[name]}\n", flush=True)
    started = time.monotonic()
    try:
        result = benchmark(parsed.quick, **options)
    except NotMeasurable as reason:
        print(f"not measured: {reason}\n", flush=True)
        return []
    seconds = time.monotonic() - started
    file = result.save(seconds, parsed.quick)
    print(f"{result.shown()}\n({seconds:.0f} s; {file})\n", flush=True)
    title = guard.title_of(result.name, parsed.quick)
    comparisons = [*guard.compare(title, result.list_figures(), guard.read_accepted())]
    if comparisons:
        print(f"{guard.render(comparisons)}\n", flush=True)
    return comparisons


def _list_results(names: Sequence[str]) -> list[str]:
    """The results of the named benchmarks; without a name, all that there are."""
    return [name.replace("_", "-") for name in names] or guard.list_results()


def _parser() -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:<16}{what}" for name, what in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"{__doc__}\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="small numbers")
    kills = "how many random_kills delivers; default 60, quick 9"
    parser.add_argument("--kills", type=_positive, metavar="NUMBER", help=kills)
    seed = "of random_kills: which are killed, and when; default 1"
    parser.add_argument("--seed", type=int, default=1, metavar="NUMBER", help=seed)
    flame = "where hot_path writes its flame graph, an SVG"
    parser.add_argument("--accept", action="store_true", help="accept what was measured last")
    parser.add_argument("--flame", type=Path, metavar="FILE", help=flame)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], metavar="name")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
