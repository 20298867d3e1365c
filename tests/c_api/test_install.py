"""What is installed can be found, compiled against and linked, and holds no more than it should."""

import re
import shutil

import pytest
from PIL import Image

import bitgrove as bg

from ..programs import ROOT, call, tool
from ..runtime.conftest import pictures

EXAMPLE = ROOT / "examples" / "c"


@pytest.fixture(scope="module")
def declared(installed):
    header = (installed / "include" / "bitgrove.h").read_text()
    return set(re.findall(r"^BITGROVE_API .*?(bitgrove_\w+)\(", header, re.MULTILINE))


def test_the_library_shows_the_functions_of_its_header_and_nothing_else(installed, declared):
    assert len(declared) > 15
    table = call("nm", "-D", "--defined-only", installed / "lib" / "libbitgrove.so")
    assert {line.split()[-1] for line in table.splitlines()} == declared


def test_the_tests_know_every_function(library, declared):
    assert declared == {f"bitgrove_{name}" for name in vars(library) if name != "c"}


def test_versions_agree(library, installed):
    header = (installed / "include" / "bitgrove.h").read_text()
    numbers = re.findall(r"define BITGROVE_VERSION_\w+ (\d+)", header)
    assert ".".join(numbers) == library.version().decode() == bg.__version__
    assert library.format_version() == bg.runtime._artifact._VERSION


@pytest.mark.parametrize("language", [("c", "c99"), ("c++", "c++11")])
def test_the_header_alone_is_strict_c99_and_c_plus_plus(installed, language):
    name, standard = language
    call(
        *("cc", "-x", name, f"-std={standard}", "-pedantic", "-Wall", "-Wextra", "-Werror"),
        *("-fsyntax-only", installed / "include" / "bitgrove.h"),
    )


def test_cmake_finds_the_package(installed, model_path, tmp_path):
    found = (f"-DCMAKE_PREFIX_PATH={installed}", f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}")
    call(tool("cmake"), "-S", EXAMPLE, "-B", tmp_path, "-G", "Ninja", *found)
    call(tool("cmake"), "--build", tmp_path)
    assert "class-" in call(tmp_path / "classify", model_path)


@pytest.mark.skipif(not shutil.which("pkg-config"), reason="no pkg-config on this machine")
def test_pkg_config_finds_the_package(installed, library, monkeypatch):
    monkeypatch.setenv("PKG_CONFIG_PATH", str(installed / "lib" / "pkgconfig"))
    flags = call("pkg-config", "--cflags", "--libs", "bitgrove").split()
    assert flags == [f"-I{installed / 'include'}", f"-L{installed / 'lib'}", "-lbitgrove"]
    assert call("pkg-config", "--modversion", "bitgrove").strip() == library.version().decode()


def test_the_static_library_is_whole(installed, model_path, tmp_path):
    call(
        *("cc", "-O1", EXAMPLE / "classify.c", installed / "lib" / "libbitgrove.a"),
        *(f"-I{installed / 'include'}", "-lstdc++", "-lm", "-pthread", "-o", tmp_path / "classify"),
    )
    assert "class-" in call(tmp_path / "classify", model_path)


@pytest.fixture(scope="module")
def classify(link):
    return link(EXAMPLE / "classify.c")


def test_the_example_prints_the_logits_of_a_session(classify, artifact, model_path, tmp_path):
    Image.fromarray(pictures(1, seed=7)[0]).save(tmp_path / "p.pgm")
    shown = re.findall(
        r"% +(\S+) +logit (\S+)$", call(classify, model_path, tmp_path / "p.pgm"), re.M
    )
    session = bg.runtime.Session(artifact)
    logits = session.run(session.preprocessing([tmp_path / "p.pgm"]))[0]
    expected = sorted(zip(artifact.labels, logits.tolist(), strict=True), key=lambda p: -p[1])
    assert [(label, float(logit)) for label, logit in shown] == [
        (label, float(f"{logit:.9g}")) for label, logit in expected
    ]


def test_the_example_says_what_is_wrong(classify, model_path, tmp_path):
    def refused(*arguments):
        with pytest.raises(AssertionError) as raised:
            call(classify, *arguments)
        return str(raised.value)

    Image.fromarray(pictures(1)[0][:7]).save(tmp_path / "small.pgm")
    (tmp_path / "short.pgm").write_bytes(b"P5 8 # a comment\n8 255 abc")
    assert "must be 8 pixels wide and 8 high" in refused(model_path, tmp_path / "small.pgm")
    assert "cut short" in refused(model_path, tmp_path / "short.pgm")
    assert "No such file" in refused(tmp_path / "none.grove")
    assert "usage" in refused()
