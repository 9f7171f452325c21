"""The networks that checkpoints are computed with: one module an architecture, and their list.

`registry` has the list, `base` the contract, `network` and `rotary` what several of them share.
"""
