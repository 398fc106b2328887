"""Fixtures that several tests share: a served page and a browser; the OpenGL renderer of synthetic heads. And what is fast and what not.

What is heavy is imported by the fixtures that need it: most tests need none.
"""

from __future__ import annotations

import os
import shutil
from fnmatch import fnmatch
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # one of several processes: more threads than processors would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")

MARKERS = ("fast", "slow", "browser", "gpu", "long")  # every test has one of them
LONG = (  # with their parameters: left out unless asked for; most say once more what a shorter test says
    "test_evaluation_ablations::test_four_views_*",
    "test_page_motion::test_driven_poses_*",
    "test_page_states::test_every_state_*",
    "test_evaluation_ablations::test_the_recipe_*",
    "test_evaluation_ablations::test_the_table_*",
    "test_render_budget::test_tiles_left_out_change_no_bit*head*",  # tests/security
    "test_scaling::*",
    "test_training::test_a_fast_device_*",
    "test_training::test_a_killed_run_*depth*",
    "test_training::test_a_killed_run_*gslrm*",
    "test_training::test_a_small_gslrm_*",
    "test_training_full::test_a_killed_run_*",
    "test_training_full::test_another_rig_*",
    "test_training_full::test_trained_folder_*",
    "test_visitors::test_a_server_that_is_*",  # tests/security
    "test_visitors::test_a_visitor_s_files_go*forgotten*",
    "test_visitors::test_a_visitor_s_files_go*says so*",
)
GPU = ("test_rendering::test_gsplat_backend_*",)
SLOW_FIXTURES = {"benched", "stand_in", "renderer", "compact", "lifted", "relief", "metrics", "installed"}
SLOW = (
    "test_animation::test_photo_to_driven_head",
    "test_app::*",
    "test_bench::*",
    "test_architecture::test_every_module_can_be_imported",
    "test_bench::test_compact_weights_wait_*",
    "test_cli::test_modules_are_commands_too",
    "test_crop_memory::test_as_if_*",  # tests/security
    "test_evaluation_ablations::*",
    "test_evaluation_metrics::test_lpips_on_alexnets_real_weights",
    "test_evaluation_metrics::test_same_face_is_near_*",
    "test_faults::*",  # tests/security
    "test_files::*",
    "test_fuzz::*",  # tests/security
    "test_one_person::*",
    "test_package::test_compiled_code_needs_no_folder",
    "test_page_flow::test_advice_*",
    "test_page_jobs::*",
    "test_pipeline::test_the_released_layout_*",
    "test_portrait::test_a_server_that_makes_many_portraits_*",
    "test_reference::test_full_size_keys",
    "test_requests::*",  # tests/security
    "test_render_budget::test_tiles_left_out_change_no_bit",  # tests/security
    "test_scaling::*",
    "test_synthe*::*",
    "test_rendering::test_gradients_agree_*",
    "test_cli::test_render_needs_no_diffusion",
    "test_page_flow::test_adjustments_move_*",
    "test_splats::test_a_mesh_is_*",
    "test_training*::*",
    "test_video::test_a_clip_becomes_a_head_*",
    "test_video_methods::test_a_network_moves_*",
    "test_visitors::*",  # tests/security
    "test_workers::*",  # tests/security
    "test_broken_files::test_broken_weights_*",  # tests/security
    "test_requests::*",  # tests/security
    "test_visitors::test_a_server_that_*",  # tests/security
    "test_visitors::test_a_visitor_s_files_*",
    "test_workers::*",
)
FAST = (  # though of the above
    "test_app::test_wrong_arguments_*",
    "test_evaluation_ablations::test_rigs_*",
    "test_synthesis::test_training_never_reaches_*",
    "test_synthesis::test_random_shell",
    "test_synthetic_cycles::test_without_blender_*",
    "test_synthetic_clothing::test_same_seed_*",
    "test_synthetic_hair::test_same_seed_*",
    "test_training::test_trains_in_bf16_*",
    "test_training::test_a_step_without_*",
    "test_training::test_where_views_meet_*",
    "test_training_full::test_perceptual_term_*",
    "test_page_jobs::test_a_seed_*",
    "test_page_jobs::test_films_*",
    "test_page_jobs::test_time_*",
    "test_requests::test_clients_*",
    "test_requests::test_logs_*",
    "test_requests::test_rates_*",
    "test_requests::test_sums_*",
    "test_requests::test_who_comes_*",
    "test_workers::test_a_line_*",
    "test_workers::test_who_waits_*",
)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks a test by what it uses and by the lists above; a marker that it was given in its file stays the only one."""
    if not any(mark.name in MARKERS for mark in item.iter_markers()):
        module = item.path.stem
        long = any(fnmatch(f"{module}::{item.name}", pattern) for pattern in LONG)
        item.add_marker("long" if long else marker(f"{module}::{item.originalname}", set(item.fixturenames)))


def marker(name: str, fixtures: set[str]) -> str:
    """name: module::test. fixtures: all it needs, at first or second hand."""

    def among(patterns: tuple[str, ...]) -> bool:
        return any(fnmatch(name, pattern) for pattern in patterns)

    if "browser" in fixtures:
        return "browser"
    if among(GPU):
        return "gpu"
    return "slow" if fixtures & SLOW_FIXTURES or among(SLOW) and not among(FAST) else "fast"


@pytest.fixture(scope="session")
def renderer():
    from facelift.synthesis.dataset import prepare_worker
    from facelift.synthesis.renderer import NoContextError, Renderer

    prepare_worker()
    try:
        return Renderer()
    except NoContextError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def stand_in():
    """A served page on a pipeline without weights: (pipeline, url)."""
    from fakes import FakePipeline
    from page import free_port

    from facelift.serving.settings import ServiceSettings
    from facelift.ui import build_app, launch

    pipeline, port = FakePipeline(), free_port()
    app = build_app(pipeline, ServiceSettings(film_length=0.4, share_hours=24))
    pipeline.jobs = app.service.jobs  # what a server that is restarted forgets
    launch(app, server_port=port, prevent_thread_lock=True, quiet=True)
    yield pipeline, f"http://127.0.0.1:{port}"
    app.close(verbose=False)


@pytest.fixture(scope="session")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs Chromium")
    from page import FLAGS

    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    from page import opened

    with opened(browser) as open_:
        yield open_


@pytest.fixture(scope="session")
def visitor(stand_in, browser):
    """A page on which a head has been made, shared by all tests that only look at it: `visit` is how they get it."""
    from page import SAVES_DATA, SHARES, make_head, opened

    _, url = stand_in
    with opened(browser) as open_:
        page = open_(url, script=f"{SAVES_DATA}; {SHARES}")
        make_head(page)
        page.wait_for_selector("#ran p")
        yield page


@pytest.fixture
def visit(visitor):
    """The shared page as it is after loading: seen from the front, whatever another test did, or left undone."""
    from page import at_rest

    visitor.evaluate(
        """() => {
          const viewer = document.querySelector(".splat-viewer"), press = (what) => viewer.querySelector(`[data-do=${what}]`).click();
          if (viewer.classList.contains("full")) press("full");
          if (!viewer.querySelector(".splat-settings").hidden) press("settings");
          press("reset");
          viewer.scrollIntoView({ block: "nearest" }); // out of sight it draws nothing
          document.activeElement.blur(); // no outline
        }"""
    )
    if visitor.query_selector("#views .preview"):
        visitor.keyboard.press("Escape")
    at_rest(visitor)
    return visitor


@pytest.fixture(scope="session")
def files(visitor, tmp_path_factory) -> dict[str, Path]:
    """What the visitor took home, by file name."""
    from page import download_all

    return download_all(visitor, tmp_path_factory.mktemp("downloads"))
