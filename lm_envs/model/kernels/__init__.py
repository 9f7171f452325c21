"""Kernels: the operations of a forward pass, in PyTorch and in C++."""
