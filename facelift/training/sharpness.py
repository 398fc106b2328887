"""What makes the view generator's decoder paint sharp pictures: squared error, features, a discriminator, and what each pixel shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..multiview.compact import FACTOR, CompactViewGenerator
from ..multiview.decoder import CLASSES
from .features import Discriminator, Features, feature_distance

if TYPE_CHECKING:
    from .views import Predicted

CROP, SHAKE = 160, 16  # pixels, at most: the decoder is trained on crops; features see them from a little elsewhere each time
VIEWS = 3  # crops of a head, one a view
PATIENCE = 60  # steps before the discriminator counts
SWAY = 0.04  # of the discriminator while the decoder is new


class Judge:
    """Loss of the decoder on crops of the generated views. The discriminator learns with every call."""

    def __init__(self, device: torch.device, photos: int = 1, sway: float = SWAY):
        """photos: how many of the first views are the photo itself, which is not generated.
        sway: weight of what the discriminator wishes.
        """
        self.photos, self.sway = photos, sway
        self.features = Features().to(device)
        with torch.no_grad():
            widths = [f.shape[1] for f in self.features(torch.zeros(1, 3, 64, 64, device=device))]
        self.discriminator = Discriminator(widths).to(device)
        self.optimizer = torch.optim.Adam(self.discriminator.parameters(), 2e-4, (0.0, 0.9))

    def __call__(self, model: CompactViewGenerator, predicted: Predicted, classes: Tensor, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """model: with a decoder.
        predicted: what its UNet made, as of `views.predict`.
        classes: Shape (B, V, H, W).
        step: seeds what is random.
        Returns the loss and its parts for the curve.
        """
        decoder = model.decoder
        assert decoder is not None
        rng, generator = np.random.default_rng([7, step]), torch.Generator().manual_seed(step)
        side = min(CROP, classes.shape[-1])
        shake = min(SHAKE, side // 4)
        places = self.places(len(classes), model.views, classes.shape[-1] - side, rng)
        base = model.base(predicted.output, predicted.warped).detach()
        truth, base, warped = (
            torch.stack([crop(picture[i], y, x, side) for i, y, x in places])
            for picture in (F.pixel_shuffle(latents, FACTOR) for latents in (predicted.clean, base, predicted.warped))
        )
        features = decoder.features(predicted.output)
        features = torch.stack([crop(features[i], y, x, side, FACTOR) for i, y, x in places]).contiguous()
        shown = torch.stack([crop(classes.flatten(0, 1)[i][None], y, x, side)[0] for i, y, x in places])
        noise = [torch.randn(s, generator=generator).to(truth) for s in decoder.noise_shapes(len(places), features.shape[-1])]
        made, logits = decoder(features, base, warped, noise)

        error = made - truth
        squared = 0.5 * error.square().mean() + 0.15 * error.abs().mean() + 0.1 * error[:, 3].abs().mean()
        backgrounds = torch.rand((len(places), 3, 1, 1), generator=generator).to(truth)
        dy, dx = (int(shift) for shift in rng.integers(0, shake, 2))
        on_colors = (composited(p, backgrounds)[..., dy : dy + side - shake, dx : dx + side - shake] for p in (made, truth))
        of_made, of_truth = (self.features(p.contiguous(memory_format=torch.channels_last)) for p in on_colors)
        self.optimizer.zero_grad()
        against = self.discriminator.loss(of_truth, of_made)
        against.backward()
        self.optimizer.step()
        values = {"squared": squared, "features": feature_distance(of_made, of_truth), "classes": class_loss(logits, shown)}
        loss = squared + 0.3 * values["features"] + 0.05 * values["classes"]
        if step >= PATIENCE:
            values["wish"] = self.discriminator.wish(of_made)
            loss = loss + self.sway * values["wish"]
        return loss, {name: value.detach() for name, value in {**values, "discriminator": against}.items()}

    def places(self, heads: int, views: int, spare: int, rng: np.random.Generator) -> list[tuple[int, int, int]]:
        """View, row and column of each crop, in pixels, multiples of FACTOR. spare: pixels that a picture is larger than a crop."""
        room = spare // FACTOR + 1
        made = views - self.photos
        chosen = [(h * views + self.photos + int(v)) for h in range(heads) for v in rng.permutation(made)[:VIEWS]]
        return [(i, FACTOR * int(rng.integers(room)), FACTOR * int(rng.integers(room))) for i in chosen]


def crop(picture: Tensor, y: int, x: int, side: int, coarser: int = 1) -> Tensor:
    """picture: Shape (C, H, W), `coarser` times smaller than the pixels that y, x and side count."""
    return picture[:, y // coarser : (y + side) // coarser, x // coarser : (x + side) // coarser]


def composited(pictures: Tensor, backgrounds: Tensor) -> Tensor:
    """RGBA on white, -1..1 -> RGB on a colour, 0..1, so that the outline counts. backgrounds: Shape (N, 3, 1, 1)."""
    pictures = pictures / 2 + 0.5
    return pictures[:, :3] - (1 - pictures[:, 3:].clamp(0, 1)) * (1 - backgrounds)


def class_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Cross-entropy against shares around each pixel: strands let skin through. logits: Shape (N, 4, H, W). classes: Shape (N, H, W)."""
    shares = F.one_hot(classes, len(CLASSES)).permute(0, 3, 1, 2).float()
    shares = F.avg_pool2d(shares, 5, 1, 2, count_include_pad=False)
    return -(shares * logits.log_softmax(1)).sum(1).mean()
