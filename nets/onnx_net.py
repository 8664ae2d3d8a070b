"""The weights of an AlexNet in an ONNX file, as arrays.

It knows two ONNX files, by the names of their tensors: BVLC's, as Caffe2 wrote it, and
torchvision's, as PyTorch exports it.  It reads the weights, and the graph to recognise the net.
It never runs the graph, never unpickles anything and opens no other file.
"""
import os

TENSOR_NAMES = {                            # in the order of the net's params
    "bvlc": [f"{layer}_{part}_0" for layer in (
        "conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8") for part in "wb"],
    "torchvision": [f"{layer}.{part}" for layer in (
        "features.0", "features.3", "features.6", "features.8", "features.10",
        "classifier.1", "classifier.4", "classifier.6") for part in ("weight", "bias")],
}
# CaffeNet has BVLC's names and shapes, but it pools before it normalises.  So look at the graph.
OPERATIONS = {"bvlc": ["LRN", "MaxPool", "LRN", "MaxPool", "MaxPool"],
              "torchvision": ["MaxPool", "MaxPool", "MaxPool"]}
MAX_BYTES = 10 ** 9                         # bytes of a file


def read_arrays(path):
    """The net in an ONNX file: its name, a key of TENSOR_NAMES, and its parameters {label: array}.

    Raises:
        RuntimeError: there is no onnx package.
        ValueError: the file is not whole, or holds another net.
    """
    tensors, order = parse(path)
    name = recognise_net(path, tensors, order)
    arrays = {}
    for label in TENSOR_NAMES[name]:
        a = read_tensor(path, label, tensors[label])
        # Dense weights are (outputs, inputs) in ONNX, (inputs, outputs) here.
        arrays |= {f"{label} transposed": a.T} if a.ndim == 2 else {label: a}
    return name, arrays


def import_onnx():
    """The onnx package, or RuntimeError that says how to install it."""
    try:
        import onnx
    except ImportError as error:
        raise RuntimeError(f"weights in ONNX need the onnx package ({error}); pip install -r "
                           "requirements-onnx.txt") from error
    return onnx


def parse(path):
    """{name: tensor} of an ONNX file, and the operations that normalise and pool, in order."""
    onnx = import_onnx()
    from google.protobuf.message import DecodeError
    if (size := os.path.getsize(path)) > MAX_BYTES:
        raise bad_file(path, f"{size:,} bytes, expected {MAX_BYTES:,} at most")
    try:
        graph = onnx.load(path, format="protobuf", load_external_data=False).graph
        names = [tensor.name for tensor in graph.initializer]
        order = [node.op_type for node in graph.node if node.op_type in ("LRN", "MaxPool")]
    except (DecodeError, UnicodeDecodeError) as error:      # versions of protobuf differ
        raise bad_file(path, f"not a whole ONNX file ({error})") from error
    if len(set(names)) < len(names):
        raise bad_file(path, "two tensors of the same name")
    return dict(zip(names, graph.initializer, strict=True)), order


def recognise_net(path, tensors, order):
    """The name of the net that has exactly these tensors, a key of TENSOR_NAMES, or ValueError."""
    name = next((name for name in TENSOR_NAMES if TENSOR_NAMES[name][0] in tensors), None)
    if name is None:
        firsts = " or ".join(names[0] for names in TENSOR_NAMES.values())
        raise bad_file(path, f"no tensor is called {firsts}")
    if missing := [label for label in TENSOR_NAMES[name] if label not in tensors]:
        raise bad_file(path, f"no tensor is called {' or '.join(missing)}")
    # Other tensors, such as the shape of a reshape, have one axis at most.
    others = tensors.keys() - TENSOR_NAMES[name]
    if more := [label for label in others if len(tensors[label].dims) > 1]:
        raise bad_file(path, f"weights too many: {sorted(map(str, more))}")
    if order != OPERATIONS[name]:
        raise bad_file(path, f"its net has {', '.join(order) or 'no LRN and no MaxPool'}; expected "
                       f"{', '.join(OPERATIONS[name])}")
    return name


def read_tensor(path, label, tensor):
    """A tensor as an array of float32, or ValueError."""
    onnx = import_onnx()
    if tensor.data_location == onnx.TensorProto.EXTERNAL:   # to_array would open that file
        raise bad_file(path, f"{label} lies in another file; export with external_data=False")
    if tensor.data_type != onnx.TensorProto.FLOAT:
        raise bad_file(path, f"{label} is of ONNX's type {tensor.data_type}, expected "
                       f"{onnx.TensorProto.FLOAT}, float32")
    try:
        return onnx.numpy_helper.to_array(tensor)
    except ValueError as error:             # more or fewer numbers than its shape says
        raise bad_file(path, f"{label} cannot be read ({error})") from error


def bad_file(path, found):
    """The ValueError to raise: the file, what was found in it, and where to read what is expected.
    """
    return ValueError(f"{path}: {found}; experiments/README.md says which weights can be read")
