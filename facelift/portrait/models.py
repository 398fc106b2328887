"""MediaPipe's models, each opened once in a process: opening one takes a tenth of a second, and megabytes that never come back."""

from __future__ import annotations

import atexit
import threading
import zipfile
from contextlib import ExitStack
from functools import cache, cached_property

import numpy as np

from ..resources import resource

LANDMARKER, SEGMENTER = "weights/mediapipe/face_landmarker.task", "weights/mediapipe/selfie_segmentation.tflite"
MIN_CONFIDENCE = 0.5
MAX_FACES = 8


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
        from mediapipe.tasks.python import BaseOptions, vision

        with zipfile.ZipFile(resource(LANDMARKER)) as bundle:
            options = BaseOptions(model_asset_buffer=bundle.read("face_detector.tflite"))
        options = vision.FaceDetectorOptions(options, min_detection_confidence=MIN_CONFIDENCE)
        return self._open.enter_context(vision.FaceDetector.create_from_options(options))

    @cached_property
    def landmarker(self):
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(BaseOptions(model_asset_path=str(resource(LANDMARKER))), num_faces=MAX_FACES)
        return self._open.enter_context(vision.FaceLandmarker.create_from_options(options))

    @cached_property
    def face_reader(self):
        """One face with its blendshapes and pose."""
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(
            BaseOptions(model_asset_path=str(resource(LANDMARKER))),
            num_faces=1,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        return self._open.enter_context(vision.FaceLandmarker.create_from_options(options))

    @cached_property
    def segmenter(self):
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.ImageSegmenterOptions(BaseOptions(model_asset_path=str(resource(SEGMENTER))), output_confidence_masks=True)
        return self._open.enter_context(vision.ImageSegmenter.create_from_options(options))


def mediapipe_image(pixels: np.ndarray):
    import mediapipe

    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(pixels))
