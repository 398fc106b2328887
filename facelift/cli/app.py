"""facelift app: the web page."""

from __future__ import annotations

import argparse
import importlib.util
import ipaddress
import os
import signal
import socket
import sys

from ..serving.settings import ServiceSettings


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="facelift app", description="One portrait photo in, a 3D head out: the web page.")
    p.add_argument("--weights", default="auto", help="auto, compact, released, a folder, or a Hub repo id (default: %(default)s)")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... (default: %(default)s)")
    p.add_argument("--offload", action="store_true", help="released weights: each network is on the GPU only while it works (6 to 8 GB)")
    p.add_argument("--port", type=port, default=7860, help="default: %(default)s")
    p.add_argument("--listen", action="store_true", help="answer on all network addresses, not on this computer alone")
    p.add_argument("--share", action="store_true", help="make a public address through Gradio's tunnel")
    p.add_argument("--auth", type=login, metavar="USER:PASSWORD", help="ask visitors for this name and password")
    p.add_argument("--queue-size", type=int, default=ServiceSettings.heads_waiting, help="visitors that may wait (default: %(default)s)")
    p.add_argument("--host", action="append", default=[], metavar="NAME", help="a name that the server answers to, as a proxy passes it on")
    p.add_argument("--proxy", action="append", default=[], type=network, help="a network whose X-Forwarded-For is believed, as 10.0.0.0/8")
    kept = "how long files are kept (default: %(default)s)"
    p.add_argument("--keep", type=seconds, default=ServiceSettings.keep_seconds, metavar="SECONDS", help=kept)
    p.add_argument("--keep-nothing", action="store_true", help="nothing is written to a disk: a visitor's files lie in memory alone")
    links = "let visitors share a head by a link that ends after so many hours (default: there are no links)"
    p.add_argument("--share-links", type=hours, default=0, metavar="HOURS", help=links)
    for_one = "for one head (default: %(default)s)"
    p.add_argument("--deadline", type=seconds, default=ServiceSettings.head_seconds, metavar="SECONDS", help=for_one)
    drained = "for heads in the making once the server is told to end (default: %(default)s)"
    p.add_argument("--drain", type=seconds, default=ServiceSettings.drain_seconds, metavar="SECONDS", help=drained)
    p.add_argument("--json-logs", action="store_true", help="log each request, as a line of JSON")
    p.add_argument("--mcp", action="store_true", help="also answer as an MCP server (needs: pip install 'gradio[mcp]')")
    return p


def port(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError("must be a number from 1 to 65535")
    return int(text)


def network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise argparse.ArgumentTypeError("must be a network such as 10.0.0.0/8") from None


def seconds(text: str) -> int:
    if not (text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError("must be a whole number of seconds, at least 1")
    return int(text)


def hours(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 8760):
        raise argparse.ArgumentTypeError("must be a whole number of hours, from 1 to 8760")
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
    if args.share_links and args.keep_nothing:
        raise SystemExit("error: --share-links keeps heads for others to see, and --keep-nothing keeps none: leave one of them out")
    try:
        require_free(args.port, args.listen)
        serve(args)
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from None
    return 0


def serve(args: argparse.Namespace) -> None:
    from ..serving import connections, memory

    memory.few_arenas()  # before there are threads
    connections.allow_many()
    from ..errors import ResourceError, WeightsError, WorkerError  # seconds, which --help need not take

    try:
        from ..serving.logs import start_logs
        from ..ui import build_app, launch
        from ..ui.lanes import Runners

        start_logs(args.json_logs)
        settings = settings_of(args)
        runners = Runners.processes(args.weights, args.device, args.offload)
        app = build_app(settings=settings, runners=runners)
    except (ResourceError, WeightsError, WorkerError) as error:
        raise SystemExit(f"error: {error}") from None
    weights = app.service.jobs.facts.weights
    print(f"Weights: {weights.name} ({weights.licence}). {weights.note}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        launch(app, args.listen, server_port=args.port, share=args.share, auth=args.auth, mcp_server=args.mcp)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
        try:
            app.service.drain()
            app.close(verbose=False)
        finally:
            app.visitors.close()


def settings_of(args: argparse.Namespace) -> ServiceSettings:
    space = os.environ.get("SPACE_HOST")  # where Hugging Face serves a Space
    hosts = [*args.host, *([space] if space else []), *(["*.gradio.live"] if args.share else [])]
    return ServiceSettings(
        keep_seconds=args.keep,
        keep_nothing=args.keep_nothing,
        share_hours=args.share_links,
        heads_waiting=args.queue_size,
        head_seconds=args.deadline,
        drain_seconds=args.drain,
        hosts=tuple(hosts),
        proxies=(*ServiceSettings.proxies, *args.proxy, *(["10.0.0.0/8"] if space else [])),  # a Space is asked by its proxy alone
    )


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
