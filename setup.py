"""What pyproject.toml cannot say: assets/ and weights/, which lie beside the package in a clone, are installed inside it.

So `pip install .` serves every user of the machine without the clone. Inside it, not under PREFIX/share, because a file of the package
is found in the same way in an environment, with --user and with --target. `python -m build` makes the wheel from the source archive,
which MANIFEST.in keeps free of the compact weights (94 MB): that wheel is for an index, and says where the weights are when it is used.
"""

from setuptools import find_packages, setup

DATA = {"facelift.share.assets": "assets", "facelift.share.weights": "weights"}

setup(
    packages=[*find_packages(include=["facelift", "facelift.*"]), *DATA],
    package_dir=DATA,
    package_data={
        "facelift": ["**/*.css", "**/*.glsl", "**/*.js", "**/*.json", "**/*.svg"],
        "facelift.share.assets": ["benchmarks/*", "examples/**/*", "face/*", "vendor/**/*", "viewer/*"],
        "facelift.share.weights": ["**/*"],
    },
    include_package_data=False,
)
