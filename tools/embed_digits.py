"""Make `tinygen/data/digits.npz` from `digits.csv.gz`, whose rows are 64 pixels (0 to 16) and a label.

Usage: python tools/embed_digits.py digits.csv.gz
The CSV file is the test part of the UCI digits, as in scikit-learn; `tinygen/data/digits.py` names its authors.
"""

import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np

CSV_SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"  # of the decompressed text
TARGET = Path(__file__).parents[1] / "tinygen" / "data" / "digits.npz"


def main(csv: str) -> None:
    """Check the hash of the CSV file, then write the arrays."""
    text = gzip.decompress(Path(csv).read_bytes())
    found = hashlib.sha256(text).hexdigest()
    if found != CSV_SHA256:
        sys.exit(f"{csv}: expected SHA-256 {CSV_SHA256}, got {found}")
    rows = np.loadtxt(text.decode().splitlines(), delimiter=",", dtype=np.uint8)  # (1797, 65)
    images, labels = rows[:, :64].reshape(-1, 8, 8), rows[:, 64]
    np.savez_compressed(TARGET, images=images, labels=labels)
    print(f"{TARGET}: {len(labels)} images, {TARGET.stat().st_size} bytes")
    print(f"SHA-256 of the content: {hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
