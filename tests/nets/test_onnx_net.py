"""ONNX graphs against onnxruntime, operation by operation; what is refused, and in which words."""
import itertools
import os
import tracemalloc
import weakref

import numpy as np
import pytest
from toy_onnx import Graph, import_onnx, run_onnx

from nets import onnx_net
from nets.backend import to_device, to_host
from nets.gradcheck import check_gradients
from nets.layers.basic import Dense, Flatten
from nets.layers.conv import ChannelNorm, Conv, MaxPool
from nets.net import Net
from nets.onnx_net import read_net


def agrees(path, batch=3):
    """The net of a file, after its logits were found to be those of onnxruntime."""
    found = read_net(path)
    x = np.random.default_rng(1).normal(size=(batch, *found.shape)).astype(np.float32)
    expected, logits = run_onnx(path, x), to_host(found.net.forward(to_device(x))[0])
    assert logits.dtype == np.float32 and logits.shape == expected.shape
    assert abs(logits - expected).max() < 1e-4 * np.ptp(expected) and np.ptp(expected) > 0.01
    return found


def refused(path, said):
    """The file is refused in one line that names it, what is wrong and the mend."""
    with pytest.raises(ValueError, match=said) as caught:
        read_net(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    assert message.endswith("; experiments/README.md says which weights can be read")


# ---- Each operation, with each attribute -------------------------------------------------------


@pytest.mark.parametrize(("k", "attributes", "places"), [
    ((3, 3), {}, 42), ((1, 1), {}, 72), ((3, 3), {"strides": [2, 2]}, 12),
    ((3, 3), {"strides": [3, 1], "kernel_shape": [3, 3]}, 18), ((2, 4), {"strides": [1, 2]}, 24),
    ((3, 3), {"pads": [1, 1, 1, 1]}, 72), ((5, 2), {"pads": [0, 1, 2, 3], "strides": [2, 3]}, 16),
    ((3, 3), {"pads": [3, 0, 0, 4]}, 100), ((3, 3), {"dilations": [1, 1]}, 42)])
@pytest.mark.parametrize("group", [1, 2])
def test_conv(tmp_path, k, attributes, places, group):
    g = Graph((4, 9, 8))
    g.add("Conv", g.draw(6, 4 // group, *k), g.draw(6), group=group, **attributes).add("Relu")
    net = agrees(g.end(6 * places).save(tmp_path)).net
    assert check_gradients(net, np.random.default_rng(0).random((2, 4, 9, 8)), 1)


def test_conv_without_a_bias(tmp_path):
    g = Graph()
    agrees(g.add("Conv", g.draw(6, 3, 3, 3)).end(6 * 42).save(tmp_path))


@pytest.mark.parametrize(("k", "attributes", "places"), [
    ([2, 2], {"strides": [2, 2]}, 16), ([3, 3], {"strides": [2, 2]}, 12), ([3, 2], {}, 49),
    ([3, 3], {"strides": [2, 2], "pads": [0, 0, 1, 1]}, 16),
    ([3, 2], {"strides": [1, 2], "pads": [2, 0, 0, 1]}, 36),
    ([3, 3], {"strides": [2, 2], "ceil_mode": 1}, 16),
    ([2, 3], {"strides": [3, 4], "ceil_mode": 1}, 9 - 3),
    ([2, 2], {"strides": [4, 4], "ceil_mode": 1, "pads": [1, 1, 1, 1]}, 9),
    ([2, 2], {"strides": [3, 3], "ceil_mode": 1, "pads": [0, 0, 0, 1]}, 9),
    ([3, 3], {"strides": [2, 2], "ceil_mode": 0, "dilations": [1, 1], "storage_order": 0}, 12)])
def test_max_pool(tmp_path, k, attributes, places):
    g = Graph((2, 9, 8), opset=12)
    g.add("MaxPool", kernel_shape=k, **attributes).add("Tanh")
    path = g.save(tmp_path)
    x = np.random.default_rng(2).normal(size=(2, 2, 9, 8)).astype(np.float32)
    places = run_onnx(path, x)[0].size // 2     # onnxruntime's own count of places
    agrees(g.end(2 * places).save(tmp_path))


def test_max_pooling_in_ceil_mode_over_many_shapes(tmp_path):
    """The window that hangs over the end is there only if it begins on a pixel, or before."""
    pools, expected = itertools.product((2, 3), (1, 2, 3, 4), (0, 1), range(4, 9)), 0
    for k, stride, pad, side in pools:
        g = Graph((1, side, side), opset=22)    # earlier ones count places that are not there
        g.add("MaxPool", kernel_shape=[k, k], strides=[stride] * 2, pads=[pad] * 4, ceil_mode=1)
        x = np.zeros((1, 1, side, side), np.float32)
        places = run_onnx(g.save(tmp_path), x).size
        agrees(g.end(places).save(tmp_path))
        expected += 1
    assert expected == 80


@pytest.mark.parametrize("attributes", [
    {"size": 5}, {"size": 3, "alpha": 1e-2, "beta": 0.5, "bias": 2.0}, {"size": 1, "alpha": 3.0},
    {"size": 5, "alpha": 0.5, "beta": 0.75, "bias": 0.3}, {"size": 9, "alpha": 2.0}])
def test_lrn(tmp_path, attributes):
    g = Graph((6, 3, 4))
    agrees(g.add("LRN", **attributes).end(72).save(tmp_path))


@pytest.mark.parametrize("transB", [0, 1])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (2.0, 1.0), (0.5, -3.0), (1.0, 0.0)])
@pytest.mark.parametrize("bias", [(4,), (1, 4), (1,), (), None], ids=str)
def test_gemm(tmp_path, transB, alpha, beta, bias):
    g = Graph((12,))
    W = g.draw(*((4, 12) if transB else (12, 4)))
    weights = [W] if bias is None else [W, g.store(g.rng.normal(size=bias).astype("float32"))]
    agrees(g.add("Gemm", *weights, transB=transB, alpha=alpha, beta=beta).save(tmp_path))


@pytest.mark.parametrize("first", [False, True], ids=["x + b", "b + x"])
@pytest.mark.parametrize("bias", [(4,), (1, 4), (1, 1), (), None], ids=str)
def test_matmul_and_add(tmp_path, bias, first):
    g = Graph((12,))
    g.add("MatMul", g.draw(12, 7)).add("Sigmoid").add("MatMul", g.draw(7, 4))
    if bias is not None:
        b = g.store(g.rng.normal(size=bias).astype("float32"))
        g.add("Add", *(() if first else (b,)), before=(b,) if first else ())
    agrees(g.save(tmp_path))


def test_add_after_conv_and_on_images(tmp_path):
    g = Graph((3, 4, 4))
    g.add("Add", g.draw(3, 1, 1)).add("Conv", g.draw(6, 3, 3, 3)).add("Add", g.draw(1, 6, 1, 1))
    agrees(g.end(24).save(tmp_path))


@pytest.mark.parametrize("operation", ["Relu", "Sigmoid", "Tanh"])
def test_activations(tmp_path, operation):
    """A net whose ReLU was replaced is built as it is."""
    g = Graph((12,))
    g.add("Gemm", g.draw(12, 30)).add(operation).add("Gemm", g.draw(30, 4))
    agrees(g.save(tmp_path))


def batch_norm(g, C):
    rng = g.rng
    return [g.store(a.astype(np.float32)) for a in (
        rng.normal(size=C), rng.normal(size=C), rng.normal(size=C), rng.uniform(0.1, 2, C))]


@pytest.mark.parametrize("where", ["first", "after Conv", "after MaxPool", "after Gemm"])
@pytest.mark.parametrize("epsilon", [None, 0.3])
def test_batch_normalisation(tmp_path, where, epsilon):
    """After Conv and Gemm it goes into their weights, elsewhere it is a convolution of a pixel."""
    g, attributes = Graph((3, 6, 6)), {} if epsilon is None else {"epsilon": epsilon}

    def norm(place, C):
        if place == where:
            g.add("BatchNormalization", *batch_norm(g, C), **attributes)
    norm("first", 3)
    g.add("Conv", g.draw(4, 3, 3, 3), g.draw(4))
    norm("after Conv", 4)
    g.add("Relu").add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    norm("after MaxPool", 4)
    g.end(16, 7)
    norm("after Gemm", 7)
    net = agrees(g.save(tmp_path)).net
    convolutions = [layer for layer in net.layers if isinstance(layer, Conv)]
    assert len(convolutions) == 1 + (where in ("first", "after MaxPool"))


def test_batch_normalisation_of_a_vector_after_relu_is_refused(tmp_path):
    g = Graph((12,))
    g.add("Gemm", g.draw(12, 5)).add("Relu").add("BatchNormalization", *batch_norm(g, 5))
    refused(g.save(tmp_path), "node 'the BatchNormalization', BatchNormalization: axes of the "
            "input, for a node that follows no Conv, Gemm or MatMul is 1, expected 3")


@pytest.mark.parametrize("target", [[0, -1], [-1, 24], [0, 24]])
def test_reshape_to_a_row(tmp_path, target):
    g = Graph((2, 3, 4))
    g.add("Reshape", g.store(np.array(target))).add("Gemm", g.draw(24, 4))
    assert isinstance(agrees(g.save(tmp_path)).net.layers[0], Flatten)


def test_reshape_of_rows_to_images_and_of_one_image(tmp_path):
    g = Graph((24,))
    g.add("Reshape", g.store(np.array([-1, 2, 3, 4]))).add("Conv", g.draw(3, 2, 2, 2))
    agrees(g.end(18).save(tmp_path))
    g = Graph((2, 3, 4), batch=1)
    g.add("Reshape", g.store(np.array([1, 24]))).add("Gemm", g.draw(24, 4))
    agrees(g.save(tmp_path), 1)


@pytest.mark.parametrize(("axis", "operation", "log"), [
    (1, "Softmax", np.log), (-1, "Softmax", np.log), (None, "Softmax", np.log),
    (1, "LogSoftmax", np.array)])
def test_a_softmax_at_the_end_is_left_out(tmp_path, axis, operation, log):
    g = Graph((2, 3, 4))
    g.end(24).add(operation, **({} if axis is None else {"axis": axis}))
    path = g.save(tmp_path)
    x = np.random.default_rng(0).normal(size=(2, 2, 3, 4)).astype(np.float32)
    logits, expected = to_host(read_net(path).net.forward(to_device(x))[0]), log(run_onnx(path, x))
    both = [z - z.mean(1, keepdims=True) for z in (logits, expected)]
    assert abs(both[0] - both[1]).max() < 1e-5


def test_dropout_identity_and_a_pool_of_one_pixel_are_nothing(tmp_path):
    g = Graph((2, 3, 4))
    g.add("Identity").add("Dropout").add("AveragePool", kernel_shape=[1, 1], strides=[1, 1])
    net = agrees(g.end(24).save(tmp_path)).net
    assert [type(layer) for layer in net.layers] == [Flatten, Dense]


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_weights_of_another_precision_are_cast(tmp_path, dtype):
    """onnxruntime takes no mixed graph: it runs the same weights in float32."""
    g = Graph((3, 6, 6))
    g.add("Conv", g.draw(4, 3, 3, 3), g.draw(4)).add("Relu").end(64)
    g.weights = {name: a.astype(dtype).astype("float32") for name, a in g.weights.items()}
    expected = agrees(g.save(tmp_path)).net.params
    g.weights = {name: a.astype(dtype) for name, a in g.weights.items()}
    for p, q in zip(read_net(g.save(tmp_path)).net.params, expected, strict=True):
        assert p.dtype == "float32" and (p == q).all()


@pytest.mark.parametrize("how", ["Constant", "Identity", "ConstantOfShape"])
def test_weights_that_nodes_make(tmp_path, how):
    g, helper = Graph((12,)), import_onnx().helper
    W, b = g.draw(12, 30), g.draw(30)
    g.add("Gemm", W, b).add("Relu").add("Gemm", g.draw(30, 4))
    array, make = g.weights.pop(W), import_onnx().numpy_helper.from_array
    if how == "Constant":
        g.nodes.insert(0, helper.make_node(how, [], [W], value=make(array)))
    elif how == "Identity":
        g.nodes.insert(0, helper.make_node(how, [g.store(array, "source")], [W]))
    else:
        g.nodes.insert(0, helper.make_node(how, [g.store(np.array([12, 30]), "shape")], [W],
                                           value=make(np.array([0.25], np.float32))))
    agrees(g.save(tmp_path))


@pytest.mark.parametrize("opset", range(9, 24))
def test_every_opset(tmp_path, opset):
    onnx = import_onnx()
    if opset > onnx.defs.onnx_opset_version():
        pytest.skip(f"this onnx package has no opset {opset}")
    g = Graph((3, 9, 9), opset=opset)
    g.add("Conv", g.draw(6, 3, 3, 3), g.draw(6), pads=[1, 1, 1, 1]).add("Relu")
    g.add("BatchNormalization", *batch_norm(g, 6)).add("LRN", size=3).add("Dropout")
    g.add("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1])
    agrees(g.end(96).save(tmp_path, ir_version=4 if opset < 15 else 8))


# ---- Whole nets ------------------------------------------------------------------------------


def test_a_lenet_of_ours_comes_back_from_onnx(tmp_path):
    from nets.models.lenet import lenet
    net, g = lenet(np.random.default_rng(0)).astype("float32"), Graph((1, 28, 28), batch="N")
    for layer in net.layers:
        weights = [g.store(to_host(p)) for p in layer.params]
        if isinstance(layer, MaxPool):
            g.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
        else:
            g.add({"Dense": "Gemm", "ReLU": "Relu"}.get(type(layer).__name__,
                                                        type(layer).__name__), *weights)
    found = agrees(g.save(tmp_path))
    assert found.shape == (1, 28, 28)
    x = to_device(np.random.default_rng(1).random((2, 1, 28, 28), np.float32))
    assert (found.net.forward(x)[0] == net.forward(x)[0]).all()


def light(name):
    """The path of a graph that ships inside the onnx package."""
    onnx = import_onnx()
    path = os.path.join(os.path.dirname(onnx.__file__), "backend", "test", "data", "light",
                        f"light_{name}.onnx")
    if not os.path.exists(path):
        pytest.skip(f"this onnx package ships no light_{name}.onnx")
    return path


@pytest.mark.parametrize("name", ["bvlc_alexnet", "zfnet512"])
def test_the_published_graphs_with_weights_out_of_constant_of_shape(tmp_path, name):
    """Their weights are all the same, so that their labels would be; here each tensor's number
    depends on its name, and biases differ: the logits do."""
    onnx = import_onnx()
    model = onnx.load(light(name))
    assert read_net(light(name)).shape == (3, 224, 224)
    rng, constants = np.random.default_rng(0), {t.name: t for t in model.graph.initializer}
    for node in list(model.graph.node):
        if node.op_type == "ConstantOfShape":
            shape = onnx.numpy_helper.to_array(constants[node.input[0]])
            if len(shape) == 1:
                biases = rng.normal(0, 0.1, shape).astype(np.float32)
                model.graph.initializer.append(onnx.numpy_helper.from_array(biases,
                                                                            node.output[0]))
                model.graph.input.append(onnx.helper.make_tensor_value_info(
                    node.output[0], onnx.TensorProto.FLOAT, shape.tolist()))
                model.graph.node.remove(node)
            else:
                node.attribute[0].t.float_data[0] = 1 / np.prod(shape[1:])
    softmax = model.graph.node.pop()
    model.graph.output[0].name = softmax.input[0]
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    found = agrees(str(path), 1)
    if name == "bvlc_alexnet":
        assert found.net.layers[14].padding == ((0, 1), (0, 1))
        norm = next(layer for layer in found.net.layers if isinstance(layer, ChannelNorm))
        assert (norm.n, norm.k, norm.beta) == (5, 1, 0.75)
        assert norm.alpha == pytest.approx(2e-5)


def test_the_size_of_images_that_the_graph_leaves_open_is_that_of_the_first_gemm(tmp_path):
    g = Graph((1, "height", "width"))
    g.add("Conv", g.draw(2, 1, 5, 5)).add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    path = g.end(2 * 12 * 12).save(tmp_path)
    assert agrees(path).shape == (1, 28, 28)
    g.weights["w1"] = g.weights["w1"][:-1]
    refused(path := g.save(tmp_path), r"node 'the Gemm', Gemm: shape of the input is \(24200,\), "
            r"expected \(287,\)")


def test_sizes_that_do_not_fit_are_forgotten_one_by_one(tmp_path, monkeypatch):
    class Misfit(ValueError):
        def __init__(self):
            super().__init__(f"size {len(errors) + 1}")
            errors.append(weakref.ref(self))

    def fail(graph, chain):
        assert sum(error() is not None for error in errors) <= 1
        raise Misfit

    errors = []
    path = Graph((1, "height", "width")).add("Flatten").save(tmp_path)
    monkeypatch.setattr(onnx_net, "build_net", fail)
    refused(path, ": size 1;")
    assert len(errors) > 1000


# ---- What is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(("operation", "attributes"), [
    ("Gelu", {}), ("LeakyRelu", {"alpha": 0.1}), ("Elu", {}), ("Clip", {}), ("GlobalMaxPool", {}),
    ("Softmax", {}), ("AveragePool", {"kernel_shape": [2, 2]}), ("Transpose", {}),
    ("ConvTranspose", {})])
