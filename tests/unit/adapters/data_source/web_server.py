"""A web server on the loopback address that records what it is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

ROWS = b"arm,reply\nA,1\nB,0\n"


@dataclass
class Site:
    """What a server answers, and what it was asked.

    Attributes:
        port: of the server.
        redirects: from paths to addresses.
        files: by path.
        head: whether it answers HEAD.
        headers: sent with files, in place of an ETag.
        requests: method, Host and path of each request.
        encodings: what each request accepts.
    """

    port: int = 0
    redirects: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    head: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    encodings: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Address of the server's root."""
        return f"http://127.0.0.1:{self.port}/"


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        """Answer with a redirect, a file or 404."""
        self.site.requests.append(f"{self.command} {self.headers['Host']} {self.path}")
        self.site.encodings.append(self.headers["Accept-Encoding"])
        path = self.path.partition("?")[0]
        if path in self.site.redirects:
            self._answer(HTTPStatus.FOUND, b"", Location=self.site.redirects[path])
        elif path in self.site.files and (self.site.head or self.command == "GET"):
            self._answer(HTTPStatus.OK, self.site.files[path], **self.site.headers or {"ETag": f'"{path}"'})
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"")

    def do_HEAD(self) -> None:
        """Answer as to GET, without a body."""
        self.do_GET()

    def _answer(self, status: HTTPStatus, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Keep quiet."""


@contextmanager
def serving() -> Iterator[Site]:
    """Serve until the end of the block."""
    site = Site()
    handler = type("Handler", (_Handler,), {"site": site})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        site.port = server.server_port
        thread = Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield site
        server.shutdown()
        thread.join()
