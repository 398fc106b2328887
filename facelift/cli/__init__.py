"""The command `facelift`, one file a verb. Parsers import nothing heavy, so that --help answers at once."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Verb:
    """about: one line for `facelift --help`. words: the module whose `parser()` reads the command line. work: whose `main` does it."""

    about: str
    words: str
    work: str

    def __call__(self, argv: list[str]) -> int:
        import_module(self.words).parser().parse_args(argv)  # answers --help and wrong words before anything slow is imported
        return import_module(self.work).main(argv) or 0


VERBS = {
    "app": Verb("the web page", "facelift.cli.app", "facelift.cli.app"),
    "render": Verb("pictures of a splat file from any cameras", "facelift.cli.render", "facelift.cli.render"),
    "convert": Verb("a splat file in other formats, for other programs", "facelift.cli.convert", "facelift.cli.convert"),
    "rig": Verb("a head that can be driven, of a head's output folder", "facelift.cli.rig", "facelift.cli.rig"),
    "drive": Verb("a head driven by face units, pose and gaze, or by a clip", "facelift.cli.drive", "facelift.cli.drive"),
    "video": Verb("a clip of a person becomes a head that moves as they do", "facelift.cli.video", "facelift.cli.video"),
    "synthesize": Verb("synthetic heads with exact cameras", "facelift.synthesis.arguments", "facelift.synthesis.__main__"),
    "train": Verb("compact weights, stage by stage", "facelift.cli.train", "facelift.cli.train"),
    "bench": Verb("how long each stage takes here, and how long it must", "facelift.bench.arguments", "facelift.bench.__main__"),
    "evaluate": Verb("every number of the papers", "facelift.evaluation.arguments", "facelift.evaluation.__main__"),
}
