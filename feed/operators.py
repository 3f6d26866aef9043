"""Who may read /ops*, /api/ops/*, /api/alerts and /metrics, and change or tell anything.

    HttpRequest  ->  require_operator  ->  nothing, or 401, 403, 404

                                  reads                changes (POST, DELETE)
    from this machine             always               while no token is set, and from no page
    with the control token        always               always
    on gateway.ops_port           always               as on the other port
    from elsewhere                401, or 403 while no token is set

Where there is an ops port, the other one answers 404 to everybody but this machine.

From this machine means: from its loopback, to a name that is surely its own, and not through a
proxy. A page of evil.example may let that name lead to 127.0.0.1, and so make a browser on this
machine ask us in its own name (DNS rebinding); and behind a proxy on this machine is the world.
"""

from base64 import b64decode
from hmac import compare_digest

from config.settings import GatewaySettings
from domain.errors import RequestRefused
from feed.addresses import read_address
from feed.http import Headers, HttpRequest
from feed.targets import parse_host

OPERATORS_PAGES = ("/ops", "/ops/runbook", "/metrics", "/api/alerts")
OPERATORS_PREFIXES = ("/api/ops/", "/api/alerts/")
BACKENDS_PATHS = ("/api/activity",)  # for the owner's other servers, which have the same rights
# What proxies add, beside X-Forwarded-For and its like.
PROXY_HEADERS = ("forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-ray")
# A browser asks people for the password of Basic; programs send Bearer. Each has a line of its
# own, because browsers see one challenge a line.
CHALLENGES: Headers = (
    ("WWW-Authenticate", 'Basic realm="token-discovery operators", charset="UTF-8"'),
    ("WWW-Authenticate", 'Bearer realm="token-discovery operators"'),
)


def is_for_operators(path: str) -> bool:
    """True for the paths that are not for everybody."""
    return path in OPERATORS_PAGES or path.startswith(OPERATORS_PREFIXES)


def require_operator(request: HttpRequest, settings: GatewaySettings) -> None:
    """Raise `RequestRefused` for a path of operators, unless one of them asks."""
    is_hidden = is_for_operators(request.path)
    if not is_hidden and request.path not in BACKENDS_PATHS:
        return
    is_here = is_from_this_machine(request, settings.host)
    is_ops_port = settings.ops_port != 0 and request.port == settings.ops_port
    if is_hidden and settings.ops_port and not is_ops_port and not is_here:
        raise RequestRefused(404, "not_found", "there is nothing at this path")
    if request.method == "OPTIONS":
        return  # which tells the methods, and a preflight knows no password
    is_change = request.method not in ("GET", "HEAD")
    if is_change and not settings.control_token and "origin" in request.headers:
        raise _forbidden()  # a page in a browser of this machine
    is_open = is_here and not (is_change and settings.control_token)
    if is_open or (is_ops_port and not is_change):
        return
    if not settings.control_token:
        raise _forbidden()
    if not has_token(request, settings.control_token):
        raise RequestRefused(401, "unauthorized", "this wants the control token")


def is_from_this_machine(request: HttpRequest, host: str) -> bool:
    """Whether the machine itself asks, `host` being the name that it listens under."""
    # Where it is told nothing else, nginx speaks HTTP/1.0 to us, and leaves no other trace.
    is_passed_on = request.http_version == "1.0" or any(map(_is_proxy_header, request.headers))
    name, _ = parse_host(request.headers.get("host", ""))
    is_own_name = name in ("localhost", host) or _is_loopback(name)
    return _is_loopback(request.peer) and is_own_name and not is_passed_on


def has_token(request: HttpRequest, token: str) -> bool:
    """Whether the request shows the token: as a bearer's, or as the password of any user.

    The time of the comparison tells nothing of the token but its length.
    """
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    shown = credentials.strip(" ").encode("latin-1")
    if scheme.lower() == "basic":
        try:
            shown = b64decode(shown, validate=True).partition(b":")[2]
        except ValueError:
            return False
    elif scheme.lower() != "bearer":
        return False
    return compare_digest(token.encode(), shown)


def _is_proxy_header(name: str) -> bool:
    return name in PROXY_HEADERS or name.startswith(("x-forwarded", "cf-connecting"))


def _is_loopback(text: str) -> bool:
    address = read_address(text)
    # None for a name; or unknown, since the client is gone already.
    return address is not None and address.is_loopback


def _forbidden() -> RequestRefused:
    return RequestRefused(
        403, "forbidden", "only from this machine; elsewhere set gateway.control_token"
    )
