"""The recordings in tests/data, unwrapped to what the outside world sent."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[2] / "data"


def load(name: str) -> Any:
    """A recorded JSON document; a recorder's wrapper around the body is taken off."""
    document = json.loads((DATA / name).read_text())
    if isinstance(document, dict) and {"url", "status", "body"} <= document.keys():
        return document["body"]
    return document


def frames(name: str) -> Iterator[str]:
    """The text of every frame that came in, one a line in the recording."""
    for line in (DATA / name).read_text().splitlines():
        record = json.loads(line)
        if "raw" in record:
            yield record["raw"]
        elif "dir" not in record:
            yield line
        elif record["dir"] == "in":
            yield json.dumps(record["data"])


def transactions(name: str) -> list[tuple[str, Any]]:
    """Signature and transaction of each notification, in the shape of getTransaction's result."""
    lines = (DATA / name).read_text().splitlines()
    results = [json.loads(line)["params"]["result"] for line in lines]
    return [
        (result["signature"], {**result["transaction"], "slot": result["slot"]})
        for result in results
    ]
