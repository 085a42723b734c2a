r"""A local RFC 3161 time-stamp authority over HTTP, backed by `openssl ts -reply`.

Shows: stamping and verifying without any outside service; also how a client behaves when it is stopped.
Run:   dir=$(./make_tsa.sh); python tsa_server.py "$dir" 3161        (loopback only; ends with SIGTERM)
Test:  openssl ts -query -data FILE -sha256 -cert -out q.tsq
       curl -s --data-binary @q.tsq -H 'Content-Type: application/timestamp-query' \
            http://127.0.0.1:3161/ -o r.tsr
       openssl ts -verify -data FILE -in r.tsr -CAfile "$dir/ca.crt"
Needs: openssl; Python's standard library only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SERIAL_LOCK = threading.Lock()  # openssl's serial file is not safe for concurrent use


def stamp(query: bytes, folder: Path) -> bytes:
    """Return the DER reply to a DER query; empty when openssl wrote none."""
    with SERIAL_LOCK, tempfile.TemporaryDirectory() as scratch:
        query_file = Path(scratch) / "query.tsq"
        reply_file = Path(scratch) / "reply.tsr"
        query_file.write_bytes(query)
        command = ["openssl", "ts", "-reply", "-config", str(folder / "tsa.cnf")]
        command += ["-queryfile", str(query_file), "-out", str(reply_file)]
        subprocess.run(command, capture_output=True, check=False)
        if reply_file.exists():
            return reply_file.read_bytes()
        return b""


def make_handler(folder: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            reply = stamp(self.rfile.read(length), folder)
            self.send_response(200 if reply else 500)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="what make_tsa.sh made")
    parser.add_argument("port", type=int, nargs="?", default=3161)
    args = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", args.port), make_handler(args.folder))
    print(f"ready http://127.0.0.1:{server.server_port}/ pid {os.getpid()}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
