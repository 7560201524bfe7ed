"""Training likelihood models: losses, one step, the trainer, and what it writes."""

from invglow.training.config import TrainingConfig
from invglow.training.evaluation import Evaluation
from invglow.training.likelihood_model import LikelihoodModel
from invglow.training.trainer import Trainer, TrainingResult

__all__ = ["Evaluation", "LikelihoodModel", "Trainer", "TrainingConfig", "TrainingResult"]
