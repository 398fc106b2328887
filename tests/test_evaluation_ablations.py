"""The switches that the paper studies, from training to a head, at a tiny size; and the table over whatever weights exist."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_training import ball

from facelift import FaceLiftPipeline
from facelift.cameras import RIGS, Cameras, orbit, six_views, view_rig
from facelift.cli import train as recipe
from facelift.evaluation import ablations
from facelift.multiview.attention import MultiViewAttnProcessor
from facelift.reconstruction.lgm import LGM, LGMConfig
from facelift.synthesis.rigs import make_rig
from facelift.training import depth, export, generate, reconstructor, views
from facelift.training.data import HeadShards
from facelift.training.start import run_settings, view_weights

EXAMPLES = Path(__file__).parents[1] / "assets" / "examples"
TINY_LGM = LGMConfig(32, (32, 64), (False, True), (64,), (True,), layers=1, heads=4)
TINY = ["--channels", "32,32,32,32", "--batch", "1", "--steps", "2", "--evaluate-every", "2"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    """Two balls at 64 px, seen from all rigs and one more camera."""
    folder = tmp_path_factory.mktemp("data") / "shard_0000000"
    folder.mkdir()
    rig, extra = make_rig("six+eight+raised", np.random.default_rng(0), 64), orbit([30.0], [10.0], 64)
    assert len(rig) == 9
    cameras = Cameras(torch.cat([rig.intrinsics, extra.intrinsics]), torch.cat([rig.c2w, extra.c2w]), 64, 64)
    rgba, ray_depth = ball(cameras)
    np.save(folder / "rgba.npy", np.repeat((rgba * 255).round().byte().permute(0, 2, 3, 1).numpy()[None], 2, 0))
    np.save(folder / "offset.npy", np.repeat(ray_depth.half().numpy()[None], 2, 0))
    np.save(folder / "c2w.npy", np.repeat(cameras.c2w.numpy()[None], 2, 0))
    return folder.parent


@pytest.fixture(scope="module")
def root(shards, tmp_path_factory) -> Path:
    """Weight folders of two ablations, from nothing: training, generation and export. And one that is not what its name says."""
    root, data = tmp_path_factory.mktemp("runs"), ["--data", str(shards), "--test", str(shards)]
    trained = root / "trained"
    depth.main([*data, *TINY, "--channels", "32,32", "--out", str(trained / "depth")])
    seen = ["--depth", str(trained / "depth")]
    for name, rig in (("four_views", "four"), ("no_input_view", "raised")):
        out = {part: str(trained / f"{name}_{part}") for part in ("views", "reconstructor", "generated")}
        views.main([*data, *TINY, *seen, "--rig", rig, "--out", out["views"]])
        generate.main(["--data", str(shards), *seen, "--views", out["views"], "--out", out["generated"], "--heads", "1"])
        made = np.load(Path(out["generated"]) / "0.npy")
        assert made.shape == (len(RIGS[rig]), 64, 64, 4)
        reconstructor.main([*data, *TINY, "--rig", rig, "--generated", out["generated"], "--out", out["reconstructor"]])
        export.main([*seen, "--views", out["views"], "--reconstructor", out["reconstructor"], "--out", str(root / name)])
    other = shutil.copytree(trained / "four_views_views", trained / "other_views")
    (other / "settings.json").write_text(json.dumps({**run_settings(other), "attention": "none"}))
    parts = ["--views", str(other), "--reconstructor", str(trained / "four_views_reconstructor")]
    export.main([*seen, *parts, "--out", str(root / "no_attention")])
    return root


def across_views(pipe: FaceLiftPipeline):
    return pipe.multiview.unet.down_blocks[1].attentions[0].transformer_blocks[0].attn1.processor


def test_rigs_are_those_of_the_paper():
    """Four: front, right, back, left. Eight: two more in front. Raised: the first view 20 degrees up, so none is the photo's."""
    assert torch.equal(view_rig("six").cameras(64).c2w, six_views(64).c2w)
    assert RIGS["four"].names == ("front", "right", "back", "left") and RIGS["four"].azimuths == (0, -90, 180, 90)
    assert RIGS["eight"].names[:6] == RIGS["six"].names and RIGS["eight"].azimuths[6:] == (0, 0)
    assert RIGS["raised"].elevations == (20, 0, 0, 0, 0, 0) and RIGS["raised"].azimuths == RIGS["six"].azimuths
    assert [name for name, rig in RIGS.items() if not rig.starts_with_photo] == ["raised"]
    with pytest.raises(ValueError, match="'nine' is no rig"):
        view_rig("nine")


