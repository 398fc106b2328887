"""What a user can do something about: the message of each is one sentence for them, shown without a traceback."""

from __future__ import annotations


class PhotoError(ValueError):
    """The photo cannot be used; the message says why."""


class SettingsError(ValueError):
    """A setting that makes no sense; the message says which values do."""


class SplatFileError(ValueError):
    """A file that is no splat file, or is damaged."""


class BudgetError(ValueError):
    """More than may be read or drawn, refused before memory is taken for it; says what was asked and what is the most."""


class MeshError(ValueError):
    """These Gaussians enclose no surface."""


class WeightsError(RuntimeError):
    """Weights that cannot be found, downloaded, verified or read."""


class ResourceError(RuntimeError):
    """A file that belongs to FaceLift, but is no code, is not there; the message says where it was sought and where to get it."""


class TrackError(ValueError):
    """A track that is none, or whose numbers make no sense."""


class RigFileError(ValueError):
    """A file that is no head rig, or is damaged."""


class ClipError(ValueError):
    """A clip that cannot be used; the message says why."""


class MotionFileError(ValueError):
    """A file that holds no moving head, or is damaged."""


class DeadlineError(RuntimeError):
    """Work that took longer than it may, and was ended."""


class WorkerError(RuntimeError):
    """A process that worked for a visitor ended by itself: killed, or out of memory."""


class BusyError(RuntimeError):
    """More than can be served now; the message says what to do."""
