"""Which model of a score is the one to use, and what a model has to show to become it.

candidate   what is known of a model: the end of its training, its evaluation
gates       what it has to pass, and by how much
history     who was current, when and why: a numbered object a change
current     the one that is: ``current/score-N.json``, replaced in one write
marks       models that saw an exam which was withdrawn since
"""

from lusgan_core.promotion.candidate import Candidate, TrainingEnd
from lusgan_core.promotion.current import current_model, empty, promote, roll_back
from lusgan_core.promotion.gates import GATES, Gate, PromotionOptions, Verdict, judge
from lusgan_core.promotion.history import CurrentModel, HistoryEntry, read_history
from lusgan_core.promotion.marks import Mark, mark_of

__all__ = [
    "GATES",
    "Candidate",
    "CurrentModel",
    "Gate",
    "HistoryEntry",
    "Mark",
    "PromotionOptions",
    "TrainingEnd",
    "Verdict",
    "current_model",
    "empty",
    "judge",
    "mark_of",
    "promote",
    "read_history",
    "roll_back",
]
