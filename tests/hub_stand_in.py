"""A Hub on 127.0.0.1 for tests: what it answers depends on the model's name."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE_BYTES = 10_000  # files from this size on are named by their SHA-256, as the Hub's large files are


class HubStandIn(ThreadingHTTPServer):
    """Serves the files of one folder under every name; `owner/e403` answers 403, and so on."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.requests: Counter[str] = Counter()
        self.tokens: set[str | None] = set()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: HubStandIn

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def answer(self, *, with_body: bool) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        name = parts[3 if parts[0] == "api" else 1]  # /api/models/OWNER/NAME/… or /OWNER/NAME/resolve/…
        self.server.requests[name] += 1
        self.server.tokens.add(self.headers.get("Authorization"))
        if name[0] == "e" and name[1:].isdigit():
            self.send(int(name[1:]), b'{"error": "no"}', {"X-Error-Message": "no"}, with_body=with_body)
        elif parts[0] == "api" and "tree" in parts:
            self.send(200, json.dumps(self.tree()).encode(), {}, with_body=with_body)
        elif parts[0] == "api":
            info = {"id": f"owner/{name}", "sha": COMMIT, "siblings": [{"rfilename": file} for file in self.files()]}
            self.send(200, json.dumps(info).encode(), {}, with_body=with_body)
        else:
            self.send_file(name, parts[-1], with_body=with_body)

    def files(self) -> dict[str, bytes]:
        return self.server.files

    def tree(self) -> list[dict[str, Any]]:
        return [describe(name, content) for name, content in self.files().items()]

    def send_file(self, name: str, file: str, *, with_body: bool) -> None:
        content = self.files()[file]
        headers = {"ETag": f'"{etag(content)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        is_weights = file.endswith(".safetensors")
        if is_weights and name == "wrong-hash":
            content = content[:-1] + bytes([content[-1] ^ 1])
        if is_weights and name == "half":
            self.send(200, content[: len(content) // 2], headers | {"Content-Length": str(len(content))},
                      with_body=with_body)  # fmt: skip
            self.close_connection = True
            return
        self.send(200, content, headers, with_body=with_body)

    def send(self, status: int, content: bytes, headers: dict[str, str], *, with_body: bool) -> None:
        self.send_response(status)
        for name, value in (
            {"Content-Length": str(len(content)), "Content-Type": "application/json"} | headers
        ).items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def etag(content: bytes) -> str:
    """How the Hub names a content: large ones by SHA-256, small ones as git does."""
    if len(content) >= LARGE_BYTES:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def describe(name: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
    if len(content) >= LARGE_BYTES:
        entry["lfs"] = {"oid": etag(content), "size": len(content), "pointerSize": 134}
    else:
        entry["oid"] = etag(content)
    return entry


@contextmanager
def hub_stand_in(folder: Path) -> Iterator[HubStandIn]:
    server = HubStandIn(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
