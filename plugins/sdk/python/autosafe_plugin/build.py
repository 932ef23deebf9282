"""Packs a plugin into the one file that autosafe starts and locks.

    python3 -m autosafe_plugin.build [-p INTERPRETER] plugin.py OUT

OUT holds plugin.py, the modules and packages beside it, and this package.
Equal code gives equal bytes, so that packing again runs nothing again. What
plugin.py imports from elsewhere, such as grpc, must be installed where the
plugin runs.
"""

import argparse
import io
import os
import pathlib
import zipfile

_DATE = (1980, 1, 1, 0, 0, 0)


def members(main):
    """Gives the files to pack: their names inside, and their paths."""
    root = main.resolve().parent
    out = {"__main__.py": main}
    for path in sorted(root.glob("*.py")) + sorted(p for d in root.iterdir() if (d / "__init__.py").exists() for p in d.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if path != main.resolve() and not path.name.startswith("test_"):
            out[name] = path
    own = pathlib.Path(__file__).resolve().parent
    for path in sorted(own.glob("*.py")):
        out[f"{own.name}/{path.name}"] = path
    return out


def pack(main, out, interpreter="/usr/bin/env python3"):
    """Writes the file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as z:
        for name, path in sorted(members(pathlib.Path(main)).items()):
            z.writestr(zipfile.ZipInfo(name, _DATE), path.read_bytes())
    out = pathlib.Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")  # what runs may still be read
    part.write_bytes(f"#!{interpreter}\n".encode() + packed.getvalue())
    os.chmod(part, 0o755)
    part.replace(out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("-p", "--python", default="/usr/bin/env python3", help="the interpreter that runs it")
    parser.add_argument("main")
    parser.add_argument("out")
    args = parser.parse_args()
    pack(args.main, args.out, args.python)
