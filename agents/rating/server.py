"""The rating page over HTTP, for browsers on this machine.

Owns the addresses, what a request must bring, and the answers. Bound to 127.0.0.1. Requests need
the token of the printed address, and the `Host` and `Origin` of this server: another site that is
open in the same browser can neither read nor rate. Python's own HTTP server suffices: a few people
send one small request per rating. Knows nothing of how texts are chosen.
"""

import hmac
import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from agents.config.loading import UserError
from agents.rating.queue import RatingQueue
from lm_envs.tasks.ratings import StoreWriteError

HOST = "127.0.0.1"
PAGE = Path(__file__).parent / "page"
FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}
LARGEST_BODY = 10_000
TIMEOUT = 30
"""Seconds after which a silent connection is closed."""

HEADERS = {
    # Texts are inserted as text, never as markup; if that failed, this would run and load nothing.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class RefusedError(Exception):
    """A request that is answered with an error.

    Args:
        status: Of HTTP.
        message: For people.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RatingServer(ThreadingHTTPServer):
    """Serves a queue until it is closed.

    Args:
        queue: What to rate.
        token: Secret that every address and request has to bring.
        port: 0 for any free one.

    Raises:
        UserError: If the port is in use.
    """

    daemon_threads = True

    def __init__(self, queue: RatingQueue, token: str, port: int = 0) -> None:
        self.queue, self.token = queue, token
        try:
            super().__init__((HOST, port), RatingHandler)
        except OSError as error:
            raise UserError(
                f"Got --port {port}: {error.strerror}; allowed: a free port, or 0 for any."
            ) from None

    def address(self, rater: str = "") -> str:
        """Returns the address to open, for a rater if one is given."""
        name = f"&rater={quote(rater)}" if rater else ""
        return f"http://{HOST}:{self.server_port}/?token={self.token}{name}"


class RatingHandler(BaseHTTPRequestHandler):
    """Answers one request."""

    server_version, sys_version = "lm_envs", ""
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT

    def do_GET(self) -> None:
        """Sends the page, its files, or what a rater sees next."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Stores a rating or undoes one, then sends what the rater sees next."""
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401
        """Prints nothing: addresses hold the token, and requests are untrusted text."""

    @property
    def _owner(self) -> RatingServer:
        assert isinstance(self.server, RatingServer)
        return self.server

    def _answer(self, respond: Any) -> None:  # noqa: ANN401 - a method of this class
        try:
            self._check_host()
            content, kind = respond()
            self._send(200, content, kind)
        except RefusedError as error:
            self._send_error(error.status, str(error))
        except UserError as error:
            self._send_error(400, str(error))
        except StoreWriteError as error:  # 507: insufficient storage
            self._send_error(507, str(error))

    def _get(self) -> tuple[bytes, str]:
        address = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        if address.path == "/":
            self._check_token(query.get("token", ""))
        if address.path in FILES:
            name, kind = FILES[address.path]
            return (PAGE / name).read_bytes(), kind
        if address.path == "/state":
            self._check_token(self.headers.get("X-Token", ""))
            return self._state(query.get("rater", ""))
        raise RefusedError(404, f"Got {address.path!r}; allowed: /, /state, /rate, /undo.")

    def _post(self) -> tuple[bytes, str]:
        body = self._body()  # read also where the request is refused: the connection stays usable
        self._check_token(self.headers.get("X-Token", ""))
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc not in self._own_hosts():
            raise RefusedError(403, f"Got a request from the site {origin!r}; allowed: this page.")
        rater, queue = body.get("rater"), self._owner.queue
        if not isinstance(rater, str):
            raise RefusedError(400, f"Got rater={rater!r}; allowed: a name.")
        if self.path == "/rate":
            queue.rate(rater, _item(body.get("item")), body.get("choice"))
        elif self.path == "/undo":
            queue.undo(rater)
        else:
            raise RefusedError(404, f"Got {self.path!r}; allowed: /rate, /undo.")
        return self._state(rater)

    def _state(self, rater: str) -> tuple[bytes, str]:
        return _to_json(self._owner.queue.state(rater))

    def _own_hosts(self) -> tuple[str, ...]:
        return tuple(f"{name}:{self._owner.server_port}" for name in (HOST, "localhost"))

    def _check_host(self) -> None:
        """Refuses requests to another name: it can be one that another site lets point here."""
        host = self.headers.get("Host", "")
        if host not in self._own_hosts():
            raise RefusedError(403, f"Got Host {host!r}; allowed: {', '.join(self._own_hosts())}.")

    def _check_token(self, token: str) -> None:
        if not hmac.compare_digest(token.encode(), self._owner.token.encode()):
            raise RefusedError(
                403, "Got no token, or an old one; open the address that the server has printed."
            )

    def _body(self) -> Mapping[str, Any]:
        size, kind = self.headers.get("Content-Length", ""), self.headers.get("Content-Type", "")
        if not size.isascii() or not size.isdigit() or int(size) > LARGEST_BODY:
            self.close_connection = True
            raise RefusedError(413, f"Got {size!r} bytes; allowed: up to {LARGEST_BODY}.")
        content = self.rfile.read(int(size))
        if kind.split(";")[0].strip() != "application/json":
            raise RefusedError(415, f"Got Content-Type {kind!r}; allowed: application/json.")
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise RefusedError(400, "Got no JSON object; allowed: rater, item and choice.")
        return body

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send_error(self, status: int, message: str) -> None:
        self._send(status, *_to_json({"error": message}))


def _item(value: object) -> tuple[int, int | None]:
    """Returns the numbers of an item, (-1, None) for a value that is none."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], int):
        first, second = value
        if second is None or isinstance(second, int):
            return first, second
    return -1, None


def _to_json(value: Mapping[str, Any]) -> tuple[bytes, str]:
    return json.dumps(value).encode(), "application/json"
