"""Where windows lie on an image: pairs, output sizes, and checks whose errors name the legal sizes."""

from typing import NamedTuple

from tinygen.errors import arguments

Pair = int | tuple[int, int]  # (height, width), or one number for both


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


def check_conv2d(name: str, x, w, form: Geometry) -> None:
    """Raise ValueError unless images x and a kernel w fit together."""
    check_image(x, f"{name}: x")
    _check_kernel(name, w)
    if x.shape[3] != w.shape[2]:
        raise ValueError(
            f"{name}: x has {x.shape[3]} channels {x.shape} but w expects {w.shape[2]} {w.shape}; "
            "images are (N, H, W, C), kernels (KH, KW, C, O), and there are no groups"
        )
    form.outputs(x.shape[1:3], w.shape[:2], name)


def check_conv_transpose2d(name: str, g, w, size: tuple[int, int], form: Geometry) -> None:
    """Raise ValueError unless g, a kernel w and the size of the images fit together."""
    check_image(g, f"{name}: g")
    _check_kernel(name, w)
    if g.shape[3] != w.shape[3]:
        raise ValueError(
            f"{name}: g has {g.shape[3]} channels {g.shape} but w expects {w.shape[3]} {w.shape}; "
            "the kernel of a transpose is (KH, KW, C_out, C_in)"
        )
    heights, widths = form.sizes(g.shape[1:3], w.shape[:2])
    if size[0] not in heights or size[1] not in widths:
        raise ValueError(
            f"{name}: size {size} is not one that conv2d sends to {g.shape[1:3]}; "
            f"legal heights {list(heights)}, legal widths {list(widths)}"
        )


def check_conv2d_weight(name: str, x, g, kernel_size: tuple[int, int], form: Geometry) -> None:
    """Raise ValueError unless g is what `conv2d` could make of x with a kernel of this size."""
    check_image(x, f"{name}: x")
    check_image(g, f"{name}: g")
    expected = (x.shape[0], *form.outputs(x.shape[1:3], kernel_size, name))
    if g.shape[:3] != expected:
        raise ValueError(f"{name}: g has (N, GH, GW) = {g.shape[:3]} but conv2d makes {expected} of {x.shape}")


def _check_kernel(name: str, w) -> None:
    if w.ndim != 4 or 0 in w.shape[:2]:
        raise ValueError(f"{name}: expected a kernel (KH, KW, C, O), got shape {w.shape}")


def check_bias(name: str, b, channels: int, activation: str | None) -> None:
    """Raise ValueError unless b has an entry per channel and the activation is one that convolutions compute."""
    if activation not in (None, "relu"):
        raise ValueError(f'{name}: activation must be None or "relu", got {activation!r}; call others on its result')
    if b.shape != (channels,):
        raise ValueError(f"{name}: expected a bias ({channels},), one number per channel made, got shape {b.shape}")
