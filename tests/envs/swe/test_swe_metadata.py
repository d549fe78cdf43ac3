"""What a source tree says of itself, read without running it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.envs.swe.metadata import Metadata, read_metadata


def of(**files):
    return read_metadata({name.replace("_toml", ".toml").replace("__", "."): text for name, text in files.items()}.get)


PYPROJECT = """
[project]
name = "one"
version = "1.2"
dependencies = ["numpy>=1.20", "click"]
[project.optional-dependencies]
test = ["hypothesis"]
docs = ["sphinx"]
[project.scripts]
run = "one.main:go"
[tool.setuptools.packages.find]
where = ["lib"]
[tool.setuptools_scm]
write_to = "lib/one/_version.py"
"""
SETUP_CFG = """
[metadata]
name = one
version = 1.2
[options]
install_requires =
    numpy>=1.20  # since 2021
    # why it is needed
    click
package_dir =
    =lib
[options.extras_require]
test =
    hypothesis
[options.entry_points]
console_scripts =
    run = one.main:go
"""
SETUP_PY = """
import os
from setuptools import setup
NAME = "one"
least = "1.20"
requires = ["numpy>=%s" % least]
raise SystemExit("this file must never be run")
setup(name=NAME, version=os.environ["X"], install_requires=requires + ["click"], package_dir={"": "lib"},
      extras_require={"test": ["hypothesis"]}, entry_points={"console_scripts": ["run=one.main:go"]},
      use_scm_version={"write_to": "lib/one/_version.py"})
"""


@pytest.mark.parametrize("files", [{"pyproject_toml": PYPROJECT}, {"setup__cfg": SETUP_CFG}, {"setup__py": SETUP_PY}])
def test_each_form_is_read(files):
    found = of(**files)
    assert (found.name, found.requires, found.for_tests) == ("one", ("numpy>=1.20", "click"), ("hypothesis",))
    assert (dict(found.scripts), found.folders) == ({"run": "one.main:go"}, ("lib",))


@pytest.mark.parametrize("files", [{"pyproject_toml": PYPROJECT}, {"setup__cfg": SETUP_CFG}])
def test_a_version_that_is_written_out(files):
    assert of(**files).version == "1.2"


@pytest.mark.parametrize("files", [{"pyproject_toml": PYPROJECT}, {"setup__py": SETUP_PY}])
def test_where_a_version_of_the_history_goes(files):
    assert of(**files).version_file == "lib/one/_version.py"


def test_a_version_that_must_be_computed_is_absent():
    assert (of(setup__py=SETUP_PY).version, of(setup__cfg="[metadata]\nversion = attr: one.V\n").version) == ("", "")


def test_what_one_file_lacks_another_tells():
    found = of(pyproject_toml="[build-system]\nrequires = []\n", setup__cfg=SETUP_CFG, setup__py="setup()")
    assert found.name == "one"


@pytest.mark.parametrize(
    ("expression", "requires"),
    [
        ("['a', 'b']", ("a", "b")),
        ("f'a>={least}'", ()),
        ("[f'a>={least}']", ("a>=1.20",)),
        ("['a'] + unknown()", ("a",)),
        ("unknown() + ['a']", ()),
        ("['%s>=%s' % ('a', least)]", ("a>=1.20",)),
        ("['%d' % 'a']", ()),
        ("3", ()),
    ],
)
def test_expressions_of_setup(expression, requires):
    assert of(setup__py=f"least = '1.20'\nsetup(install_requires={expression})").requires == requires


@pytest.mark.parametrize("name", ["pyproject.toml", "setup.cfg", "setup.py"])
@given(text=st.text() | st.text(alphabet="[]=:\"'\n ()+%setup{}"))
def test_any_text_can_be_read(name, text):
    assert isinstance(read_metadata({name: text}.get), Metadata)


def test_no_files_say_nothing():
    assert of() == Metadata()
