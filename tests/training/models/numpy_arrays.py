#!/usr/bin/env python3
"""Arrays as NumPy writes them, for the tests of npy and npz files. By hand, with NumPy 1.24:

    /usr/bin/python3 tests/training/models/numpy_arrays.py

writes tests/training/models/data/arrays.npz and the files npy_*. The test knows their elements: element k of an array,
counted in rows, is k - 3 for signed types, k for unsigned ones, (k - 3) / 4 for floats, k % 3 == 0 for booleans.
"""

import pathlib

import numpy

DATA = pathlib.Path(__file__).resolve().parent / "data"
SHAPES = {"scalar": (), "row": (5,), "matrix": (2, 3), "cube": (2, 3, 4), "empty": (0, 3)}
TYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]


def array(shape, dtype):
    k = numpy.arange(int(numpy.prod(shape)), dtype=numpy.int64).reshape(shape)
    kind = numpy.dtype(dtype).kind
    values = {"b": k % 3 == 0, "u": k, "i": k - 3, "f": (k - 3) / 4}[kind]
    return numpy.asarray(values, dtype=dtype)


def main():
    DATA.mkdir(exist_ok=True)
    arrays = {}
    for name, shape in SHAPES.items():
        for dtype in TYPES:
            for order in "<>" if numpy.dtype(dtype).itemsize > 1 else "|":
                arrays[f"{name} {order}{dtype}"] = array(shape, order + dtype)
                if len(shape) > 1:
                    arrays[f"{name} {order}{dtype} columns"] = numpy.asfortranarray(array(shape, order + dtype))
    numpy.savez_compressed(DATA / "arrays.npz", **arrays)
    numpy.savez(DATA / "stored.npz", x=array((2, 3), "<f4"), y=array((2,), "<i8"), **{"größe": array((), "<f8")})
    numpy.savez(DATA / "none.npz")
    matrix = array((2, 3), "<f4")
    for version in (1, 2, 3):
        with open(DATA / f"npy_v{version}.npy", "wb") as file:
            numpy.lib.format.write_array(file, matrix, version=(version, 0))
    numpy.save(DATA / "npy_structured.npy", numpy.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]))
    numpy.save(DATA / "npy_object.npy", numpy.array([{}], dtype=object))
    numpy.save(DATA / "npy_text.npy", numpy.array(["a"]))
    numpy.save(DATA / "npy_complex.npy", numpy.zeros(2, dtype=complex))
    numpy.save(DATA / "npy_seven_axes.npy", numpy.zeros((1,) * 7))


if __name__ == "__main__":
    main()