def test_an_operation_that_is_not_known_is_refused_by_name(tmp_path, operation, attributes):
    g = Graph((3, 4, 4), opset=20)
    g.add("Conv", g.draw(3, 3, 1, 1))
    g.add(operation, *([g.draw(3, 3, 1, 1)] if operation == "ConvTranspose" else []), **attributes)
    refused(g.end(48).save(tmp_path), f"node 'the {operation}', {operation}: ")


@pytest.mark.parametrize(("operation", "weights", "attributes", "said"), [
    ("Conv", [(3, 3, 2, 2)], {"dilations": [2, 2]}, r"dilations is \[2, 2\], expected \[1, 1\]"),
    ("Conv", [(3, 3, 2, 2)], {"auto_pad": "SAME_UPPER"}, "auto_pad is b'SAME_UPPER'"),
    ("Conv", [(3, 3, 2, 2)], {"kernel_shape": [3, 3]}, r"kernel_shape is \[3, 3\]"),
    ("Conv", [(3, 3, 2, 2)], {"strides": [1]}, r"is \[3, 2, 1, 4\], expected \[3, 2, 2, 4\]"),
    ("Conv", [(3, 3, 2, 2)], {"strides": [0, 1]}, "stride = 0; expected"),
    ("Conv", [(3, 3, 2, 2)], {"strides": [-1, 1]}, "stride = -1; expected"),
    ("Conv", [(3, 3, 2, 2)], {"pads": [0, 0, 0, -1]}, "padding"),
    ("Conv", [(3, 3, 2, 2)], {"group": 2}, "do not divide into 2 groups"),
    ("Conv", [(3, 3, 2, 2)], {"group": -3}, "groups = -3; expected an integer, at least 1"),
    ("Conv", [(3, 2, 2, 2)], {}, r"weights is \(3, 2, 2, 2\), expected \(3, 3, 2, 2\)"),
    ("Conv", [(3, 3, 9, 9)], {}, "a window of 9 pixels does not fit into 6"),
    ("Conv", [(3, 3, 2)], {}, "lengths"),
    ("Conv", [(3, 3, 2, 2), (2,)], {}, r"shape of the bias is \(2,\)"),
    ("MaxPool", [], {"kernel_shape": [2, 2], "dilations": [2, 2]}, "dilations"),
    ("MaxPool", [], {"kernel_shape": [17, 2]}, "MaxPool: window"),
    ("MaxPool", [], {"kernel_shape": [2, 2], "pads": [0, 2, 0, 0]}, "MaxPool: window"),
    ("MaxPool", [], {"kernel_shape": [2]}, "lengths"),
    ("MaxPool", [], {"kernel_shape": [2, 2], "strides": [0, 1], "ceil_mode": 1}, "stride"),
    ("LRN", [], {"size": 4}, "n = 4 channels"),
    ("LRN", [], {"size": 3, "bias": 0.0}, "ChannelNorm: k = 0.0"),
    ("LRN", [], {"size": 3, "alpha": -1.0}, "ChannelNorm: alpha = -"),
    ("LRN", [], {"size": 0}, "division by zero"),
    ("Conv", [(0, 3, 2, 2)], {}, "weights without numbers"),
    ("Flatten", [], {"axis": 2}, "axis is 2"),
    ("Flatten", [], {"axis": 0}, "axis is 0"),
    ("Gemm", [(108, 3)], {}, r"shape of the input is \(3, 6, 6\)"),
    ("MatMul", [(6, 6)], {}, r"shape of the input is \(3, 6, 6\)"),
    ("Add", [(3, 6, 6)], {}, "broadcast"),
    ("Add", [(6,)], {}, "broadcast"),
    ("BatchNormalization", [(3,), (3,), (3,), (2,)], {}, "shapes of the weights"),
    ("BatchNormalization", [(3,), (3,), (3,), (3,)], {"training_mode": 1}, "training_mode"),
], ids=str)
def test_numbers_that_our_layers_cannot_have_are_refused_with_the_node(
        tmp_path, operation, weights, attributes, said):
    g = Graph((3, 6, 6), opset=14)
    g.add(operation, *(g.draw(*shape) for shape in weights), **attributes)
    refused(g.end(12).save(tmp_path), f"(?s)node 'the {operation}', {operation}: .*{said}")


