"""Libraries of others that the pages load, as they were published, each beside its licence.

lightweight_charts.js is TradingView Lightweight Charts 5.2.1 (Apache-2.0), from the package
`lightweight-charts` of npm: dist/lightweight-charts.standalone.production.mjs, unchanged.
"""

from collections.abc import Mapping
from types import MappingProxyType

# SHA-256 of each library as it came from its registry.
DIGESTS: Mapping[str, str] = MappingProxyType(
    {"lightweight_charts.js": "1bb1ee79f9d4dd17261b53d930f7a8995748276f80e7ba0e24412b5068062f5f"}
)
