"""MediaPipe's models, each opened once in a process: opening one takes a tenth of a second, and megabytes that never come back."""

from __future__ import annotations

import atexit
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, cached_property
from importlib import import_module
from types import ModuleType

import numpy as np

from ..resources import resource

LANDMARKER, SEGMENTER = "weights/mediapipe/face_landmarker.task", "weights/mediapipe/selfie_segmentation.tflite"
MIN_CONFIDENCE = 0.5
MAX_FACES = 8


class _Unread(ModuleType):
    """Stands in for a module, which is imported when something of it is asked for."""

    def __getattr__(self, name: str):
        if name.startswith("__"):  # what import asks for
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


@contextmanager
def _without_plots() -> Iterator[None]:
    """MediaPipe imports matplotlib, which takes longer than all else of it, to draw what we never draw."""
    names = [name for name in ("matplotlib", "matplotlib.pyplot") if name not in sys.modules]
    stand_ins = {name: _Unread(name) for name in names}
    if len(stand_ins) == 2:
        vars(stand_ins["matplotlib"])["pyplot"] = stand_ins["matplotlib.pyplot"]
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, module in stand_ins.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


@cache
def mediapipe() -> ModuleType:
    with _without_plots():
        return import_module("mediapipe")


@cache
def mediapipe_models() -> MediaPipeModels:
    """The process's own. Hold its lock while using one: they are not made for several threads."""
    return MediaPipeModels()


class MediaPipeModels:
    def __init__(self):
        self.lock = threading.RLock()
        self._open = ExitStack()
        atexit.register(self._open.close)  # left open, they complain when Python ends

    @cached_property
    def detector(self):
        tasks = mediapipe().tasks
        with zipfile.ZipFile(resource(LANDMARKER)) as bundle:
            options = tasks.BaseOptions(model_asset_buffer=bundle.read("face_detector.tflite"))
        options = tasks.vision.FaceDetectorOptions(options, min_detection_confidence=MIN_CONFIDENCE)
        return self._open.enter_context(tasks.vision.FaceDetector.create_from_options(options))

    @cached_property
    def landmarker(self):
        tasks = mediapipe().tasks
        options = tasks.vision.FaceLandmarkerOptions(tasks.BaseOptions(model_asset_path=str(resource(LANDMARKER))), num_faces=MAX_FACES)
        return self._open.enter_context(tasks.vision.FaceLandmarker.create_from_options(options))

    @cached_property
    def face_reader(self):
        """One face with its blendshapes and pose."""
        tasks = mediapipe().tasks
        options = tasks.vision.FaceLandmarkerOptions(
            tasks.BaseOptions(model_asset_path=str(resource(LANDMARKER))),
            num_faces=1,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        return self._open.enter_context(tasks.vision.FaceLandmarker.create_from_options(options))

    @cached_property
    def segmenter(self):
        tasks = mediapipe().tasks
        opened = tasks.BaseOptions(model_asset_path=str(resource(SEGMENTER)))
        options = tasks.vision.ImageSegmenterOptions(opened, output_confidence_masks=True)
        return self._open.enter_context(tasks.vision.ImageSegmenter.create_from_options(options))


def mediapipe_image(pixels: np.ndarray):
    return mediapipe().Image(image_format=mediapipe().ImageFormat.SRGB, data=np.ascontiguousarray(pixels))