@pytest.mark.parametrize("name", RIGS)
def test_a_mirrored_head_stands_before_the_same_rig(shards, name):
    """Every view of a mirrored sample, unmirrored, is the stored view of the camera opposite; the photo stays the front."""
    heads, rig = HeadShards(shards, name), RIGS[name]
    assert torch.allclose(heads.sample(0).c2w[: len(rig)], rig.cameras(64).c2w, atol=1e-6)
    flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0]))
    poses = rig.cameras(64).c2w
    assert torch.allclose(flip @ poses[list(rig.mirrored)] @ flip, poses, atol=1e-6)
    seed = next(i for i in range(20) if np.random.default_rng(i).random() < 0.5)  # the first number drawn decides
    mirrored = heads.sample(0, np.random.default_rng(seed))
    assert not torch.equal(mirrored.c2w, heads.sample(0).c2w)
    assert torch.equal(mirrored.ray_depth[: len(rig)], heads.sample(0).ray_depth[list(rig.mirrored)].flip(-1))
    assert heads.sample(0).portrait.equal(HeadShards(shards).sample(0).rgba[0])


def test_four_views_from_training_to_a_head(root):
    pipe = FaceLiftPipeline.from_pretrained(root / "four_views", device="cpu")
    portrait = pipe.make_portrait(EXAMPLES / "astronaut.png")
    pipe.refinements = tuple(r for r in pipe.refinements if r.name != "drop_loose_pieces")  # hardly trained, it is in pieces
    head = pipe(portrait)
    assert head.views.shape == (4, 64, 64, 3) and head.names == ("front", "right", "back", "left")
    assert torch.equal(head.cameras.c2w, RIGS["four"].cameras(64).c2w)
    assert (across_views(pipe).num_views, across_views(pipe).mode) == (4, "sparse")
    assert not isinstance(across_views(FaceLiftPipeline.from_pretrained(root / "no_attention", device="cpu")), MultiViewAttnProcessor)
    picture = np.array(portrait.image.resize((64, 64), Image.Resampling.LANCZOS), float)
    assert np.abs(head.views[0] - picture).mean() < 1  # the first view is the photo
    assert len(head.gaussians) > 1000


def test_without_the_input_view_no_view_is_the_photo(root):
    settings = json.loads((root / "no_input_view" / "config.json").read_text())
    assert settings["rig"] == "raised" and settings["refinements"] == [] and not settings["multiview"]["keep_portrait"]
    pipe = FaceLiftPipeline.from_pretrained(root / "no_input_view", device="cpu")
    head = pipe(pipe.make_portrait(EXAMPLES / "astronaut.png"))
    assert head.names[0] == "front_raised" and torch.equal(head.cameras.c2w, RIGS["raised"].cameras(64).c2w)


