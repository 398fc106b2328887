"""The paper's way from frame to frame (supplement 3.5): a small network moves the Gaussians of one frame to what the next one shows.

The anchor's Gaussians are canonical. For each frame after it, and each before it, a network takes the position of a Gaussian and says how
position, opacity and scale change; it learns from renders of the head that was made of that frame alone, by the cameras of the views.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from scipy.spatial import cKDTree
from torch import Tensor, nn

from ..animation.head4d import MovingHead, in_range
from ..cameras import Cameras
from ..gaussians import Gaussians
from ..rendering import render
from .heads import Kept, Progress, Take, make_heads

STATE = ("means", "opacities", "scales")  # what changes from frame to frame


@dataclass(frozen=True)
class DeformSettings:
    """steps: of learning, a frame. rate: at first, it falls to nothing. size: pixels of the renders.
    nodes: Gaussians that the network sees; the others move as their neighbours do. More than there are: each for itself, as in the paper.
    neighbours: of each. layers, width: of the network. frequencies: of a position, beside the position itself; 0: as in the paper.
    reach: what the network's 1 means, of position (world units), opacity (logit) and scale (log).
    """

    steps: int = 24
    rate: float = 3e-3
    size: int = 128
    nodes: int = 1500
    neighbours: int = 4
    layers: int = 8
    width: int = 64
    frequencies: int = 4
    reach: tuple[float, float, float] = (0.1, 1.0, 0.3)


class Deformation(nn.Module):
    """Positions (N, 3) -> changes of position (N, 3), opacity (N,) and scale (N, 3); at first none."""

    def __init__(self, settings: DeformSettings):
        super().__init__()
        widths = [3 + 6 * settings.frequencies, *[settings.width] * (settings.layers - 1)]
        hidden = [layer for a, b in zip(widths, widths[1:], strict=False) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.net = nn.Sequential(*hidden, nn.Linear(settings.width, 7))
        self.frequencies, self.reach = settings.frequencies, settings.reach
        self.rest()

    def rest(self) -> None:
        """Nothing changes, whatever was learned before; how positions are told apart is kept."""
        last = self.net[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        waves = (at[..., None] * (torch.pi * 2.0 ** torch.arange(self.frequencies, device=at.device))).flatten(1)
        out = self.net(torch.cat([at, waves.sin(), waves.cos()], 1))
        position, opacity, scale = self.reach
        return position * out[:, :3], opacity * out[:, 3], scale * out[:, 4:]


class Nodes:
    """Which Gaussians the network sees, and how much of each the others follow: as they lie in the first frame."""

    def __init__(self, means: Tensor, settings: DeformSettings):
        every, here = len(means), torch.Generator().manual_seed(0)
        self.chosen = torch.randperm(every, generator=here)[: settings.nodes].sort().values if every > settings.nodes else None
        if self.chosen is not None:
            places = means.cpu().numpy()
            distance, index = cKDTree(places[self.chosen.numpy()]).query(places, range(1, min(settings.neighbours, settings.nodes) + 1))
            share = 1 / (distance + 1e-3)
            self.index = torch.from_numpy(index).to(means.device)
            self.share = torch.from_numpy(share / share.sum(1, keepdims=True)).to(means)

    def spread(self, network: Deformation, means: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.chosen is None:
            return network(means)
        found = network(means[self.chosen.to(means.device)])
        moved, opacity, scale = ((self.share[..., None] * part.reshape(len(part), -1)[self.index]).sum(1) for part in found)
        return moved, opacity[:, 0], scale


class DeformedHeads:
    """A moving head whose Gaussians keep rotation and colour."""

    def __init__(self, anchor: Gaussians, read: Callable[[int], Kept], count: int, fps: float):
        """read: means, opacities and scales of a frame."""
        self.anchor, self._read, self._count, self.fps = anchor, read, count, fps

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, frame: int) -> Gaussians:
        return with_state(self.anchor, self._read(in_range(frame, len(self))))


def with_state(gaussians: Gaussians, state: Kept) -> Gaussians:
    moved = {name: torch.from_numpy(state[name]).to(gaussians.means) for name in STATE}
    return replace(gaussians, **moved)


def state_of(gaussians: Gaussians) -> Kept:
    return {name: getattr(gaussians, name).detach().cpu().numpy() for name in STATE}


def deform_heads(take: Take, progress: Progress, settings: DeformSettings) -> DeformedHeads:
    """Goes on where it was stopped, to the same result."""
    targets = make_heads(take, progress)
    start, count, kept = take.performance.anchor, len(targets), take.kept
    anchor = targets.alone(start)
    cameras = take.pipe.rig.cameras(settings.size).to(anchor.means.device)
    nodes, done = Nodes(anchor.means, settings), 0
    kept.arrays(name_of(start), partial(state_of, anchor))
    for way in (1, -1):
        network, before = seeded(settings, anchor.means.device), anchor
        for frame in range(start + way, count if way > 0 else -1, way):
            state = kept.arrays(name_of(frame), partial(learn, network, nodes, before, targets, frame, cameras, settings))
            with torch.no_grad():
                nn.utils.vector_to_parameters(torch.from_numpy(state["network"]).to(before.means), network.parameters())
            before, done = with_state(anchor, state), done + 1
            progress("deform", done, count - 1)
    return DeformedHeads(anchor, lambda frame: kept.read(name_of(frame)), count, targets.fps)


def name_of(frame: int) -> str:
    return f"deformed_{frame:05d}"


def seeded(settings: DeformSettings, device: torch.device) -> Deformation:
    """A new network, the same each time; no other random number changes by it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Deformation(settings).to(device)


def learn(
    network: Deformation, nodes: Nodes, before: Gaussians, targets: MovingHead, frame: int, cameras: Cameras, settings: DeformSettings
) -> Kept:
    """From `before` on to what the head of a frame shows: the state there, and `network`, its numbers."""
    network.rest()
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(settings.steps, 1))
    pictures = render(targets[frame], cameras).rgb.detach()
    with torch.enable_grad():
        for step in range(settings.steps):
            view = step % len(cameras)
            drawn = render(moved(network, nodes, before), cameras[view]).rgb[0]
            optimizer.zero_grad()
            (drawn - pictures[view]).abs().mean().backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        after = moved(network, nodes, before)
    return {**state_of(after), "network": nn.utils.parameters_to_vector(network.parameters()).detach().cpu().numpy()}


def moved(network: Deformation, nodes: Nodes, before: Gaussians) -> Gaussians:
    means, opacities, scales = nodes.spread(network, before.means)
    return replace(before, means=before.means + means, opacities=before.opacities + opacities, scales=before.scales + scales)
