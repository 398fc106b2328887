"""A device faster than the processes that prepare its samples: what they made is kept on it and shown again."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

Sample = tuple[Tensor, ...]


class Packed(Dataset):
    """Samples in bytes: pictures (0..1) in steps of 1/255, classes as they are."""

    def __init__(self, samples: Dataset):
        self.samples = samples

    def __getitem__(self, index: int) -> Sample:
        return tuple((t * 255).round().clamp(0, 255).byte() if t.is_floating_point() else t.byte() for t in self.samples[index])


def unpacked(packed: Sample, pictures: int) -> Sample:
    """pictures: how many of the first parts are pictures; the others become int64."""
    return tuple(t.float() / 255 if i < pictures else t.long() for i, t in enumerate(packed))


class Reused:
    """Batches drawn at random from the newest samples, for as long as they are asked for.

    A thread takes samples as they come; the device waits for none but the first. So what a step sees depends on the machine's speed,
    and a run that is continued is not the run that was never stopped.
    """

    def __init__(self, loader: DataLoader, keep: int, batch: int, pictures: int, device: torch.device, seed: int = 0):
        """loader: batches of `Packed` samples.
        keep: how many of the newest stay on the device.
        batch: how many make one batch.
        pictures: as of `unpacked`.
        seed: of the draw.
        """
        self.keep, self.batch, self.pictures, self.device = keep, batch, pictures, device
        self.made = 0
        self.failure: Exception | None = None
        self.store: list[Tensor] = []
        self.changed = threading.Condition()
        self.draw = torch.Generator().manual_seed(seed)
        self.stopped = False
        samples = iter(loader)  # here, so that its processes start before there are two threads
        self.thread = threading.Thread(target=self._take, args=(samples,), daemon=True)
        self.thread.start()

    def _take(self, samples: Iterator[Sample]) -> None:
        try:
            for packed in samples:
                with self.changed:
                    if not self.store:
                        self.store = [torch.empty((self.keep, *t.shape[1:]), dtype=t.dtype, device=self.device) for t in packed]
                    places = (torch.arange(len(packed[0])) + self.made) % self.keep
                    for kept, new in zip(self.store, packed, strict=True):
                        kept[places.to(self.device)] = new.to(self.device)
                    self.made += len(packed[0])
                    self.changed.notify()
                    if self.stopped:
                        return
        except Exception as error:  # handed to whoever waits
            with self.changed:
                self.failure = error
                self.changed.notify()

    def __iter__(self) -> Iterator[Sample]:
        """Ends the preparation with the loop. Raises RuntimeError where that failed."""
        try:
            while True:
                with self.changed:
                    self.changed.wait_for(lambda: self.made >= self.batch or self.failure)
                    if self.failure:
                        raise RuntimeError("no more samples could be prepared") from self.failure
                    chosen = torch.randint(min(self.made, self.keep), (self.batch,), generator=self.draw).to(self.device)
                    packed = tuple(kept[chosen] for kept in self.store)
                yield unpacked(packed, self.pictures)
        finally:
            self.stopped = True
            self.thread.join()
