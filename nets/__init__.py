"""The paper's networks, their layers and gradients, each written by hand."""
