"""Kernels: the operations of a forward pass, in PyTorch and in C++.

`base` has the protocol, `torch_ops` and `native` the two backends, `select` the choice between
them, `linear` the linear layers, `build` the compiler, `quantization` the rounding to int8.
"""
