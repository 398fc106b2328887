"""facelift bench: it measures what it says, ends in time, and says what it left out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]


def test_medians_come_from_runs_in_turn():
    from facelift.bench.clock import in_turn

    called: list[str] = []
    runs = in_turn({name: lambda name=name: called.append(name) for name in "ab"}, torch.device("cpu"), seconds=60, rounds=3)
    assert called == ["a", "b"] * 4  # the first round warms up
    assert all(len(found.seconds) == 3 for found in runs.values())


def test_a_way_that_fails_takes_no_other_with_it():
    from facelift.bench.clock import in_turn

    def fails():
        raise RuntimeError("no such kernel\nand much more")

    runs = in_turn({"bad": fails, "good": lambda: None}, torch.device("cpu"), seconds=60, rounds=2)
    assert runs["bad"].error == "RuntimeError: no such kernel" and not runs["bad"].seconds
    assert runs["good"].error is None and len(runs["good"].seconds) == 2


@pytest.fixture(scope="module")
def benched(tmp_path_factory) -> dict:
    """The report of a run of the tiny sizes."""
    from facelift.bench.__main__ import main

    path = tmp_path_factory.mktemp("bench") / "report" / "bench.json"
    words = ["--weights", "random-tiny", "--device", "cpu", "--steps", "1", "--rounds", "1", "--seconds", "3600"]
    assert main([*words, "--json", str(path), "--stages", "unet", "gslrm", "decode", "encode", "photo", "switches"]) == 0
    return json.loads(path.read_text())


def rows(report: dict, stage: str) -> dict[str, dict]:
    return {row["way"]: row for row in report["rows"] if row["stage"] == stage}


def test_report_has_each_stage_both_ways(benched):
    for stage in ("unet", "gslrm", "decode", "encode", "photo"):
        found = rows(benched, stage)
        assert {"naive", "ours"} <= set(found)
        assert all(row["error"] is None and row["runs"] == 1 and row["seconds"] > 0 and row["flops"] > 0 for row in found.values())
    assert not [note for note in benched["notes"] if note.startswith(("failed", "left out"))]


def test_work_is_counted_attention_included(benched):
    """One picture encoded in place of six; a front view that attends to itself once."""
    encode, unet = rows(benched, "encode"), rows(benched, "unet")
    assert encode["naive"]["flops"] == pytest.approx(6 * encode["ours"]["flops"])
    assert 0 < unet["naive"]["flops"] - unet["ours"]["flops"] < 0.1 * unet["naive"]["flops"]


def test_faster_ways_give_the_same_answer(benched):
    answers = {name: error for name, error in benched["differences"].items() if name.endswith("relative L2")}
    assert len(answers) >= 7
    assert all(error <= 1e-3 for error in answers.values()), answers


def test_what_does_not_fit_the_time_is_named(tmp_path, capsys):
    from facelift.bench.__main__ import main

    path = tmp_path / "bench.json"
    main(["--weights", "random-tiny", "--device", "cpu", "--seconds", "0", "--json", str(path)])
    report = json.loads(path.read_text())
    assert not report["rows"]
    assert any("left out for lack of time: unet" in note for note in report["notes"])


def test_a_device_that_is_not_there_is_refused(capsys):
    from facelift.bench.__main__ import main

    assert main(["--device", "nonsense"]) == 1
    assert "not a device" in capsys.readouterr().err


def test_text_is_read_once_and_again_when_it_changes():
    from facelift.bench.models import TINY, random_system
    from facelift.multiview.attention import know_text
    from facelift.stock import AttnProcessor2_0, BasicTransformerBlock

    unet = random_system(TINY, torch.device("cpu")).multiview.unet
    torch.manual_seed(0)
    x, labels = torch.randn(6, 8, 8, 8), torch.randn(6, 64)
    texts = [torch.randn(6, 77, 32) for _ in range(2)]
    blocks = [module for module in unet.modules() if isinstance(module, BasicTransformerBlock)]
    count = []
    watch = blocks[0].attn2.to_k.register_forward_hook(lambda *_: count.append(1))

    def outputs() -> list[torch.Tensor]:
        with torch.inference_mode():
            return [unet(x, torch.tensor(501), text, class_labels=labels).sample for text in (texts[0], texts[0], texts[1])]

    known = outputs()
    assert len(count) == 2
    watch.remove()
    for block in blocks:
        block.attn2.set_processor(AttnProcessor2_0())
    plain = outputs()
    know_text(unet)
    for a, b in zip(known, plain, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def loaded_by(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout


def test_compact_weights_wait_for_no_package_they_do_not_use():
    code = """