def test_gemm_of_transposed_images_is_refused(tmp_path):
    g = Graph((12,))
    refused(g.add("Gemm", g.draw(1, 4), transA=1).save(tmp_path), "transA is 1, expected 0")


@pytest.mark.parametrize("target", [[-1, 12], [24, -1], [2, 12], [-1], [1, 24], [0, 5, -1],
                                    [0, 1, 1, 1, 0]], ids=str)
def test_a_reshape_that_mixes_images_is_refused(tmp_path, target):
    g = Graph((2, 3, 4), batch=2)
    g.add("Reshape", g.store(np.array(target))).add("Gemm", g.draw(24, 4))
    refused(g.save(tmp_path), "node 'the Reshape', Reshape: ")


def a_chain(**options):
    g = Graph((12,), **options)
    return g.add("Gemm", g.draw(12, 8)).add("Relu").add("Gemm", g.draw(8, 4))


def test_two_outputs_two_inputs_branches_and_cycles_are_refused(tmp_path):
    onnx, g = import_onnx(), a_chain()
    refused(g.save(tmp_path, outputs=["y0", "y2"]), "1 inputs, 2 outputs")
    more = onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, [1])
    refused(g.save(tmp_path, inputs=[more]), "2 inputs, 1 outputs")
    refused(g.save(tmp_path, outputs=["y1"]), "its last node gives y2")
    g.nodes[2].input[0] = "y0"              # past the ReLU
    refused(g.save(tmp_path), "node 'the Gemm 2', Gemm: its input y0 is neither a weight nor the "
            "output of the node before it; expected a chain")
    g.nodes[0].input[0] = "y2"
    refused(g.save(tmp_path), "not a whole ONNX file .*topologically sorted")
    g = a_chain()
    g.nodes.append(onnx.helper.make_node("Relu", ["w0"], ["y3"], name="the branch"))
    refused(g.save(tmp_path), "node 'the branch', Relu: a node of this kind must take the "
            "output of the node before it")
    g = a_chain()
    g.add("Add", "y2")
    refused(g.save(tmp_path), "node 'the Add', Add: ")
    g = a_chain()
    g.nodes[2].input[:] = [g.nodes[2].input[1], "y1"]
    refused(g.save(tmp_path), "node 'the Gemm 2', Gemm: its first input is a weight, expected y1")


