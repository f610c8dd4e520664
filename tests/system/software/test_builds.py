"""Builds: what starts hundreds of short programs, and what several languages' package managers do to files."""

from __future__ import annotations

import pytest

from system.support.leaks import leaving_nothing
from system.support.machine import running

pytestmark = [pytest.mark.root, pytest.mark.machine]

SETUP_PY = """from setuptools import setup, Extension
setup(name="quick", version="1.0", py_modules=["slow"], ext_modules=[Extension("quick", ["quick.c"])],
      entry_points={"console_scripts": ["quick = slow:main"]})"""
QUICK_C = r"""#include <Python.h>
static PyObject *twice(PyObject *self, PyObject *argument) { return PyNumber_Multiply(argument, PyLong_FromLong(2)); }
static PyMethodDef methods[] = {{"twice", twice, METH_O, ""}, {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "quick", "", -1, methods};
PyMODINIT_FUNC PyInit_quick(void) { return PyModule_Create(&module); }"""
RUST_LIBRARY = """pub fn squares(to: u64) -> u64 { (1..=to).map(|n| n * n).sum() }
#[cfg(test)] mod tests { #[test] fn ten() { assert_eq!(crate::squares(10), 385); } }"""
RUST_MAIN = r"""use std::{io::Read, net::{TcpListener, TcpStream}, sync::mpsc, thread};
fn main() {
    let (give, take) = mpsc::channel();
    for to in 1..=8u64 { let give = give.clone(); thread::spawn(move || give.send(library::squares(to)).unwrap()); }
    drop(give);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || { use std::io::Write; listener.accept().unwrap().0.write_all(b"served").unwrap() });
    let mut text = String::new();
    TcpStream::connect(address).unwrap().read_to_string(&mut text).unwrap();
    server.join().unwrap();
    println!("{} {}", take.iter().sum::<u64>(), text);
}"""


@pytest.fixture(scope="module")
def box(workshop, smith):
    with leaving_nothing(workshop), running(workshop, smith, "box", "--no-network", "--memory", "1G") as machine:
        yield machine


def write(machine, path, text):
    machine.sh(f"mkdir -p $(dirname {path}); cat > {path}", input=text)


def test_make_with_many_at_once(box):
    """60 files, four compilers side by side; then make sees that nothing is to be done, and one file that has changed."""
    write(
        box,
        "/root/make/Makefile",
        """
parts := $(addprefix part,$(addsuffix .o,$(shell seq 60)))
program: main.o library.a ; $(CC) -o $@ $^
library.a: $(parts) ; $(AR) rcs $@ $^
%.o: %.c common.h ; $(CC) -O1 -c -o $@ $<
""",
    )
    box.sh("""cd /root/make; echo 'int total(int);' > common.h
        for number in $(seq 60); do printf '#include <stdio.h>\\n#include "common.h"\\nint part%d(int n) { return n + %d; }\\n' $number $number > part$number.c; done
        { seq -f 'int part%g(int);' 60; echo '#include <stdio.h>'; echo 'int main(void) { int sum = 0;'; seq -f 'sum += part%g(0);' 60
          echo 'return printf("%d", sum) < 0; }'; } > main.c""")
    assert "program" in box.sh("cd /root/make; make -j4 2>&1", timeout=180)
    assert box.sh("cd /root/make; ./program") == "1830"
    assert "up to date" in box.sh("cd /root/make; make -j4 2>&1")
    assert (
        box.sh("cd /root/make; sed -i 's/n + 7;/n + 8;/' part7.c; make -j4 | grep -c -- -c; ./program", timeout=60) == "1\n1831"
    )


def test_pip_builds_and_installs(box):
    """An extension in C from its source, without a network: what pip needs is in the environment that venv makes."""
    write(box, "/root/quick/setup.py", SETUP_PY)
    write(box, "/root/quick/quick.c", QUICK_C)
    write(box, "/root/quick/slow.py", "import quick\ndef main(): print(quick.twice(21))")
    box.sh("apt-config dump > /dev/null; python3 -m venv /root/venv && cd /root && tar czf quick-1.0.tar.gz quick", timeout=120)
    box.sh(
        "CFLAGS=-I$(python3 -c 'import sysconfig; print(sysconfig.get_path(\"include\"))') "
        "/root/venv/bin/pip install -q --no-index --no-build-isolation /root/quick-1.0.tar.gz 2>&1",
        timeout=180,
    )
    assert box.sh("/root/venv/bin/quick") == "42"
    assert box.sh("/root/venv/bin/pip check") == "No broken requirements found."
    box.sh("/root/venv/bin/pip uninstall -q -y quick; test ! -e /root/venv/bin/quick", timeout=60)


def test_npm_installs_and_runs(box):
    """A tree of packages from archives made here, links to programs, a script that runs one of them."""
    box.sh(
        """cd /root && mkdir -p npm && cd npm
        for name in low middle; do
            mkdir -p $name; depends=; test $name = low || depends='"low": "^1.0.0"'
            printf '{"name": "%s", "version": "1.0.0", "bin": {"say-%s": "say.js"}, "dependencies": {%s}}' $name $name "$depends" > $name/package.json
            printf '#!/usr/bin/env node\\nmodule.exports = "%s"; if (require.main === module) console.log("%s says")\\n' $name $name > $name/say.js
            printf '{}' > $name/index.js; (cd $name; npm pack --silent --pack-destination .. > /dev/null)
        done
        mkdir top; printf '{"name": "top", "version": "1.0.0", "scripts": {"build": "say-middle > built && say-low >> built"}}' > top/package.json
        cd top && npm install --offline --no-audit --no-fund ../middle-1.0.0.tgz ../low-1.0.0.tgz 2>&1 && npm run --silent build""",
        timeout=180,
    )
    assert (
        box.sh("cat /root/npm/top/built; cd /root/npm/top; npm ls --all --parseable | wc -l", timeout=60)
        == "middle says\nlow says\n3"
    )
    box.sh("cd /root/npm/top; npm ci --offline --no-audit --no-fund 2>&1; test -L node_modules/.bin/say-middle", timeout=120)


def test_cargo_builds_and_tests(box):
    for path, text in {
        "Cargo.toml": '[workspace]\nmembers = ["library", "program"]',
        "library/Cargo.toml": '[package]\nname = "library"\nversion = "0.1.0"\nedition = "2021"',
        "library/src/lib.rs": RUST_LIBRARY,
        "program/Cargo.toml": '[package]\nname = "program"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\nlibrary = { path = "../library" }',
        "program/src/main.rs": RUST_MAIN,
    }.items():
        write(box, f"/root/cargo/{path}", text)
    assert "1 passed" in box.sh("cd /root/cargo; cargo test --offline 2>&1", timeout=280)
    assert box.sh("cd /root/cargo; cargo run --offline --quiet 2>&1", timeout=120) == "540 served"
