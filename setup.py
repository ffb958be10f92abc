"""Package metadata of ci-framework: the one place that states it.

The plain install is the worker, with few dependencies; the extra ``[master]`` adds what a
master needs, ``[postgresql]`` the driver of that database, ``[markdown]`` what turns
descriptions of builders into HTML, ``[lz4]`` and ``[brotli]`` more ways to compress logs.
"""

from pathlib import Path

from setuptools import find_packages, setup

ROOMS = {"common": "ci_common", "worker": "ci_worker", "master": "ci_master", "www": "ci_www"}
HERE = Path(__file__).parent

packages = []
for folder, package in ROOMS.items():
    packages.append(package)
    packages += [f"{package}.{name}" for name in find_packages(f"{folder}/{package}")]

WORKER = [
    "twisted[tls]>=23.10",
    "autobahn>=23.6",
    "msgpack>=1.0.5",
    "psutil>=5.9,<8",
    "filelock>=3.12,<5",
    # Twisted itself needs it there, and so do job objects.
    'pywin32>=306; platform_system == "Windows"',
]
POSTGRESQL = ["psycopg[binary]>=3.1,<4"]
MARKDOWN = ["markdown>=3.4,<4", "nh3>=0.2.17,<1"]
LZ4 = ["lz4>=4,<5"]
BROTLI = ["brotli>=1.0.9,<2"]
MASTER = [
    "sqlalchemy>=2.0.30,<3",
    "alembic>=1.13,<2",
    "jinja2>=3.1,<4",
    "autobahn>=23.6",
    "pyyaml>=6,<7",
    "zstandard>=0.22,<1",
    "croniter>=2,<7",
]
TEST = [
    *POSTGRESQL,
    *MARKDOWN,
    *LZ4,
    *BROTLI,
    "aiosmtpd>=1.4,<2",
    "axe-core-python>=0.1,<1",
    "docutils>=0.20,<1",
    "pytest>=8,<10",
    "pytest-xdist>=3.5,<4",
    "hypothesis>=6,<7",
    "selenium>=4.20,<5",
    "import-linter>=2,<3",
    "mypy>=1.10",
    "mypy-zope>=1.0",
    "ruff>=0.6",
    "types-PyYAML",
    "types-docutils",
    "types-psutil",
]

setup(
    name="ci-framework",
    version="0.1.0",
    description="Continuous integration for people who own their machines",
    long_description=(HERE / "README.rst").read_text() if (HERE / "README.rst").exists() else "",
    long_description_content_type="text/x-rst",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=packages,
    package_dir={package: f"{folder}/{package}" for folder, package in ROOMS.items()},
    package_data={
        "ci_master": [
            "storage/migrations/*.py",
            "storage/migrations/versions/*.py",
            "py.typed",
            "cli/templates/*",
        ],
        "ci_worker": ["py.typed"],
        "ci_common": ["py.typed"],
        "ci_www": ["templates/*", "templates/*/*", "static/*", "py.typed"],
    },
    install_requires=WORKER,
    extras_require={
        "master": MASTER,
        "postgresql": POSTGRESQL,
        "markdown": MARKDOWN,
        "lz4": LZ4,
        "brotli": BROTLI,
        "test": [*MASTER, *TEST],
    },
    entry_points={
        "console_scripts": [
            "ci-master = ci_master.cli.main:main",
            "ci-worker = ci_worker.cli.main:main",
        ],
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Framework :: Twisted",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3.11",
        "Topic :: Software Development :: Testing",
    ],
)