def test_names_twice_are_refused(tmp_path):
    g = a_chain()
    model = g.model()
    model.graph.initializer.append(model.graph.initializer[0])
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    refused(str(tmp_path / "net.onnx"), "not a whole ONNX file .*not unique")
    g.nodes[1].output[0] = "y0"
    refused(g.save(tmp_path), "not a whole ONNX file ")


def test_another_domain_is_refused(tmp_path):
    g = a_chain()
    g.nodes[1].domain = "my.own"
    model = g.model()
    model.opset_import.append(import_onnx().helper.make_opsetid("my.own", 1))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    refused(str(tmp_path / "net.onnx"), "node 'the Relu', Relu: expected one of Conv, Gemm")


@pytest.mark.parametrize("shape", [[10 ** 12], [10 ** 6, 10 ** 6], [2 ** 62, 2 ** 62], [-1, 4]],
                         ids=str)
def test_a_size_is_compared_before_an_array_is_made(tmp_path, shape):
    g, helper = Graph((12,)), import_onnx().helper
    g.nodes.append(helper.make_node("ConstantOfShape", [g.store(np.array(shape), "shape")], ["W"],
                                    name="the weights"))
    tracemalloc.start()
    refused(g.add("Gemm", "W").save(tmp_path), "node 'the weights', ConstantOfShape: ")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e7


