"""Heads that move, in a page of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes import painted_head

from facelift.animation.drive import Driver
from facelift.animation.export import save_frames
from facelift.animation.files import load_rig, save_rig
from facelift.animation.head4d import DrivenHead, load_head4d, save_deltas
from facelift.animation.head_rig import HeadRig
from facelift.animation.rig import bound_head
from facelift.animation.track import Pose, Track
from facelift.cameras import orbit
from facelift.face.fit import FaceFit
from facelift.face.geometry import project
from facelift.face.model import load_face_model


@pytest.fixture(scope="module")
def rig(tmp_path_factory) -> HeadRig:
    """The painted head bound to the average face, as it comes back from its file."""
    model, camera, head = load_face_model(), orbit([0.0]), painted_head()
    fit = FaceFit(np.zeros(50), np.zeros(52), 5.6, np.eye(3), np.array([0, 0.15, -3.92]), np.zeros_like(model.mean), 0.0)
    at = fit.to_world(model.on_landmarks @ model.mean)
    landmarks, _ = project(at, camera.c2w[0].double().numpy(), camera.intrinsics[0].double().numpy())
    return load_rig(save_rig(bound_head(head, fit, landmarks, camera), tmp_path_factory.mktemp("rig") / "head.headrig"))


def test_a_page_of_frames_without_a_rig_is_refused(tmp_path, rig):
    kept = load_head4d(save_deltas([Driver(rig)(Pose(rig.rest))], 12.0, tmp_path / "a.head4d"))
    with pytest.raises(ValueError, match="needs a rig"):
        save_frames(kept, tmp_path, "html")
    page = save_frames(DrivenHead(rig, Track(12.0, rig.rest[None].astype(float))), tmp_path, "html")[0]
    assert b"Synthetic" in page.read_bytes()[:2000] and Path(page).name == "driven.html"
