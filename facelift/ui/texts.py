"""Every sentence of the page."""

from __future__ import annotations

TITLE = "FaceLift"
LEAD = "One portrait photo in, a 3D head out."
CONSENT = "Use photos of yourself, or of people who agreed to it."
VIEWS = "The six views"
HISTORY = {
    "title": "Your last heads",
    "entry": "Head {n}, seed {seed}: show it again",
    "name": "Head {n}, seed {seed}",
    "beside": "Side by side",
    "beside_hint": "Show another of your heads beside this one",
    "pick": "Choose the other head",
    "empty": "Empty",
    "empty_hint": "Forget the heads that this browser keeps",
}
EXAMPLES = "Or try: 2 photos, 3 synthetic people"
PHOTO_HINT = "Choose a photo\n- or -\ndrop one here"

FILM_PATHS = {"turn": "All around", "swing": "From side to side", "nod": "Up and down"}
FILM_GROUP = "Films and pictures"
FILE_GROUPS = (
    ("Share", "Opens in any browser by double click, without a network.", ("head.html",)),
    ("Splat editors", "The head itself, for SuperSplat, Blender, Unity, Unreal.", ("head.ply", "head.splat", "head.spz")),
    ("Mesh", "For Blender and other 3D programs: approximate, hair above all.", ("head.glb",)),
    (FILM_GROUP, "Plays everywhere; the .webp in chats too.", ("turntable.mp4", "turntable.webp", "views.zip")),
    ("Everything", "All of these, and how the head was made.", ("everything.zip", "report.json")),
)
TAKING = {
    "title": "3D head",
    "download": "Download",
    "share": "Share",
    "close": "Close",
    "make": "make",
    "path": "Camera",
    "seconds": "Seconds",
    "size": "Size",
    "film": "Make a film",
    "share_note": "One file with the head and all that shows it: it opens in any browser, and asks no other computer for anything.",
    "send_page": "Send the head …",
    "send_film": "Send the film …",
    "save_page": "Save head.html",
    "embed_note": "To show it on a page of yours, put head.html beside that page and this into it:",
    "embed_link_note": "To show it on a page of yours, put this into it:",
    "link": "Make a link",
    "link_ends": "Ends {date}, or earlier if this server is restarted.",
    "copy_link": "Copy the link",
    "withdraw": "Withdraw",
    "withdrawn": "The link shows nothing any more.",
    "not_withdrawn": "The server did not answer: the link may still show the head.",
    "links": "Your links",
    "embed": "What shows the head inside another page",
    "copy": "Copy",
    "copied": "Copied.",
    "copy_it": "Copy what is marked.",
    "not_yet": "That is still in the making.",
    "not_sent": "This could not be sent from here: save it, and send the file.",
}
FILM_DONE = "The film is ready and saved: {name}."
OWN_STEPS = "Own steps"
RESTORED = "Your last heads came back: this browser keeps them."
RESTORED_ONE = "The head came back from this browser."

FILES = (
    "head.html shows the head in any browser, offline, by double click. head.glb is a mesh for Blender and the like: fused from depth "
    "pictures, so approximate, hair above all. The splat files (.ply, .splat, .spz) are the head itself."
)
HOW = (
    "The face is found and brought to the place and size the models know, and the background is removed. A diffusion model draws the "
    "head from six sides at once, each view looking at the front while it forms. A second model turns the six views into 3D Gaussians: "
    "soft, coloured ellipsoids that a browser draws from any side. The method is FaceLift by Lyu and others (ICCV 2025)."
)
LIMITS = (
    "One photo does not show the back of a head: sides and back are plausible guesses, not knowledge, and must not be used to identify "
    "anyone. Profiles, hands before the face, strong shadows and tiny faces give poor heads. A head moves as faces do in general, its "
    "light is that of the photo, and the mesh (.glb) is only an approximation."
)
WEIGHTS_NOTE = (
    "The two example photos are in the public domain (NASA, US Navy); the three synthetic portraits are drawn by this program's own "
    "generator, show nobody, and were not in the training."
)
PROGRAMS = (
    "The page has an API: <code>/generate</code>, <code>/portrait</code> and <code>/render</code>, described under “Use via API” at the "
    "foot of the page on a wide screen. A link to this page may carry "
    "<code>?seed=7</code> and <code>?weights=compact</code>; <code>?__theme=dark</code> and <code>?__theme=light</code> choose the look."
)
STEPS = "More is slower, and rarely better."
GUIDANCE = "How closely the views follow the photo."
CROP_LABEL = "Find and align the face"
CROP = "Off: the photo is an aligned square portrait already."
NO_CROP = f"switch off “{CROP_LABEL}” under Advanced"
FACE = "1 is the largest in the photo."