def test_images_and_padding_that_would_fill_the_memory_are_refused(tmp_path):
    g = Graph((3, 9, 9))
    g.add("Conv", g.draw(2, 3, 1, 1), pads=[10 ** 6] * 4, strides=[10 ** 6] * 2)
    refused(g.end(2).save(tmp_path), "node 'the Conv', Conv: .* numbers, expected 300,000,000 at")
    g = Graph((3, 2 ** 20, 2 ** 20))
    g.add("Conv", g.draw(2, 3, 1, 1), strides=[2 ** 18] * 2)
    refused(g.end(32).save(tmp_path), "node 'the Conv', Conv: .* numbers, expected 300,000,000 at")


def test_weights_used_again_and_again_count_each_time(tmp_path):
    g = Graph((4096,))
    W = g.store(np.zeros((0,)), "unused") and "W"
    g.weights = {"shape": np.array([4096, 4096])}
    g.nodes.append(import_onnx().helper.make_node("ConstantOfShape", ["shape"], [W]))
    for _ in range(18):
        g.add("MatMul", W)
    refused(g.save(tmp_path), "node 'the MatMul 18', MatMul: 302,063,616 numbers, expected")


def with_tensor(g, change):
    """The bytes of a chain whose first tensor was changed."""
    model = g.model()
    change(model.graph.initializer[0])
    return model.SerializeToString()