def test_what_does_not_go_together_is_refused(root, shards, tmp_path):
    trained = root / "trained"
    with pytest.raises(SystemExit, match="do not go together"):
        export.main(
            ["--depth", str(trained / "depth"), "--views", str(trained / "four_views_views"), "--out", str(tmp_path)]
            + ["--reconstructor", str(trained / "no_input_view_reconstructor")]
        )
    with pytest.raises(SystemExit, match="was begun with"):
        views.main(
            ["--data", str(shards), "--test", str(shards), *TINY, "--depth", str(trained / "depth")]
            + ["--out", str(trained / "four_views_views"), "--rig", "four", "--attention", "dense"]
        )
    c2w = np.load(shards / "shard_0000000" / "c2w.npy")
    (tmp_path / "shard_0").mkdir()
    np.save(tmp_path / "shard_0" / "c2w.npy", c2w[:, :6])
    with pytest.raises(ValueError, match="lacks views of the rig eight: .* --views six\\+eight"):
        HeadShards(tmp_path, "eight")
    four, six = view_weights(trained / "four_views_views"), view_weights(trained / "four_views_views", RIGS["six"])
    assert torch.equal(six["prompt_embeds"][4], four["prompt_embeds"][3])  # left starts as left
    assert torch.equal(six["prompt_embeds"][1], four["prompt_embeds"][0])  # front_right is new to it, so it starts as the front


def test_the_recipe_hands_its_switches_on(shards, tmp_path, monkeypatch):
    """Really trained where that is quick; of rendering heads and of the rendered stage, which wants 128 px, only the words are seen."""
    given = {}
    monkeypatch.setattr("facelift.training.reconstructor.main", lambda words: given.update(reconstructor=words))
    monkeypatch.setattr("facelift.synthesis.__main__.main", lambda words: given.update({Path(words[1]).name: words}))
    common = ["--work", str(tmp_path), "--tiny", "--device", "cpu", "--workers", "0"]
    common += ["--rig", "eight", "--attention", "dense", "--light", "ambient"]
    recipe.main(["data", *common])
    for name in ("train", "test"):
        (tmp_path / name).symlink_to(shards)
    for stage in ("depth", "views", "reconstructor"):
        recipe.main([stage, *common])
    assert run_settings(tmp_path / "runs" / "views_0") == {"rig": "eight", "attention": "dense", "image_size": 64}
    assert given["reconstructor"][given["reconstructor"].index("--rig") + 1] == "eight"
    for name, views_, light in (("train", "six+eight+near4", True), ("test", "six+eight+near12", False)):
        words = " ".join(given[name])
        assert f"--views {views_}" in words and ("--light ambient" in words) == light  # what is measured is lit in all ways


def test_the_table_measures_what_is_there_and_says_what_is_not(root, shards, tmp_path, monkeypatch):
    monkeypatch.setattr("facelift.evaluation.__main__.write_preface", lambda *_: None)  # tested elsewhere
    monkeypatch.setattr("facelift.evaluation.variants.load_lgm", lambda device: LGM(TINY_LGM).eval().to(device))
    (root / "eight_views").mkdir()
    command = ["--data", str(shards), "--weights-root", str(root), "--out", str(tmp_path), "--limit", "1", "--metrics", "psnr", "ssim"]
    assert ablations.main([*command, "--base", str(root / "four_views")]) == 0
    text = (tmp_path / "ablations.md").read_text()
    lines = {line.split(" | ")[0].removeprefix("| "): line.split(" | ") for line in text.splitlines() if line.startswith("| ")}
    assert {row.title for row in ablations.ROWS} | {ablations.LGM_TITLE, "w/o multi-view attention"} <= set(lines)
    four, base, eight = lines["four views"], lines[ablations.BASE.title], lines["eight views, front top and front bottom too"]
    assert float(four[1]) == float(base[1]) and four[-1].startswith("+0.00 (+0.00 to +0.00)")  # the same weights stand for both
    assert float(lines[ablations.LGM_TITLE][1]) > 0 and lines[ablations.LGM_TITLE][1] != base[1]  # random weights: any number, another one
    assert float(lines["without input-view reconstruction"][1]) > 0 and set(eight[1:]) == {"-", "- |"}
    assert "no_attention has rig four, not what its name says; it is made by `facelift.training.views` with `--attention none`." in text
    assert "eight_views holds no weight set" in text
    assert "dense_attention is not there; it is made by `facelift.training.views` with `--attention dense`." in text
    assert (tmp_path / "four_views" / "report.md").is_file()
    assert ablations.main([*command[:2], "--weights-root", str(tmp_path / "nothing"), "--out", str(tmp_path)]) == 1
