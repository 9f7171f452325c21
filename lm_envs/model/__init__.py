"""Language models: token ids in, small arrays out; the only PyTorch code of the library.

`base` has the protocol of a network, `architectures` the networks, `loading` the checkpoints,
`engine` the rows of context that environments advance, `scoring` the log-probabilities of given
tokens.
"""
