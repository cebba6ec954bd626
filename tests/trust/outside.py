"""The installed C library, used by a small program outside the tree; and one wheel, installed in an empty folder."""

from __future__ import annotations

import shutil
import sys

from trust.rows import Held, row
from trust.shell import BUILD, CSRC, ROOT, jobs, run

PROGRAM = """
#include <storsim/storport.h>
#include <stdio.h>
int main(void) {
    storsim_range_t ram = {.start = 0x100000, .length = 64 << 20};
    storsim_machine_t *pc;
    uint32_t hba;
    storsim_adapter_config_t config;
    if (storsim_machine_create(&(storsim_machine_config_t){.ranges = &ram, .range_count = 1}, &pc)) return 1;
    if (storsim_nt_boot(pc, NULL) || storsim_storport_attach(pc)) return 2;
    storsim_adapter_config_init(&config);
    config.name = "hba0";
    if (storsim_adapter_add(pc, &config, &hba)) return 3;
    storsim_arg_t args[4] = {{.value = storsim_adapter_extension(pc, hba), .present = true},
                             {.value = 64, .present = true}, {.value = 0x74736554, .present = true}, {.present = true}};
    const storsim_routine_t *pool = storsim_ddi_find(STORSIM_F_STORPORT, "StorPortAllocatePool");
    uint64_t status;
    if (storsim_storport_call(pc, pool, args, &status)) return 4;
    printf("status %llu, written %d\\n", (unsigned long long)status, args[3].written);
    storsim_machine_destroy(pc);
    return status != 0;
}
"""


@row("C library", "installed headers and library serve a C and a C++ program outside the tree")
def library() -> Held:
    """make install into an empty folder; a C compiler and a C++ compiler that see nothing else."""
    folder = BUILD / "outside"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settings = [f"PREFIX={folder / 'prefix'}", f"BUILD={BUILD / 'plain'}", "WERROR="]
    run(["make", "-s", f"-j{jobs()}", "install", *settings], cwd=CSRC)
    (folder / "first.c").write_text(PROGRAM)
    (folder / "all.cc").write_text("".join(f"#include <storsim/{h.name}>\n" for h in _headers()) + "int main() {}\n")
    prefix = folder / "prefix"
    places = [f"-I{prefix}/include", f"-L{prefix}/lib"]
    warnings = ["-Wall", "-Wextra", "-Werror"]
    run(["gcc", "-std=c11", *warnings, "first.c", *places, "-lstorsim", "-o", "first"], cwd=folder)
    run(["g++", "-std=c++17", *warnings, "all.cc", *places, "-o", "all"], cwd=folder)
    said = run([str(folder / "first")]).strip()
    return Held(said == "status 0, written 1", f"a C program of {len(PROGRAM.split(chr(10))) - 2} lines says: {said}")


def _headers() -> list:  # type: ignore[type-arg]
    return sorted((CSRC / "include" / "storsim").glob("*.h"))


@row("wheel", "source distribution to wheel to an empty environment: the demo runs and nothing else is installed")
def wheel() -> Held:
    """Builds the wheel from the sources and installs it where there is nothing."""
    folder = BUILD / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)])
    name = next(folder.glob("*.whl")).name
    run([sys.executable, "-m", "venv", str(folder / "venv")])
    python = str(folder / "venv" / "bin" / "python")
    run([python, "-m", "pip", "install", "-q", "--no-index", str(folder / name)])
    lines = run([str(folder / "venv" / "bin" / "storsim"), "demo"], cwd=folder).splitlines()
    installed = run([python, "-m", "pip", "list", "--format=freeze"]).split()
    extra = [line for line in installed if not line.startswith(("pip", "setuptools", "storsim"))]
    return Held(not extra and len(lines) > 20, f"{name}: the demo prints {len(lines)} lines, {len(extra)} dependencies")
