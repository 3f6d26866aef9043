"""What an installation holds: one package, with every room of the repository inside it.

    actors/, supervisor.py ...  ->  token_discovery/rooms/{actors/, supervisor.py ...}

pyproject.toml can only list packages by name; here a new folder is found by itself.
"""

from setuptools import find_packages, setup

ROOMS = "token_discovery.rooms"
NOT_INSTALLED = ("benchmarks", "benchmarks.*", "tests", "tests.*", "token_discovery")

setup(
    packages=[
        "token_discovery",
        *(f"{ROOMS}.{package}" for package in find_packages(exclude=NOT_INSTALLED)),
        f"{ROOMS}.docs",  # no package of Python's: the runbook, which the service serves
    ],
    package_dir={ROOMS: "."},
    py_modules=[f"{ROOMS}.service", f"{ROOMS}.supervisor"],
)
