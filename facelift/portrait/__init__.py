"""Photo to portrait: upright, person on white, face at the place and size the models know (reference kit 3.1, paper section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .advice import LITTLE_ROOM, advice
from .alpha import given_alpha, opaque
from .crop import FACE_CENTRE, FACE_SIZE, SIZE, Crop, apply_crop, crop_window, fit_square, select_face
from .crown import COMPLETED, complete_crown
from .faces import Face, find_face_near, find_faces
from .lens import focal_length
from .matte import Cutout, person_cutout, rembg_cutout, without_others
from .photo import MAX_PIXELS, PhotoError, load_photo, on_white
from .pose import HeadPose, head_pose
from .rembg_session import MattingUnavailable
from .upright import LEAST, SURE, Turn, find_turn

__all__ = [
    "MAX_PIXELS",
    "Crop",
    "Face",
    "HeadPose",
    "MattingUnavailable",
    "NoFaceError",
    "PhotoError",
    "Portrait",
    "Turn",
    "apply_crop",
    "crop_window",
    "find_faces",
    "load_photo",
    "make_portrait",
    "select_face",
]

SHIPPED = ("u2netp", "mediapipe")
MATTINGS = ("auto", "alpha", "rembg", *SHIPPED, "none")


class NoFaceError(PhotoError):
    """No face to align the portrait to."""


@dataclass(frozen=True)
class Portrait:
    """What the models see.

    image: RGB 512x512 on white. alpha: L 512x512.
    face: the one the portrait is of, None where crop=False found none. faces: all, largest first.
    matting: "rembg u2net", "mediapipe selfie segmentation and rembg u2netp", "mediapipe selfie segmentation", "alpha channel" or "none".
    crop: how the upright photo became the portrait; None for crop=False.
    turn: what made the photo upright before; None where it was. Boxes and landmarks of faces are those of the upright photo.
    focal: of the lens, in pixels of the portrait; None where nothing tells.
    pose: how the head is held, in pixels of the portrait; None for crop=False and where it cannot be told.
    from_side: whether the head is turned and the crop follows that.
    advice: sentences on what was done to the photo and on what would make it better.
    """

    image: Image.Image
    alpha: Image.Image
    face: Face | None
    faces: tuple[Face, ...]
    matting: str
    crop: Crop | None
    turn: Turn | None = None
    advice: tuple[str, ...] = ()
    focal: float | None = None
    pose: HeadPose | None = None
    from_side: bool = False

    @property
    def rgba(self) -> Image.Image:
        """The image with its alpha as the fourth band."""
        picture = self.image.copy()
        picture.putalpha(self.alpha)
        return picture

    def upright(self, photo: Image.Image) -> Image.Image:
        """The photo, as `load_photo` reads it, turned as for this portrait."""
        return photo if self.turn is None else self.turn(photo)

    def box_in_photo(self, face: Face) -> tuple[float, ...]:
        """x0, y0, x1, y1 in pixels of the photo as its EXIF turns it."""
        return tuple(map(float, face.box)) if self.turn is None else self.turn.back(face.box)

    def face_report(self) -> dict:
        """For report.json. box: x0, y0, x1, y1 in pixels of the photo as its EXIF turns it; of a tilted face, a box of the same size."""
        if self.face is None:
            return {"found": False, "box": None, "confidence": None}
        return {"found": True, "box": [round(x, 1) for x in self.box_in_photo(self.face)], "confidence": self.face.confidence}


def make_portrait(
    photo: str | Path | bytes | Image.Image,
    crop: bool = True,
    face_index: int = 0,
    matting: str = "auto",
    fov: float | str = "auto",
    follow_turn: bool = False,
    cautious: bool = False,
) -> Portrait:
    """Cuts one person out of a photo, puts them on white and aligns the face.

    photo: see `load_photo`.
    crop: False keeps the framing and fits the whole photo into the square.
    face_index: which face of `Portrait.faces`, 0 the largest.
    matting: "auto" is the alpha channel where it follows a person, else rembg's u2net where it can run, else what is shipped: "u2netp"
    joined with MediaPipe, or "mediapipe" alone. "alpha" is the alpha channel whatever it cuts out, "none" leaves the photo as it is.
    fov: of the photo's lens, as of `lens.focal_length`.
    follow_turn: a head that is turned is cropped as a camera beside its front sees it (`Portrait.from_side`), not as if it were its front.
    cautious: the photo may show a head from behind: it is turned upright only where a face is surely seen.
    Raises PhotoError, NoFaceError among them, with a sentence to show, and ValueError for an unknown matting.
    """
    if matting not in MATTINGS:
        raise ValueError(f"matting must be one of {', '.join(MATTINGS)}, not {matting!r}")
    image = load_photo(photo)
    focal = focal_length(photo, image.size, fov)
    if matting == "alpha" and image.mode != "RGBA":
        raise PhotoError("The photo has no transparency that cuts somebody out: choose another matting.")
    faces, turn = find_faces(on_white(image)), None
    if crop and (turn := find_turn(on_white(image), faces, SURE if cautious else LEAST)) is not None:
        image = turn(image)
        faces = find_faces(on_white(image))
    given = given_alpha(image, faces[0] if faces else None, matting)
    notes = _notes(turn, image, given)
    uncovered, seen = image.convert("RGB"), image.getchannel("A") if image.mode == "RGBA" else None
    image = on_white(image) if given or seen is None else opaque(image)
    cutout = given or _cutout(image, matting)
    if cutout and cutout.matting.startswith("rembg"):
        faces = find_faces(cutout.image)
    if crop and not faces:
        raise NoFaceError(_no_face(cutout, uncovered))
    if faces and not 0 <= face_index < len(faces):
        raise PhotoError(f"Faces in the photo: {len(faces)}; face_index must be 0 to {len(faces) - 1}, not {face_index}.")
    face = faces[face_index] if faces else None
    pose = head_pose(image, face) if face and face.landmarks is not None and crop else None
    followed = pose is not None and follow_turn and pose.turned
    notes += advice(image, face, pose, followed) if face and crop else []
    others = faces[:face_index] + faces[face_index + 1 :]
    region = _surroundings(face) if crop and face else None
    if cutout is None:  # small networks have too few pixels for a whole photo and need to know where to look
        cutout = person_cutout(image, face, others, region, matting)
        if crop and face:
            face = _face_on_white(cutout, face)
            faces = faces[:face_index] + (face,) + faces[face_index + 1 :]
    elif face and others and cutout.matting.startswith("rembg"):
        cutout = without_others(cutout, image, face, others, region)
    if seen is None and turn is not None and turn.oblique:
        seen = turn.within()
    if seen is not None and not given:
        cutout = cutout.within(seen)
    if not crop or face is None:
        focal = focal and focal * SIZE / max(image.size)
        square = fit_square(cutout.image), fit_square(cutout.alpha, 0)
        return Portrait(*square, face, faces, cutout.matting, None, advice=tuple(notes), focal=focal)
    window = crop_window(*image.size, pose.box() if pose and followed else face.box)
    image, alpha = apply_crop(cutout.image, window), apply_crop(cutout.alpha, window, 0)
    kept = matting in ("none", "alpha")  # asked for by name: the picture and its outline stay as they are
    if not kept and (completed := complete_crown(image, alpha, window, face)):
        image, alpha = completed
        notes = [COMPLETED, *(note for note in notes if note != LITTLE_ROOM)]
    focal = focal and focal * window.scale * (turn.scale if turn else 1.0)
    pose = pose.in_crop(window) if pose else None
    return Portrait(image, alpha, face, faces, cutout.matting, window, turn, tuple(notes), focal, pose, followed)


def _notes(turn: Turn | None, image: Image.Image, given: Cutout | None) -> list[str]:
    """What was done to the photo."""
    found = []
    if turn is not None:
        found.append(f"The photo was turned by {abs(turn.degrees):.0f} degrees to make the face upright.")
    if image.mode == "RGBA" and given is None:
        found.append("The transparency of the photo follows no person, so the background was removed anew.")
    return found


def _cutout(image: Image.Image, matting: str) -> Cutout | None:
    """All persons on white where that needs no face; None leaves it to what is shipped. image: RGB."""
    if matting == "none":
        return Cutout(image, Image.new("L", image.size, 255), "none")
    if matting in SHIPPED:
        return None
    try:
        return rembg_cutout(image, retry=matting == "rembg")
    except MattingUnavailable:
        if matting == "rembg":
            raise
        return None


def _surroundings(face: Face) -> tuple[float, float, float, float]:
    """The part of the photo that the portrait will show, and a little more."""
    (x, y), k, margin = face.centre, face.size / FACE_SIZE, 0.15 * face.size
    left, top = x - FACE_CENTRE[0] * k, y - FACE_CENTRE[1] * k
    return left - margin, top - margin, left + SIZE * k + margin, top + SIZE * k + margin


def _face_on_white(cutout: Cutout, face: Face) -> Face:
    """The face as the composite shows it, where the release measures it."""
    found = find_face_near(cutout.image, face)
    if found is None and _opacity(cutout, face) < 0.5:
        raise NoFaceError(_lost(cutout))
    return found or face


def _opacity(cutout: Cutout, face: Face) -> float:
    """Mean opacity within the face box."""
    x0, y0, x1, y1 = face.box
    return float(np.asarray(cutout.alpha.crop((round(x0), round(y0), round(x1), round(y1)))).mean()) / 255


def _no_face(cutout: Cutout | None, image: Image.Image) -> str:
    if cutout is not None and cutout.matting != "none" and find_faces(image):
        return _lost(cutout)
    return (
        "No face was found: use a photo that shows one face from the front, upright, well lit and not too small,"
        " or turn the face crop off (crop=False) to keep the photo's own framing."
    )


def _lost(cutout: Cutout) -> str:
    if cutout.matting == "alpha channel":
        return "The photo has a face, but its transparency hides it: save the photo without transparency, or cut it out anew."
    return (
        f"The photo has a face, but background removal ({cutout.matting}) took it away: use a photo with a plainer background and"
        " more light on the face, or a cut-out with transparency, or go without background removal (matting='none')."
    )