import sys
from facelift.pipeline import FaceLiftPipeline
FaceLiftPipeline.from_pretrained("compact", "cpu")
heavy = {"transformers", "scipy.signal", "scipy.stats", "torch._dynamo.eval_frame", "matplotlib", "gradio"} & set(sys.modules)
assert not heavy, heavy
from diffusers import StableDiffusionPipeline, UNet2DConditionModel  # all of it is still there
from facelift import stock
assert UNet2DConditionModel is stock.UNet2DConditionModel
"""
    loaded_by(code)


def test_faces_are_found_without_plots():
    code = """
import sys
from facelift.portrait.models import mediapipe_image, mediapipe_models
mediapipe_models().detector
assert "matplotlib" not in sys.modules
import importlib.util
if importlib.util.find_spec("matplotlib"):
    import matplotlib.pyplot
    assert callable(matplotlib.pyplot.figure)
"""
    loaded_by(code)


def test_presets_are_measured_against_all_steps_with_noise_and_without():
    from facelift.bench.presets import SILENT, differences

    views = torch.zeros(1, 3, 2, 2)
    found = differences({"ours": views, SILENT: views + 0.1, "fast": views + 0.2})
    assert set(found) == {f"{SILENT} from ours", f"ours from {SILENT}", "fast from ours", f"fast from {SILENT}"}
    assert found[f"fast from {SILENT}"] == pytest.approx(20, abs=1e-3) and found["fast from ours"] < 14


def grown(stage: str, axis: str, power: int) -> list:
    from facelift.bench.results import Row

    return [
        Row(f"{stage} by {axis}", str(value), "fp32", 0.01 * value**power, (0.0, 0.0), 1, 0.0, working_bytes=value * 2**20)
        for value in (1, 2, 4)
    ]


def test_growth_is_told_as_a_power_with_the_reason(tmp_path):
    from xml.etree import ElementTree

    from facelift.bench.growth import WHY, growth_table, save_plot

    rows = [*grown("gslrm", "image side", 3), *grown("unet", "views", 1)]
    table = growth_table(rows).splitlines()
    assert "10, 80, 640 | ^3.00 | 1, 2, 4 | ^1.00" in table[2] and WHY["gslrm", "image side"] in table[2]
    assert "^1.00" in table[3]
    save_plot(rows, tmp_path / "growth.svg")
    drawn = ElementTree.parse(tmp_path / "growth.svg").getroot()
    assert len(drawn.findall("{*}polyline")) == 4  # time and memory of two stages


def test_memory_of_a_run_is_what_it_held_at_most():
    from facelift.bench.memory import peak_above

    taken = peak_above(lambda: torch.ones(16 * 2**20))
    if taken is None:
        pytest.skip("this system does not say")
    assert 60 * 2**20 < taken < 100 * 2**20


@pytest.mark.parametrize("words", [["--plot", "a.svg"], ["--growth", "--count"]])
def test_words_of_the_bench_that_exclude_each_other(words):
    from facelift.bench.__main__ import main

    with pytest.raises(SystemExit, match="2"):
        main(words)


def test_counted_work_adds_up_to_a_photo():
    from facelift.bench.count import Counts, table

    text = table({"ours": Counts(1e12, 2e12, 100e12, 3e12, 4e12)}, {"UNet": 2**30, "VAE": 2**29}, 50)
    assert "| UNet, one guided step of 12 samples | 2 |" in text and "| **a photo** | 108 |" in text and "all 1.50" in text
