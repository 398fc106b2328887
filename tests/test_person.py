"""Several photos of one person: where each belongs, and what is done with it."""

from __future__ import annotations

import pytest
import torch
from fakes import painted_head
from PIL import Image

from facelift import person
from facelift.__main__ import main
from facelift.cameras import RIGS, orbit
from facelift.errors import PhotoError, SettingsError
from facelift.person import OtherPhoto, add_photos
from facelift.portrait import NoFaceError, Portrait
from facelift.rendering import render, to_bytes

RIG = RIGS["six"]
SIZE = 128


@pytest.fixture(scope="module")
def head():
    return painted_head(4000)


@pytest.fixture
def cut_out(head, monkeypatch):
    """Stands in for the portrait stage: a photo is a render with its alpha, without a face that anybody finds, smaller and aside."""

    def make_portrait(photo, crop, matting, fov, cautious):
        if crop:
            raise NoFaceError("none")
        return photo

    monkeypatch.setattr(person, "make_portrait", make_portrait)
    monkeypatch.setattr(person, "find_faces", lambda image: ())

    def photo(azimuth: float) -> Portrait:
        drawn = render(head, orbit([azimuth], size=256))
        image, alpha = Image.new("RGB", (512, 512), "white"), Image.new("L", (512, 512))
        image.paste(Image.fromarray(to_bytes(drawn.rgb)[0]), (60, 140))
        alpha.paste(Image.fromarray((drawn.alpha[0, 0] * 255).byte().numpy()), (60, 140))
        return Portrait(image, alpha, None, (), "none", None)

    return photo


def seen(head, view: int) -> torch.Tensor:
    return render(head, RIG.cameras(SIZE)[view]).rgb[0].clamp(0, 1)


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * torch.log10((a - b).square().mean()))


def test_a_profile_takes_the_place_of_the_view_that_would_be_made_up(head, cut_out):
    made_up = torch.full((6, 4, SIZE, SIZE), 0.5)
    views, notes = add_photos(made_up, head, RIG, [OtherPhoto(cut_out(-90))])
    right, left = RIG.names.index("right"), RIG.names.index("left")
    assert psnr(views[right, :3], seen(head, right)) > 22
    assert torch.equal(views[left], views[right].flip(-1))  # the other side is its mirror picture
    assert (views[[0, 1, 3, 5]] == 0.5).all() and notes == ["Photo 2 was taken for the right view (-90 degrees)."]
    assert (made_up == 0.5).all()


def test_given_azimuths_are_believed(head, cut_out):
    photos = [OtherPhoto(cut_out(180), 170.0), OtherPhoto(cut_out(180), 180.0), OtherPhoto(cut_out(0), 5.0)]
    views, notes = add_photos(torch.full((6, 4, SIZE, SIZE), 0.5), head, RIG, photos)
    assert psnr(views[3, :3], seen(head, 3)) > 22
    assert "same side" in notes[1] and "from the front" in notes[2]


def test_photos_that_fit_nowhere_are_refused(head, cut_out):
    views = torch.full((6, 4, SIZE, SIZE), 0.5)
    with pytest.raises(SettingsError, match="No view is near enough to 135"):
        add_photos(views, head, RIG, [OtherPhoto(cut_out(135), 135.0)])
    line = Portrait(Image.new("RGB", (512, 512)), Image.new("L", (512, 512)), None, (), "none", None)
    line.alpha.paste(255, (0, 250, 512, 256))
    with pytest.raises(PhotoError, match="does not fit the head"):
        add_photos(views, head, RIG, [OtherPhoto(line)])


@pytest.mark.parametrize(
    "words", [["a.jpg", "--person"], ["a.jpg", "b.jpg", "--person", "--face", "2"], ["a.jpg", "b.jpg", "--person", "--azimuth", "1", "2"]]
)
def test_wrong_arguments_are_one_sentence(words, capsys):
    with pytest.raises(SystemExit):
        main(words)
    assert "--person" in capsys.readouterr().err
