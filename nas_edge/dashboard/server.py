"""Optuna's dashboard served by the standard library, from this machine to this machine."""

from __future__ import annotations

import errno
import ipaddress
import socket
import threading
from socketserver import ThreadingMixIn
from typing import Any, Callable, Iterable
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from nas_edge.errors import ConfigError, EnvironmentProblem

LOOPBACK = "127.0.0.1"
PORT = 8080
App = Callable[[Any, Any], Iterable[bytes]]


class Server(ThreadingMixIn, WSGIServer):
    """A thread a request; none is waited for at the end."""

    daemon_threads = True
    request_queue_size = 32


class _Server6(Server):
    address_family = socket.AF_INET6


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Keep the terminal for what matters."""


def open_server(app: App, host: str, port: int, is_asked_for: bool) -> Server:
    """Return a server that listens already.

    Args:
        app: What it serves.
        host: Name or address.
        port: The wanted one.
        is_asked_for: Whether no other port will do; else a free one is taken.
    Raises:
        EnvironmentProblem: If the port is taken or not allowed.
        ConfigError: If the host is none of this machine's.
    """
    kind = _Server6 if ":" in host else Server
    try:
        return make_server(host, port, app, server_class=kind, handler_class=_Silent)
    except PermissionError as err:
        raise EnvironmentProblem(
            f"--port {port}: is not allowed ({err.strerror}); use one from 1024 on"
        ) from err
    except OSError as err:
        if err.errno == errno.EADDRINUSE and not is_asked_for:
            return open_server(app, host, 0, True)
        if err.errno == errno.EADDRINUSE:
            raise EnvironmentProblem(
                f"--port {port}: is taken; use another one, or leave --port out for a free one"
            ) from err
        raise ConfigError(
            f"--host {host}: must be a name or address of this machine ({err.strerror or err})"
        ) from err


def url_of(server: Server, host: str, path: str = "") -> str:
    """Return where a browser on this machine finds a server."""
    shown = LOOPBACK if host in ("0.0.0.0", "") else "::1" if host == "::" else host
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{server.server_port}/{path}"


def is_loopback(host: str) -> bool:
    """Return whether nobody but this machine's users can reach a server on this host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def local_only(app: App) -> App:
    """Return an app that answers only pages of its own, by a local name.

    The dashboard has no login and can delete: without this, any web page that a browser on this
    machine opens could send it requests, under a name that it lets point here.
    """

    def serve(environ: Any, start_response: Any) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST", "")
        origin = environ.get("HTTP_ORIGIN", "")
        if not _is_local(host, origin):
            start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"nas-edge dashboard answers this machine's own pages only\n"]
        return app(environ, start_response)

    return serve


def _is_local(host: str, origin: str) -> bool:
    """Return whether a request names this machine, and comes from no page of another's."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return is_loopback(name) and (not origin or urlsplit(origin).netloc == host)
    except ValueError:  # a bracket that is never closed
        return False


def one_at_a_time(app: App, lock: threading.Lock) -> App:
    """Return an app whose answers are made while nothing is half written."""

    def serve(environ: Any, start_response: Any) -> Iterable[bytes]:
        with lock:
            return app(environ, start_response)

    return serve