@pytest.mark.parametrize(("change", "said"), [
    (lambda t: setattr(t, "raw_data", t.raw_data[:-4]), "node 'the Gemm', Gemm: |not a whole"),
    (lambda t: setattr(t, "raw_data", t.raw_data + bytes(4)), "node 'the Gemm', Gemm: |not a whol"),
    (lambda t: t.dims.__setitem__(0, 10 ** 12), "node 'the Gemm', Gemm: |not a whole"),
    (lambda t: t.dims.__setitem__(0, -1), "shape of w0 is|not a whole"),
    (lambda t: t.dims.append(1), "node 'the Gemm', Gemm: axes of the weights is 3"),
    (lambda t: setattr(t, "data_type", 2), "ONNX's type of w0 is 2, expected 1 or 10 or 11"),
    (lambda t: setattr(t, "data_type", 99), "node 'the Gemm', Gemm: |not a whole"),
    (lambda t: setattr(t, "raw_data", t.raw_data[:-4] + b"\xff" * 4), "not all finite"),
    (lambda t: setattr(t, "name", "other"), "not a whole ONNX file "),
    (lambda t: setattr(t, "data_location", 1), "w0 lies in another file; export with external"),
], ids=["short", "long", "huge", "negative", "axis", "bool", "type", "nan", "name", "external"])
def test_a_tensor_that_is_not_what_it_says_is_refused(tmp_path, change, said):
    (tmp_path / "net.onnx").write_bytes(with_tensor(a_chain(), change))
    refused(str(tmp_path / "net.onnx"), said)


