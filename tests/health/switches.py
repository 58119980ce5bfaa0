"""A real dead man's switch: an HTTP server that notes who asked for what."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Heard:
    """What a switch heard: method, path, body; ``status`` is what it answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.status = 200
        self.url = ""


@contextmanager
def switch() -> Iterator[Heard]:
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            heard.asked.append((self.command, self.path, body))
            self.send_response(heard.status)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    heard.url = f"http://127.0.0.1:{server.server_address[1]}/2f3d4c5b-secret"
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
