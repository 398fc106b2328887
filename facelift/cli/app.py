"""facelift app: the web page."""

from __future__ import annotations

import argparse
import importlib.util
import signal
import socket
import sys


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="facelift app", description="One portrait photo in, a 3D head out: the web page.")
    p.add_argument("--weights", default="auto", help="auto, compact, released, a folder, or a Hub repo id (default: %(default)s)")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... (default: %(default)s)")
    p.add_argument("--port", type=port, default=7860, help="default: %(default)s")
    p.add_argument("--listen", action="store_true", help="answer on all network addresses, not on this computer alone")
    p.add_argument("--share", action="store_true", help="make a public address through Gradio's tunnel")
    p.add_argument("--auth", type=login, metavar="USER:PASSWORD", help="ask visitors for this name and password")
    p.add_argument("--queue-size", type=int, default=8, help="visitors that may wait (default: %(default)s)")
    p.add_argument("--mcp", action="store_true", help="also answer as an MCP server (needs: pip install 'gradio[mcp]')")
    return p


def port(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError("must be a number from 1 to 65535")
    return int(text)


def login(text: str) -> tuple[str, str]:
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise argparse.ArgumentTypeError("write it as USER:PASSWORD")
    return user, password


def main(argv: list[str] | None = None) -> int:
    """Serves until told to end. What stops it from starting is one sentence, and the exit status 1."""
    args = parser().parse_args(argv)
    if args.mcp and importlib.util.find_spec("mcp") is None:
        raise SystemExit("error: --mcp needs one more package: pip install 'gradio[mcp]'")
    try:
        require_free(args.port, args.listen)
        serve(args)
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from None
    return 0


def serve(args: argparse.Namespace) -> None:
    from ..errors import ResourceError, WeightsError  # seconds, which --help need not take

    try:
        from ..pipeline import FaceLiftPipeline
        from ..ui import build_app, launch

        pipeline = FaceLiftPipeline.from_pretrained(args.weights, device=args.device)
    except (ResourceError, WeightsError) as error:
        raise SystemExit(f"error: {error}") from None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that visitors' folders go with the server
    print(f"Weights: {pipeline.weights.name} ({pipeline.weights.licence}). {pipeline.weights.note}", flush=True)
    launch(build_app(pipeline, args.queue_size), args.listen, server_port=args.port, share=args.share, auth=args.auth, mcp_server=args.mcp)


def require_free(port: int, listen: bool) -> None:
    """Says at once what the server would say after seconds. Raises OSError with a sentence."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0" if listen else "127.0.0.1", port))
        except PermissionError:
            raise OSError(f"port {port} may not be used by this user: choose one above 1023 with --port") from None
        except OSError:
            raise OSError(f"port {port} is in use: choose another with --port, {port + 1 if port < 65535 else 7860} for example") from None