def test_weights_in_another_file_are_refused_and_the_file_is_not_opened(tmp_path, monkeypatch):
    onnx, path = import_onnx(), a_chain().save(tmp_path)
    monkeypatch.chdir(tmp_path)              # where a careless reader would find them
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="more", size_threshold=0)
    assert (tmp_path / "more").stat().st_size > 100
    refused(path, "w0 lies in another file; export with external_data=False")
    g = a_chain()
    constant = onnx.numpy_helper.from_array(g.weights.pop("w0"), "inner")
    constant.data_location = onnx.TensorProto.EXTERNAL
    g.nodes.insert(0, onnx.helper.make_node("Constant", [], ["w0"], value=constant))
    refused(g.save(tmp_path), "inner lies in another file")


@pytest.mark.parametrize("change", [
    {"shape": (3, 4)}, {"shape": ("C", 4, 4)}, {"shape": ("D",)}, {"shape": ()}], ids=str)
def test_an_input_that_is_neither_images_nor_rows_is_refused(tmp_path, change):
    g = Graph(**change)
    refused(g.add("Relu").save(tmp_path), r"its input is \[.*expected \(N, C, H, W\) or \(N, D\)")


def test_a_net_without_weights_or_logits_is_refused(tmp_path):
    refused(Graph((12,)).add("Relu").save(tmp_path), "its last node gives y0")
    g = Graph((3, 4, 4))
    refused(g.add("Conv", g.draw(5, 3, 4, 4)).save(tmp_path), r"gives y0 \(N, 5, 1, 1\)")
    g = Graph((12,))
    refused(g.add("Gemm", g.draw(12, 1)).save(tmp_path), r"gives y0 \(N, 1,\).* of two labels at")


