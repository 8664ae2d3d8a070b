"""ONNX files for the tests: chains of nodes with random weights, written by onnx.helper."""
import numpy as np
import pytest

REASON = "the {} package is not installed (pip install -r requirements-onnx.txt onnxruntime)"


def import_onnx():
    return pytest.importorskip("onnx", reason=REASON.format("onnx"))


class Graph:
    """A chain under construction: `add` appends a node that takes what the last one gave."""

    def __init__(self, shape=(3, 9, 8), batch="N", opset=13, seed=0):
        self.onnx = import_onnx()
        self.shape, self.batch, self.opset = shape, batch, opset
        self.rng, self.nodes, self.weights, self.last = np.random.default_rng(seed), [], {}, "x"

    def draw(self, *shape):
        """Random weights, such that what they give varies as much as what they take."""
        a = self.rng.normal(0, 1 / np.sqrt(max(1, np.prod(shape[1:]))), shape)
        return self.store(a.astype(np.float32))

    def store(self, a, name=None):
        """An array as an initialiser; its name."""
        name = name or f"w{len(self.weights)}"
        self.weights[name] = np.asarray(a)
        return name

    def add(self, operation, *weights, before=(), **attributes):
        """Append a node; weights: names of its other inputs, before: of those before the chain."""
        output = f"y{len(self.nodes)}"
        again = sum(node.op_type == operation for node in self.nodes)
        self.nodes.append(self.onnx.helper.make_node(
            operation, [*before, self.last, *weights], [output],
            name=f"the {operation}" + (f" {again + 1}" if again else ""), **attributes))
        self.last = output
        return self

    def end(self, numbers, K=5):
        """Flatten the `numbers` of an image and append a Gemm with K labels."""
        return self.add("Flatten").add("Gemm", self.draw(numbers, K), self.draw(K))

    def model(self, outputs=None, inputs=(), ir_version=8):
        make, FLOAT = self.onnx.helper, self.onnx.TensorProto.FLOAT
        shape = [self.batch, *self.shape]
        return make.make_model(
            make.make_graph(
                self.nodes, "toy",
                [make.make_tensor_value_info("x", FLOAT, shape), *inputs],
                [make.make_tensor_value_info(name, FLOAT, None)
                 for name in outputs or [self.last]],
                [self.onnx.numpy_helper.from_array(a, name) for name, a in self.weights.items()]),
            opset_imports=[make.make_opsetid("", self.opset)], ir_version=ir_version)

    def save(self, folder, **options):
        path = folder / "net.onnx"
        path.write_bytes(self.model(**options).SerializeToString())
        return str(path)


def run_onnx(path, x):
    """What onnxruntime computes of images x."""
    runtime = pytest.importorskip("onnxruntime", reason=REASON.format("onnxruntime"))
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    [given] = session.get_inputs()
    return session.run(None, {given.name: x})[0]
