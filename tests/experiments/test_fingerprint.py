"""Names of what is kept in runs/cache: each thing that a result depends on counts, and no other."""
import copy
import importlib
import sys

import numpy as np
import pytest

import intriguing
from experiments.shared import fingerprint as module
from experiments.shared.fingerprint import fingerprint
from nets.layers.basic import Dense, ReLU, Sigmoid
from nets.layers.conv import Conv
from nets.net import Net
from nets.search import by_hand
from nets.training import loop

LAYER = '''
"""A layer of one's own."""
from base import Base


class Scale(Base):
    """y = 2 x"""

    def forward(self, x, rng=None):
        return 2 * x, None      # twice
'''
BASE = '''
class Base:
    params = []

    def backward(self, dy, cache):
        return 2 * dy
'''


@pytest.fixture
def net():
    return Net([Dense(4, 3, np.random.default_rng(0)), Sigmoid()])


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A function that writes a layer of one's own and its base, and gives the net's name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def name_of(layer=LAYER, base=BASE):
        (tmp_path / "own.py").write_text(layer)
        (tmp_path / "base.py").write_text(base)
        for function in (module.hash_modules, module.read_code):
            function.cache_clear()
        for name in ("own", "base"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        try:
            return fingerprint(Net([importlib.import_module("own").Scale()]), code=[])
        finally:
            sys.dont_write_bytecode = before
    yield name_of
    for name in ("own", "base"):
        sys.modules.pop(name, None)


def test_a_name_depends_on_weights_arrays_and_words(net):
    x, t = np.zeros((2, 4)), np.arange(2)
    other = net.astype("float64")
    other.params[0][0, 0] += 1e-9
    names = [fingerprint(net, x, t, "scipy", code=[]), fingerprint(other, x, t, "scipy", code=[]),
             fingerprint(net, x + 1, t, "scipy", code=[]), fingerprint(net, x, t, None, code=[]),
             fingerprint(net, x, t, "by-hand", code=[]),
             fingerprint(net, x.reshape(4, 2), t, "scipy", code=[])]
    assert len(set(names)) == 6
    assert fingerprint(net, x, t, "scipy", code=[]) == names[0]


def test_a_name_depends_on_what_the_layers_are_and_on_their_constants():
    conv = Conv(1, 1, 3, np.random.default_rng(0))
    wider = copy.copy(conv)
    wider.stride = 2
    nets = [Net(layers) for layers in ([conv], [wider], [conv, ReLU()], [conv, Sigmoid()])]
    assert len({fingerprint(net, code=[]) for net in nets}) == 4


def test_constants_count_by_their_numbers_and_layers_within_layers_by_what_they_hold(net):
    def name(**constants):
        layer = ReLU()
        vars(layer).update(constants)
        return fingerprint(Net([layer]), code=[])
    mask, other = np.zeros(2000), np.zeros(2000)
    other[1000] = 1                         # the text of both arrays is the same
    names = [name(mask=mask), name(mask=other), name(p=1.0), name(p=1.0 + 1e-10),
             name(inner=net), name(inner=net.astype("float32")), name(inner=Net([ReLU()]))]
    assert len(set(names)) == len(names)
    assert name(inner=net) == name(inner=copy.deepcopy(net))
    with pytest.warns(UserWarning, match="cannot be part of a name"):
        assert name(function=len) != name(function=len)


def test_words_side_by_side_do_not_run_together(net):
    assert fingerprint(net, "ab", "c", code=[]) != fingerprint(net, "a", "bc", code=[])


def test_a_comment_or_a_docstring_of_a_layer_of_ones_own_changes_no_name(own):
    name = own()
    assert own(LAYER.replace("# twice", "# two times")) == name
    assert own(LAYER.replace("y = 2 x", "y = x + x").replace("A layer", "The layer")) == name
    assert own(LAYER.replace("        return", "\n        return")) == name


def test_the_code_of_a_layer_of_ones_own_and_of_its_base_changes_the_name(own):
    names = {own(), own(LAYER.replace("2 * x, None", "3 * x, None")),
             own(LAYER, BASE.replace("2 * dy", "3 * dy"))}
    assert len(names) == 3


def test_a_module_counts_with_what_it_imports_and_packages_can_be_left_apart(net):
    def names():
        for function in (module.hash_modules, module.read_code):
            function.cache_clear()
        return [fingerprint(net, code=[intriguing]),
                fingerprint(net, code=[loop], apart=("nets.search",))]
    before = names()
    text = module.inspect.getsource

    def changed(thing):
        return text(thing) + ("\nMORE = 1\n" if thing is by_hand else "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.inspect, "getsource", changed)
        after = names()
    assert before[0] != after[0] and before[1] == after[1]
    assert names() == before


def test_a_function_counts_by_itself(net):
    assert fingerprint(net, code=[test_a_function_counts_by_itself]) != fingerprint(net, code=[])
    with pytest.warns(UserWarning, match="computed each time"):     # no text that can be parsed
        assert fingerprint(net, code=[eval("lambda: 1")]) != fingerprint(net, code=[])


def test_a_layer_without_source_is_never_found_again():
    space = {"__name__": "nowhere", "Layer": ReLU}
    exec("class Hidden(Layer):\n    pass", space)
    sys.modules["nowhere"] = module.ModuleType("nowhere")
    try:
        net = Net([space["Hidden"]()])
        with pytest.warns(UserWarning, match="computed each time"):
            assert fingerprint(net, code=[]) != fingerprint(net, code=[])
    finally:
        del sys.modules["nowhere"]
