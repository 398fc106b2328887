"""Serves the web page: `python app.py`, then open http://127.0.0.1:7860."""

from __future__ import annotations

import argparse
import importlib.util
import signal
import sys


def login(text: str) -> tuple[str, str]:
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise argparse.ArgumentTypeError("write it as USER:PASSWORD")
    return user, password


def main() -> None:
    parser = argparse.ArgumentParser(description="One portrait photo in, a 3D head out: the web page.")
    parser.add_argument("--weights", default="auto", help="auto, compact, released, a folder, or a Hub repo id (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... (default: %(default)s)")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--listen", action="store_true", help="answer on all network addresses, not on this computer alone")
    parser.add_argument("--share", action="store_true", help="make a public address through Gradio's tunnel")
    parser.add_argument("--auth", type=login, metavar="USER:PASSWORD", help="ask visitors for this name and password")
    parser.add_argument("--queue-size", type=int, default=8, help="visitors that may wait (default: %(default)s)")
    parser.add_argument("--mcp", action="store_true", help="also answer as an MCP server (needs: pip install 'gradio[mcp]')")
    args = parser.parse_args()
    if args.mcp and importlib.util.find_spec("mcp") is None:
        raise SystemExit("app.py: --mcp needs one more package: pip install 'gradio[mcp]'")

    from facelift.pipeline import FaceLiftPipeline  # seconds, which --help need not take
    from facelift.ui import build_app, launch
    from facelift.weights.find import WeightsError

    try:
        pipeline = FaceLiftPipeline.from_pretrained(args.weights, device=None if args.device == "auto" else args.device)
    except (WeightsError, ValueError) as error:
        raise SystemExit(f"app.py: {error}") from None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that visitors' folders go with the server
    print(f"Weights: {pipeline.weights.name} ({pipeline.weights.licence}). {pipeline.weights.note}")
    launch(build_app(pipeline, args.queue_size), args.listen, server_port=args.port, share=args.share, auth=args.auth, mcp_server=args.mcp)


if __name__ == "__main__":
    main()