@pytest.mark.parametrize("contents", [
    b"", b"<html>not found</html>", b"version https://git-lfs.github.com/spec/v1\noid sha256:6b0\n",
    b"PK\x03\x04 an archive", b"\x93NUMPY", bytes(99)],
    ids=["empty", "web page", "pointer", "zip", "npy", "zeros"])
def test_what_is_not_onnx_at_all_is_refused(tmp_path, contents):
    import_onnx()
    (tmp_path / "net.onnx").write_bytes(contents)
    refused(str(tmp_path / "net.onnx"), "0 bytes, expected 1 to 1,000,000,000|not a whole ONNX fi")


def test_folders_pipes_and_devices_are_refused(tmp_path):
    import_onnx()
    (tmp_path / "folder.onnx").mkdir()
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "zeros.onnx").symlink_to("/dev/zero")
    for name in ("folder", "pipe", "zeros"):
        with pytest.raises(OSError, match=f"{name}.onnx: a folder, a pipe or a device"):
            read_net(str(tmp_path / f"{name}.onnx"))


def test_a_file_too_large_is_not_read(tmp_path):
    import_onnx()
    path = tmp_path / "net.onnx"
    with open(path, "wb") as file:
        file.truncate(10 ** 9 + 1)           # a hole: it takes no room
    refused(str(path), "1,000,000,001 bytes, expected 1 to 1,000,000,000")


def test_a_file_cut_short_or_changed_anywhere_is_refused_in_one_line_or_is_another_net(tmp_path):
    """A flipped byte can make another net that is right in itself; it never raises anything else.
    """
    g = Graph((1, 6, 6))
    g.add("Conv", g.draw(2, 1, 3, 3), g.draw(2), pads=[0, 0, 1, 1]).add("Relu").add("LRN", size=3)
    path = g.add("MaxPool", kernel_shape=[2, 2]).end(32, 3).save(tmp_path)
    with open(path, "rb") as file:
        whole = file.read()
    damaged = [whole[:n] for n in range(0, len(whole), 7)]
    damaged += [whole[:i] + bytes([whole[i] ^ mask]) + whole[i + 1:]
                for i in range(0, len(whole), 3) for mask in (0xff, 1)]
    for contents in damaged:
        with open(path, "wb") as file:
            file.write(contents)
        try:
            assert isinstance(read_net(path).net, Net)
        except ValueError:
            refused(path, "net.onnx: ")
