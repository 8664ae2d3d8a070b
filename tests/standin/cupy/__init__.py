"""A stand-in for CuPy that computes with NumPy and refuses what CuPy refuses.

Put first on the path, with INTRIGUING_DEVICE=gpu, it lets a machine without a GPU notice arrays
of the host that meet arrays of the device: NumPy cannot read a stand-in array, and no operator,
index, assignment or function of the stand-in takes a NumPy array.  Only `asarray`, `array` and
`asnumpy` or `.get()` cross over.  Numbers, NumPy's scalars included, go with both, as in CuPy.
It is stricter than CuPy where CuPy's versions differ, and knows every function that NumPy has.
"""
import operator
from types import ModuleType

import numpy as np

from cupy import cuda  # noqa: F401


def _off(value):
    """What NumPy is to compute with: stand-in arrays opened, arrays of the host refused."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError("an array of the host where one of the device is needed: to_device(a)")
    if isinstance(value, (tuple, list)):
        return type(value)(_off(v) for v in value)
    return value


def _on(value):
    """A result of NumPy's as the device returns it: numbers too are arrays, of no axes."""
    if isinstance(value, (np.ndarray, np.generic)):
        return ndarray(value)
    if isinstance(value, (tuple, list)):
        return type(value)(_on(v) for v in value)
    return value


def _device(function):
    """The function, from arrays of the device to arrays of the device."""
    def on_device(*args, **kwargs):
        return _on(function(*_off(args), **{key: _off(v) for key, v in kwargs.items()}))
    return on_device


class ndarray:
    """An array of the device: NumPy's methods and operators, closed to arrays of the host."""

    __array_ufunc__ = None                  # a NumPy array that meets us leaves the operator to us
    __hash__ = None

    def __init__(self, host):
        self._host = np.asarray(host)

    def __array__(self, *args, **kwargs):
        raise TypeError("NumPy cannot read an array of the device: to_host(a)")

    def __getattr__(self, name):
        if name.startswith("_") or name in ("data", "base", "ctypes", "flat"):
            raise AttributeError(name)
        found = getattr(self._host, name)
        if name in ("shape", "dtype", "size", "ndim", "nbytes", "strides", "itemsize"):
            return found
        return _device(found) if callable(found) else _on(found)

    def __getitem__(self, index):
        return _on(self._host[_off(index)])

    def __setitem__(self, index, value):
        self._host[_off(index)] = _off(value)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __len__(self):
        return len(self._host)

    def __bool__(self):
        return bool(self._host)

    def __int__(self):
        return int(self._host)

    def __float__(self):
        return float(self._host)

    def __format__(self, spec):
        return format(self._host[()], spec)

    def __repr__(self):
        return f"device {self._host!r}"

    def get(self):
        """A copy on the host."""
        return self._host.copy()


def _method(function):
    return lambda *args: _device(function)(*args)


def _in_place(function):
    def method(self, other):
        function(self._host, _off(other))
        return self
    return method


for _name in ["lt", "le", "gt", "ge", "eq", "ne", "neg", "pos", "abs", "invert"]:
    setattr(ndarray, f"__{_name}__", _method(getattr(operator, _name)))
for _name in ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul",
              "and", "or", "xor"]:
    _function = getattr(operator, f"__{_name}__")
    setattr(ndarray, f"__{_name}__", _method(_function))
    setattr(ndarray, f"__r{_name}__", _method(lambda a, b, f=_function: f(b, a)))
    setattr(ndarray, f"__i{_name}__", _in_place(getattr(operator, f"__i{_name}__")))


def is_available():
    """As if a GPU answered."""
    return True


def asarray(a, dtype=None):
    """The array on the device, a copy if it comes from the host."""
    return ndarray(np.asarray(a._host, dtype)) if isinstance(a, ndarray) else array(a, dtype)


def array(a, dtype=None):
    """A copy on the device."""
    return ndarray(np.array(a._host if isinstance(a, ndarray) else a, dtype))


def fuse(function):
    """CuPy's makes one kernel of it."""
    return function


def asnumpy(a):
    """A copy on the host."""
    return a.get()


class _Mirror:
    """A module of NumPy's with its functions from device to device."""

    def __init__(self, module):
        self._module = module

    def __getattr__(self, name):
        found = getattr(self._module, name)
        if name == "random":
            raise AttributeError("random numbers are drawn on the host, so that seeds agree")
        if isinstance(found, ModuleType):
            return _Mirror(found)
        return found if isinstance(found, type) or not callable(found) else _device(found)


__getattr__ = _Mirror(np).__getattr__
