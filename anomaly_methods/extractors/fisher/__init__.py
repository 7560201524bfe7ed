"""The Fisher information of a model's parameters, estimated block by block, and gradients measured by it."""
