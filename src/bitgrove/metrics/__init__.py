"""How good a list of neighbours is: no torch, no scikit-learn."""

from ._recall import recall_at_k as recall_at_k
