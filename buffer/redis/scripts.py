"""The Lua scripts beside this file, which a server runs by their digests.

run_script  ->  EVALSHA;  SCRIPT LOAD and EVALSHA, where the server does not know it (yet)
"""

from collections.abc import Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import NoScriptError

SCRIPTS = {
    file.stem: file.read_text("utf-8") for file in sorted(Path(__file__).parent.glob("*.lua"))
}
DIGESTS = {
    name: sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in SCRIPTS.items()
}


def run_script(
    client: redis.Redis, name: str, keys: Sequence[str], arguments: Sequence[Any]
) -> Any:
    """The answer of the script of this name, without `.lua`."""
    try:
        return client.evalsha(DIGESTS[name], len(keys), *keys, *arguments)
    except NoScriptError:  # the first call, or the server has restarted
        client.script_load(SCRIPTS[name])
        return client.evalsha(DIGESTS[name], len(keys), *keys, *arguments)