ANIMATE, CLIP = "Let it move", "Move as in a clip"
MOVES = "The head moves: sliders, blink, smile, speak. head_moving.html takes it along, to be played offline by double click."
PERFORMS = "The head does what the face in the clip does, on and on; head_moving.html takes it along."
DELETE = "Delete now"
DELETED = "Your photos and heads were deleted here."
GONE = "That head has been deleted here since: make it again from the same photo and seed."
ENDING = "This server is about to be restarted: try again in a minute."
FULL = "The server has no room left: try again later."
TOO_LARGE = "That takes more memory than there is here. Try a smaller photo."
NO_SPLATS = "Send a .ply, .splat, .spz or .sog file of Gaussians."
NO_PHOTO = "Choose a photo first."
NOT_SENT = "Only files sent to this page can be used: upload a photo, clip or splat file of up to 20 MB."
NOT_UNDERSTOOD = "Some of what was sent is of another kind than it should be: see “Use via API”."
UNEXPECTED = "Something went wrong on our side, and the details are in the server's log. Try again, or try another photo."
OUT_OF_MEMORY = "The graphics card ran out of memory. Close other programs that use it, or start with --device cpu."
BUSY = "Too many visitors are waiting already: try again in a minute."
MESH_DONE = "The mesh is ready and saved: head.glb, approximate, hair above all."
ANOTHER, ANOTHER_ALIKE = "Another take", "Another seed"
DONE_ALIKE = "Your 3D head is ready. With these weights another seed changes little: another photo, or a moved crop, changes more."
DONE = "Your 3D head is ready: drag it to turn."
STOPPED = "Stopped."
ANOTHER_PHOTO = "Stopped: you chose another photo."
HINT = "Best is one face, from the front, well lit. JPEG, PNG, WEBP, HEIC, AVIF, TIFF, BMP or GIF, up to 20 MB."
READY = "The portrait is what the model sees: drag it if the face sits badly."

STAGES = {
    "waiting": "Waiting for its turn",
    "recall": "Bringing the head back",
    "portrait": "Finding and aligning the face",
    "views": "Drawing six views",
    "gaussians": "Building the 3D head",
    "files": "Writing the files",
    "turntable": "Filming",
    "mesh": "Fusing a mesh",
    "rig": "Letting the head move",
    "clip": "Reading the clip",
}

TOUCH = {"selfie": "Take a selfie", "choose": "Choose a photo"}
ALIGNER = {
    "face": "Face {n} of {of}",
    "empty": "The portrait that the model sees",
    "alt": "The aligned portrait",
    "frame": "Portrait: drag to move it, pinch or scroll to zoom. Keys: arrows move, + and - zoom, [ and ] turn, z undoes, 0 resets.",
    "tools": "Move the portrait",
    "in": "Larger (+)",
    "out": "Smaller (-)",
    "left": "Turn left ([)",
    "right": "Turn right (])",
    "undo": "Undo (z)",
    "reset": "As it was found (0)",
}

