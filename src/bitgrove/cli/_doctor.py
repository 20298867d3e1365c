"""``bitgrove doctor``."""

from __future__ import annotations

import importlib.metadata
import os
import platform

from .. import __version__, kernels

_EXTRAS = {
    "core": ("numpy", "safetensors", "pillow", "cyclopts", "rich"),
    "train": (
        "torch",
        "lightning",
        "torchmetrics",
        "scikit-learn",
        "scipy",
        "jinja2",
        "matplotlib",
        "pooch",
    ),
    "onnx": ("onnx",),
    "parquet": ("pyarrow",),
    "localisation": ("opencv-python-headless",),
    "bench": (
        "faiss-cpu",
        "hnswlib",
        "lightgbm",
        "ngt",
        "onnx",
        "onnxruntime",
        "onnxscript",
        "pyvsag",
        "scalable-vs",
        "scann",
        "skl2onnx",
        "tl2cgen",
        "treelite",
        "usearch",
        "ydf",
    ),
}


def doctor() -> None:
    """Show the CPU level, the versions, and which extras are missing."""
    print(f"bitgrove        {__version__}")
    print(f"python          {platform.python_version()} on {platform.system().lower()}")
    print(f"cpu             {kernels.cpu_name()}, {kernels.usable_cpus()} usable")
    forced = " (forced by BITGROVE_SIMD)" if os.environ.get("BITGROVE_SIMD") else ""
    print(f"simd            {kernels.simd_level()}{forced} of {', '.join(kernels.simd_levels())}")
    print(f"data folder     {os.environ.get('BITGROVE_DATA') or 'BITGROVE_DATA is not set'}")
    for extra, packages in _EXTRAS.items():
        versions = {package: _version(package) for package in packages}
        missing = [package for package, version in versions.items() if version is None]
        print(f"\n{extra}")
        for package, version in versions.items():
            print(f"  {package:<14}{version or 'missing'}")
        if missing:
            print(f"  install the rest with: pip install 'bitgrove[{extra}]'")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
