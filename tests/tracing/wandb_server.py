"""A server on 127.0.0.1 that plays enough of W&B's interface for `wandb sync` and for a run that is online.

    graphql            runs, artefacts and files are made, and told where to be uploaded
    file_stream        rows of the history and the summary
    PUT /upload/...    files, artefacts and their manifests

It keeps what arrives. `die` closes its socket, and breaks the connections that are open.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import socket
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Self

from typing_extensions import override


class WandbServer:
    """What has arrived.

    Attributes:
        history: The rows of each run, by its id, in W&B's order.
        config: The settings of each run, by its id.
        files: The files that were uploaded, by their path: those of a run under `run/`, of an artefact under its name.
        committed: The names of the artefacts that are complete.
        operations: What was asked for through GraphQL, in order.
        requests: The path of every request, in order.
    """

    def __init__(self) -> None:
        self.history: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
        self.config: dict[str, dict[str, Any]] = defaultdict(dict)
        self.files: dict[str, bytes] = {}
        self.committed: list[str] = []
        self.operations: list[str] = []
        self.requests: list[str] = []
        self._artifacts: dict[str, str] = {}
        self._ids = count(1)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.played = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def settings(self) -> dict[str, str]:
        """The environment variables with which W&B comes here."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": "0" * 40}

    def rows(self, run: str, *names: str) -> list[tuple[Any, ...]]:
        """The values of a run's rows that have all of these metrics."""
        ordered = [self.history[run][number] for number in sorted(self.history[run])]
        return [tuple(row[name] for name in names) for row in ordered if row.keys() >= set(names)]

    def die(self) -> None:
        """Stop at once: nobody listens any more, and who was connected is cut off."""
        self._server.shutdown()
        self._server.server_close()
        self._server.cut_off()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.die()
        self._thread.join()

    def answer(self, method: str, path: str, content: bytes) -> dict[str, Any]:
        """Take a request, and say what is answered."""
        self.requests.append(path)
        if path == "/graphql":
            asked = json.loads(content)
            operation = asked["query"].split("(")[0].split("{")[0].split()[1]
            self.operations.append(operation)
            play = getattr(self, "_play" + re.sub("([A-Z])", r"_\1", operation).lower(), None)
            return {"data": play(asked.get("variables")) if play else {}}
        if path.endswith("/file_stream"):
            self._take_stream(path.split("/")[-2], json.loads(content))
        elif method == "PUT":
            self.files[path.removeprefix("/upload/")] = content
        return {}

    def _take_stream(self, run: str, told: dict[str, Any]) -> None:
        chunk = told.get("files", {}).get("wandb-history.jsonl")
        if chunk is not None:
            for number, line in enumerate(chunk["content"], chunk["offset"]):
                self.history[run][number] = json.loads(line)

    def _upload(self, path: str) -> dict[str, Any]:
        return {"uploadUrl": f"{self.url}/upload/{path}", "uploadHeaders": []}

    def _play_upsert_bucket(self, told: dict[str, Any]) -> dict[str, Any]:
        self.config[told["name"]] |= json.loads(told["config"] or "{}")
        project = {"id": "project", "name": told["project"], "entity": {"id": "entity", "name": "somebody"}}
        bucket = {"id": "bucket", "name": told["name"], "displayName": "a run", "project": project, "historyLineCount": 0}
        return {"upsertBucket": {"bucket": bucket, "inserted": True}}

    def _play_server_features_query(self, _: object) -> dict[str, Any]:
        return {"serverInfo": {"features": []}}

    def _play_viewer(self, _: object) -> dict[str, Any]:
        return {"viewer": {"id": "viewer", "entity": "somebody", "username": "somebody", "flags": "{}", "teams": {"edges": []}}}

    def _play_artifact_type(self, _: object) -> dict[str, Any]:
        return {"project": None}

    def _play_create_artifact(self, told: dict[str, Any]) -> dict[str, Any]:
        artifact = f"artifact-{next(self._ids)}"
        self._artifacts[artifact] = told["input"]["artifactCollectionName"]
        return {
            "createArtifact": {"artifact": {"id": artifact, "state": "PENDING", "artifactSequence": {"latestArtifact": None}}}
        }

    def _play_create_artifact_manifest(self, told: dict[str, Any]) -> dict[str, Any]:
        file = {"id": "file", **self._upload(f"{self._artifacts[told['artifactID']]}/manifest")}
        return {"createArtifactManifest": {"artifactManifest": {"id": "manifest", "file": file}}}

    def _play_create_artifact_files(self, told: dict[str, Any]) -> dict[str, Any]:
        nodes = []
        for file in told["input"]["artifactFiles"]:
            path = f"{self._artifacts[file['artifactID']]}/{file['name']}"
            node = {"id": path, "name": file["name"], "storagePath": path, "uploadMultipartUrls": None}
            nodes.append({"node": {**node, **self._upload(path), "artifact": {"id": file["artifactID"]}}})
        return {"createArtifactFiles": {"files": {"edges": nodes}}}

    def _play_commit_artifact(self, told: dict[str, Any]) -> dict[str, Any]:
        self.committed.append(self._artifacts[told["artifactID"]])
        return {"commitArtifact": {"artifact": {"id": told["artifactID"], "digest": "digest"}}}

    def _play_create_run_files(self, told: dict[str, Any]) -> dict[str, Any]:
        files = [{"name": name, "uploadUrl": self._upload(f"run/{name}")["uploadUrl"]} for name in told["files"]]
        return {"createRunFiles": {"runID": told["run"], "uploadHeaders": [], "files": files}}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    played: WandbServer

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """W&B hangs up when it has what it wants."""

    def cut_off(self) -> None:
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _handle(self) -> None:
        content = self._content()
        answer = json.dumps(self.server.played.answer(self.command, self.path, content)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = _handle  # noqa: N815 - what http.server looks for

    def _content(self) -> bytes:
        length = self.headers.get("Content-Length")
        content = self.rfile.read(int(length)) if length is not None else b"".join(self._chunks())
        return gzip.decompress(content) if self.headers.get("Content-Encoding") == "gzip" else content

    def _chunks(self) -> list[bytes]:
        chunks: list[bytes] = []
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        return chunks

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""
