"""From a trained agent to the parameters of the language model: lessons, training, one run."""