BROWSER_KEEPS = "Your own browser keeps your last heads until you empty that list. "
SHARED_KEPT = "A head that you share by a link stays there for {time}, unless you withdraw the link. "
LINK_NOTE = "Or a link: whoever has it sees the head, for {time} or until you withdraw it."
MATTING = {"none": "background kept", "alpha channel": "background: the photo's own transparency"}


def promise(keep_seconds: int, keep_nothing: bool, link_seconds: int = 0) -> str:
    """What is kept of a visitor, and how long."""
    where = "kept there in memory alone, never on a disk" if keep_nothing else "kept there in a folder of this program"
    return (
        f"Your photo goes to the computer that runs this page and nowhere else. Photos and results are {where}, and deleted "
        f"{duration(keep_seconds)} after they were made at the latest, soon after you close this page, and at once by {DELETE}. "
        f"{'' if keep_nothing else BROWSER_KEEPS}"
        f"{SHARED_KEPT.format(time=duration(link_seconds)) if link_seconds else ''}Nothing is kept for training."
    )


def link_note(link_seconds: int) -> str:
    return LINK_NOTE.format(time=duration(link_seconds))


def duration(seconds: int) -> str:
    for name, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds % size == 0 and seconds >= size:
            count = seconds // size
            return f"{'an' if name == 'hour' else 'a'} {name}" if count == 1 else f"{count} {name}s"
    return "0 seconds"


def place(before: int) -> str:
    """How many are served first."""
    return f"{before} before you"


def left(seconds: float | None) -> str:
    """A guess of the time left, in words people use."""
    if seconds is None or seconds < 1:
        return ""
    if seconds < 90:
        return f"about {seconds:.0f} s left" if seconds < 10 else f"about {5 * round(seconds / 5)} s left"
    return f"about {seconds / 60:.0f} min left"


def count(number, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"


def shown_again(report: dict) -> str:
    return f"This is the head of seed {report.get('seed')}."


def other_weights(asked: str, weights) -> str:
    """For a link that asks for weights which this page does not run."""
    return f"The link asks for the weights {asked!r}, but this page runs {without_path(weights.name, weights)}."


def portrait_note(faces: int, chosen: int) -> str:
    """What was found in the photo, in one line."""
    if faces == 0:
        return f"Used as it is, without looking for a face. {READY}"
    if faces == 1:
        return READY
    which = "the largest" if chosen == 1 else f"number {chosen} by size"
    return f"{faces} faces found, {which} is used: click another in the photo to change that."


def no_such_face(face: int, found: int) -> str:
    return f"There is no face number {face} in this photo: {found} found."


def what_ran(report: dict, weights) -> str:
    """One paragraph on how a head was made, from its report and the weight set."""
    seconds = report.get("seconds", {})
    names = ("portrait", "views", "gaussians", "files", "total")
    spent = ", ".join(f"{name} {seconds[name]:.1f} s" for name in names if seconds.get(name) is not None)
    matting = str(report.get("matting"))
    parts = [
        f"{report.get('gaussians', 0):,} Gaussians".replace(",", " "),
        f"weights {without_path(weights.name, weights)} on {report.get('device')}",
        MATTING.get(matting, f"background removed by {matting}"),
        f"seed {report.get('seed')}, {count(report.get('steps'), 'step')}, guidance {report.get('guidance_scale')}",
    ]
    return " · ".join(parts) + "." + (f" {spent[:1].upper()}{spent[1:]}." if spent else "")


def weights_line(weights) -> str:
    """Which weights answer on this page, and under which licence."""
    note = weights.note.removeprefix("weights ").rstrip(".")
    note = note[:1].upper() + note[1:]
    name = "" if weights.name.lower() in note.lower() else f"{weights.name}. "
    return without_path(f"Weights: {name}{note}. Licence: {weights.licence}.", weights)


def without_path(text: str, weights) -> str:
    """Names a weight folder without saying where on the server it lies."""
    return text.replace(str(weights.folder), weights.folder.name)
