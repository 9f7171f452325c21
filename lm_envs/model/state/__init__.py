"""What the device holds for the rows of an engine, and how calls reach it.

`row_state` has the tensors and the functions that advance them, `cuda_graph` records such functions
on a GPU, `host_arrays` has the memory for their results, `prefixes` copies rows. Knows nothing of
prompts or text.
"""
