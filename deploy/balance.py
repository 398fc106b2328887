"""Several servers behind one address, on one computer: `python deploy/balance.py --servers 2`, then http://127.0.0.1:8080.

Caddy (https://caddyserver.com, Debian's package `caddy`) sends each visitor to one server and keeps them there. Ctrl-C ends all.
What follows `--` goes to every server: `python deploy/balance.py -- --weights compact --keep-nothing`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def start(port: int, servers: list[int], more: list[str]) -> list[subprocess.Popen]:
    """Starts servers at these ports and the balancer in front of them, which comes last in the list. Raises FileNotFoundError."""
    caddy = shutil.which("caddy")
    if caddy is None:
        raise FileNotFoundError("Caddy is not installed: on Debian, apt-get install caddy.")
    app = [sys.executable, str(HERE.parent / "app.py"), "--proxy", "127.0.0.1/32", *more]
    balancer = {
        "SITE": f"http://127.0.0.1:{port}",
        "SERVERS": " ".join(f"127.0.0.1:{server}" for server in servers),
        "HEALTH_INTERVAL": "1s",
    }
    command = [caddy, "run", "--adapter", "caddyfile", "--config", str(HERE / "Caddyfile")]
    return [
        *(subprocess.Popen([*app, "--port", str(server)]) for server in servers),
        subprocess.Popen(command, env={**os.environ, **balancer}),
    ]


def end(processes: list[subprocess.Popen]) -> None:
    """Asks all to end, and waits until they did: a server finishes the heads in its line first."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    for process in processes:
        process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description="Several servers behind one address, on one computer.")
    parser.add_argument("--servers", type=int, default=2, help="how many")
    parser.add_argument("--port", type=int, default=8080, help="where visitors come in")
    parser.add_argument("--first", type=int, default=7861, help="the first server's port; the others follow")
    parser.add_argument("more", nargs="*", help="options of the servers, after --")
    args = parser.parse_args()
    try:
        processes = start(args.port, list(range(args.first, args.first + args.servers)), args.more)
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while all(process.poll() is None for process in processes):
            time.sleep(0.5)
        print("error: one of the processes ended; the others end too", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        end(processes)


if __name__ == "__main__":
    sys.exit(main())
