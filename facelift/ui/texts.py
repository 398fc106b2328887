"""Every sentence of the page."""

from __future__ import annotations

TITLE = "FaceLift"
LEAD = "One portrait photo in, a 3D head out."
PRIVACY = (
    "Your photo goes to the computer that runs this page and nowhere else. Photos and results are deleted there about an hour after "
    "they were made, and nothing is kept for training."
)
CONSENT = "Use photos of yourself, or of people who agreed to it."
PHOTO_HINT = "Drop a photo here\n- or -\nclick to choose one"

STEPS = "More is slower, and rarely better."
GUIDANCE = "How closely the views follow the photo."
CROP = "Off: the photo is an aligned square portrait already."
FACE = "1 is the largest in the photo."

NO_PHOTO = "Choose a photo first."
UNEXPECTED = "Something went wrong on our side, and the details are in the server's log. Try again, or try another photo."
OUT_OF_MEMORY = "The graphics card ran out of memory. Close other programs that use it, or start with --device cpu."
BUSY = "Too many visitors are waiting already: try again in a minute."
DONE = "Your 3D head is ready: drag it to turn."
STOPPED = "Stopped."
HINT = "Best is one face, from the front, well lit. JPEG, PNG or WEBP, up to 20 MB."
READY = "The portrait is what the model sees."

STAGES = {
    "waiting": "Waiting for its turn",
    "portrait": "Finding and aligning the face",
    "views": "Drawing six views",
    "gaussians": "Building the 3D head",
    "files": "Writing the files",
    "turntable": "Filming the turntable",
}

VIEWER = {
    "label": "3D head: drag to turn, scroll or pinch to zoom",
    "empty": "Your 3D head will appear here.",
    "loading": "Loading the 3D head …",
    "failed": "The 3D head could not be loaded here. The downloads still work.",
    "lost": "The browser has let go of the graphics card. Reload the page to see the head again.",
    "no_webgl": "This browser cannot show 3D: it has no WebGL2. Try another browser, or switch on hardware acceleration. Downloads work.",
}

MATTING = {"none": "background kept", "alpha channel": "background: the photo's own transparency"}


def portrait_note(faces: int, chosen: int) -> str:
    """What was found in the photo, in one line."""
    if faces == 0:
        return f"Used as it is, without looking for a face. {READY}"
    if faces == 1:
        return READY
    which = "the largest" if chosen == 1 else f"number {chosen} by size"
    return f"{faces} faces found, {which} is used. {READY}"


def no_such_face(face: int, found: int) -> str:
    return f"There is no face number {face} in this photo: {found} found."


def what_ran(report: dict, weights) -> str:
    """One paragraph on how a head was made, from its report and the weight set."""
    seconds = report.get("seconds", {})
    names = ("portrait", "views", "gaussians", "files", "turntable", "total")
    spent = ", ".join(f"{name} {seconds[name]:.1f} s" for name in names if seconds.get(name) is not None)
    matting = report.get("matting")
    parts = [
        f"{report.get('gaussians', 0):,} Gaussians".replace(",", " "),
        f"weights {without_path(weights.name, weights)} on {report.get('device')}",
        MATTING.get(matting, f"background removed by {matting}"),
        f"seed {report.get('seed')}, {report.get('steps')} steps, guidance {report.get('guidance_scale')}",
    ]
    return " · ".join(parts) + f". {spent[:1].upper()}{spent[1:]}."


def weights_line(weights) -> str:
    """Which weights answer on this page, and under which licence."""
    note = weights.note[:1].upper() + weights.note[1:]
    return without_path(f"Weights: {weights.name}. Licence: {weights.licence}. {note}.".replace("..", "."), weights)


def without_path(text: str, weights) -> str:
    """Names a weight folder without saying where on the server it lies."""
    return text.replace(str(weights.folder), weights.folder.name)
