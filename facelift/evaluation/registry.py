"""Every metric by name, in one place and without importing what measures. A new one is a line here and, if of pictures, a function."""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """label: with ", unit" behind it. better: "higher", "lower" or None. digits: behind the point.

    field, source: of a metric of a picture against its truth, which `--metrics` offers: where `PairMetrics` keeps it, and the module of
    `metrics` with the function that is it. A source that ends in "()" is called with (device, download) and returns it, or raises
    Unavailable.
    """

    label: str
    better: str | None
    digits: int
    field: str = ""
    source: str = ""


METRICS = {
    "psnr": Metric("PSNR, dB", "higher", 2, "tensors", "pictures.psnr"),
    "ssim": Metric("SSIM", "higher", 4, "tensors", "pictures.ssim"),
    "lpips": Metric("LPIPS", "lower", 4, "tensors", "networks.LPIPS.load()"),
    "dreamsim": Metric("DreamSim", "lower", 4, "tensors", "networks.DreamSim()"),
    "sharpness": Metric("sharpness, of the truth's", "higher", 3, "tensors", "unseen.sharpness"),
    "arcface": Metric("ArcFace distance", "lower", 4, "embedders", "faces.load_arcface()"),
    "dlib": Metric("dlib distance", "lower", 3, "embedders", "faces.load_dlib()"),
    "reid": Metric("Re-ID match", "higher", 4),
    "landmarks": Metric("landmark error, % of eye distance", "lower", 2, "landmarks", "faces.landmark_error"),
    "depth": Metric("depth error, units", "lower", 4),
    "grid": Metric("grid of 8 px, correlation", "lower", 3),
    "skin": Metric("skin, Delta E", "lower", 1),
    "hair": Metric("hair, Delta E", "lower", 1),
    "detail": Metric("detail, of the photo's", "higher", 3),
    "loose": Metric("loose pieces in the worst view, %", "lower", 2),
    "janus": Metric("face on the back (Janus)", "lower", 3),
    "found": Metric("face found", "higher", 3),
    "fid": Metric("FID", "lower", 2, "inception", "networks.Inception()"),
    "clip": Metric("CLIP similarity", "higher", 4, "clip", "networks.Clip()"),
    "o2o": Metric("output-to-output ID", "higher", 4),
    "i2o": Metric("input-to-output ID", "higher", 4),
    "seeds": Metric("another seed, PSNR, dB", None, 2),
    "aligned": Metric("views aligned by their own landmarks", "higher", 3),
    "gaussians": Metric("Gaussians", None, 0),
    "seconds": Metric("seconds", "lower", 2),
}
OFFERED = tuple(name for name, metric in METRICS.items() if metric.source)  # by --metrics
