"""Which IP addresses and origins an untrusted link may lead to.

    every address of a host  ->  is_public_address  ->  connect, or refuse the link

Sources: the IANA special-purpose address registries (RFC 6890 and its updates), RFC 6052 (NAT64),
RFC 4380 (Teredo), RFC 3056 (6to4); 168.63.129.16 is what Azure gives its machines as the address
of the host. The tables stand here, since those of Python differ from version to version.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from attrs import frozen

DEFAULT_PORTS = {"https": 443, "http": 80}

CLOSED_IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network, and unspecified
            "10.0.0.0/8",
            "100.64.0.0/10",  # shared by customers of a carrier
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's host
            "169.254.0.0/16",  # link-local: the metadata services of most clouds
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
# All else of IPv6 is refused: loopback, unique local (fd00:ec2::254 is a metadata service),
# link-local, multicast, and the forms that hold an IPv4 address (::ffff:0:0/96, 64:ff9b::/96).
OPEN_IPV6 = IPv6Network("2000::/3")
CLOSED_IPV6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocols, Teredo among them
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",
            "3fff::/20",
        ),
    )
)


@frozen
class Origin:
    """Scheme, host and port: what a setting may trust."""

    scheme: str
    host: str  # in lower case, IPv6 without brackets
    port: int


def is_public_address(text: str) -> bool:
    """True if `text` is an address on the public internet; what is no address is not."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in CLOSED_IPV4)
    return _is_public_ipv6(address)


def _is_public_ipv6(address: IPv6Address) -> bool:
    if address.scope_id is not None or address not in OPEN_IPV6:
        return False
    return not any(address in network for network in CLOSED_IPV6)
