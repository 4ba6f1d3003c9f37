"""Where a window sits on an image: pairs, output sizes, and errors that name the legal sizes."""

from typing import NamedTuple

from tinygen.errors import arguments


class Geometry(NamedTuple):
    """How a window moves: each a pair (height, width)."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]

    def outputs(self, size: tuple[int, int], kernel_size: tuple[int, int], name: str) -> tuple[int, int]:
        """How many windows fit: ⌊(H + 2p - d(K-1) - 1)/s⌋ + 1 per axis (Dumoulin & Visin 2016). Raises if none does."""
        reach = [d * (k - 1) + 1 for d, k in zip(self.dilation, kernel_size)]
        counts = [(h + 2 * p - r) // s + 1 for h, p, r, s in zip(size, self.padding, reach, self.stride)]
        if min(counts) < 1:
            raise ValueError(
                f"{name}: a window of {reach[0]} x {reach[1]} (kernel {kernel_size}, dilation {self.dilation}) doesn't "
                f"fit into an image of {size[0]} x {size[1]} with padding {self.padding}: pad more or shrink the kernel"
            )
        return counts[0], counts[1]

    def sizes(self, outputs: tuple[int, int], kernel_size: tuple[int, int]) -> tuple[range, range]:
        """The image sizes from which exactly these outputs come: `stride` of them per axis."""
        smallest = [
            s * (g - 1) + d * (k - 1) + 1 - 2 * p
            for g, k, s, p, d in zip(outputs, kernel_size, self.stride, self.padding, self.dilation)
        ]
        heights, widths = (range(max(n, 1), n + s) for n, s in zip(smallest, self.stride))
        return heights, widths


def geometry(stride, padding, dilation, name: str) -> Geometry:
    """Each of the three as a pair; raises for a stride or dilation below 1 or a negative padding."""
    return Geometry(
        arguments.pair(name, "stride", stride, least=1),
        arguments.pair(name, "padding", padding, least=0),
        arguments.pair(name, "dilation", dilation, least=1),
    )


def check_image(x, name: str) -> None:
    """Raises unless x is a batch of images, channels last."""
    if x.ndim != 4:
        hint = {
            3: ": x[None] adds the batch axis, x[..., None] the channels",
            2: ": x[None, ..., None] adds the others",
        }
        raise ValueError(
            f"{name}: expected images (N, H, W, C), channels last, got shape {x.shape}{hint.get(x.ndim, '')}"
        )
